from __future__ import annotations

import os
import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from eqae.data import load_dataset
from eqae.data.folder_layout import in_test
from eqae.data.picture import EXTENSIONS, read_picture
from eqae.errors import DataError

RANDOM = np.random.default_rng(0)


def picture(height: int = 12, width: int = 12, mode: str = "L") -> Image.Image:
    return Image.fromarray(RANDOM.integers(0, 256, (height, width, 3), dtype=np.uint8)).convert(mode)


def save(path: Path, image: Image.Image | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    (image or picture()).save(path)


def cut_png(path: Path) -> None:
    save(path, picture(40, 40))
    path.write_bytes(path.read_bytes()[:300])


def text_png(path: Path) -> None:
    path.write_text("this is no picture")


def empty_png(path: Path) -> None:
    path.write_bytes(b"")


def flipped_png(path: Path) -> None:
    save(path, picture(40, 40))
    content = bytearray(path.read_bytes())
    content[200] ^= 0xFF
    path.write_bytes(content)


def huge_png(path: Path) -> None:
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    chunk = struct.pack(">I", 13) + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk)


BROKEN: tuple[Callable[[Path], None], ...] = (cut_png, text_png, empty_png, flipped_png, huge_png)


# Reading one picture


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "I;16"])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (7, 30), (64, 64), (90, 31)])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_mode_and_size_becomes_a_square_of_bytes(
    mode: str, height: int, width: int, channels: Any, tmp_path: Path
) -> None:
    path = tmp_path / "a.tif"
    image = picture(height, width)
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image).astype(np.uint16) * 257)
    save(path, image if mode == "I;16" else picture(height, width, "RGBA").convert("LA" if mode == "PA" else mode))
    pixels = read_picture(path, 20, channels, invert=False)
    assert pixels.shape == (channels, 20, 20)
    assert pixels.dtype == np.uint8


@pytest.mark.parametrize("extension", sorted(EXTENSIONS))
def test_every_extension_that_is_looked_for_can_be_read(extension: str, tmp_path: Path) -> None:
    grey = Image.new("L", (9, 9), 150)
    save(tmp_path / f"a{extension}", grey.convert("RGB") if extension == ".ppm" else grey)
    assert np.abs(read_picture(tmp_path / f"a{extension}", 9, 1, invert=False).astype(int) - 150).max() <= 2


@pytest.mark.parametrize("invert", [False, True])
def test_pixels_of_the_right_size_are_not_touched(invert: bool, tmp_path: Path) -> None:
    image = picture(16, 16, "RGB")
    save(tmp_path / "a.png", image)
    expected = np.asarray(image).transpose(2, 0, 1)
    assert np.array_equal(
        read_picture(tmp_path / "a.png", 16, 3, invert=invert), 255 - expected if invert else expected
    )


def test_a_palette_gives_the_colours_it_stands_for(tmp_path: Path) -> None:
    image = Image.fromarray(np.repeat(np.array([[[200, 30, 60], [10, 250, 90]]], np.uint8), 2, axis=0))
    save(tmp_path / "a.png", image.convert("P", palette=Image.Palette.ADAPTIVE))
    assert np.array_equal(read_picture(tmp_path / "a.png", 2, 3, invert=False), np.asarray(image).transpose(2, 0, 1))


@pytest.mark.parametrize("dtype", ["<u2", ">u2"])
@pytest.mark.parametrize("channels", [1, 3])
def test_sixteen_bits_are_scaled_as_a_whole(dtype: str, channels: Any, tmp_path: Path) -> None:
    values = np.array([[0, 257 * 100], [257 * 200 + 1, 65535]], dtype)
    if dtype == ">u2":
        header = b"P5 2 2 65535\n"
        (tmp_path / "a.pgm").write_bytes(header + values.tobytes())
    else:
        save(tmp_path / "a.png", Image.fromarray(values))
    (path,) = tmp_path.iterdir()
    pixels = read_picture(path, 2, channels, invert=False)
    assert pixels.tolist() == [[[0, 100], [200, 255]]] * channels


@pytest.mark.parametrize("invert", [False, True])
@pytest.mark.parametrize("hidden", [0, 77, 255])
def test_what_is_transparent_becomes_zero(invert: bool, hidden: int, tmp_path: Path) -> None:
    values = np.full((8, 8, 4), hidden, np.uint8)
    values[..., 3] = 0
    values[2:6, 2:6] = [120, 120, 120, 255]
    save(tmp_path / "a.png", Image.fromarray(values))
    pixels = read_picture(tmp_path / "a.png", 8, 1, invert=invert)[0]
    assert (pixels[2:6, 2:6] == (135 if invert else 120)).all()
    assert pixels.sum() == pixels[2:6, 2:6].sum()


@pytest.mark.parametrize(("height", "width"), [(10, 30), (30, 11)])
def test_the_padding_has_the_median_colour_of_the_border_and_is_the_same_on_both_sides(
    height: int, width: int, tmp_path: Path
) -> None:
    values = np.full((height, width, 3), [10, 200, 90], np.uint8)
    values[0, :3] = 255  # a minority of the border
    values[4:6, 4:6] = 0
    save(tmp_path / "a.png", Image.fromarray(values))
    pixels = read_picture(tmp_path / "a.png", 30, 3, invert=False)
    assert pixels[:, [0, 0, -1, -1], [0, -1, 0, -1]].T.tolist() == [[10, 200, 90]] * 4
    rows, columns = np.nonzero((pixels != np.array([10, 200, 90])[:, None, None]).any(0))
    assert (rows.min(), columns.min()) == ((30 - height) // 2, (30 - width) // 2)


def test_large_pictures_are_smoothed_before_they_are_sampled(tmp_path: Path) -> None:
    stripes = np.zeros((120, 120), np.uint8)
    stripes[:, ::2] = 255
    save(tmp_path / "a.png", Image.fromarray(stripes))
    pixels = read_picture(tmp_path / "a.png", 15, 1, invert=False)
    assert ((pixels > 110) & (pixels < 145)).all()


# The folder


def test_classes_are_folders_and_names_are_sorted_by_their_bytes(tmp_path: Path) -> None:
    for name in ("b/1.png", "b/10.png", "b/2.png", "Z/é.png", "Z/f.png", "Z/Ü.PNG", "b/deep/er/3.png"):
        save(tmp_path / name)
    dataset = load_dataset("folder", tmp_path, {"test_fraction": 0.4})
    assert dataset.class_names == ("Z", "b")
    for split in (dataset.train, dataset.test):
        assert list(split.names) == sorted(split.names, key=str.encode)
        assert split.labels.tolist() == [("Z", "b").index(name.split("/")[0]) for name in split.names]
        assert split.pixels.dtype == torch.uint8
    assert len(dataset.train) + len(dataset.test) == 7


def test_pixels_labels_and_names_belong_together(small_folder: Path) -> None:
    dataset = load_dataset("folder", small_folder, {"size": 16, "channels": 3, "invert": True})
    for split in (dataset.train, dataset.test):
        for i, name in enumerate(split.names):
            assert np.array_equal(split.pixels[i].numpy(), read_picture(small_folder / name, 16, 3, invert=True))


def test_a_flat_folder_is_unlabelled(tmp_path: Path) -> None:
    for i in range(10):
        save(tmp_path / f"{i}.png")
    dataset = load_dataset("folder", tmp_path, {})
    assert dataset.class_names == ()
    assert set(dataset.train.labels.tolist() + dataset.test.labels.tolist()) == {-1}
    assert sorted(dataset.train.names + dataset.test.names) == [f"{i}.png" for i in range(10)]


def test_dotfiles_and_what_is_no_image_by_name_are_ignored(tmp_path: Path) -> None:
    for name in ("a/1.png", "a/2.png", "b/1.png", "b/2.png", ".cache/1.png", "a/.thumbs/1.png"):
        save(tmp_path / name)
    for name in (".DS_Store", "._1.png", "a/._1.png", "a/notes.txt", "labels.csv", "b/Thumbs.db"):
        (tmp_path / name).write_text("no picture")
    (tmp_path / "c").mkdir()
    (tmp_path / "a" / "folder.png").mkdir()
    dataset = load_dataset("folder", tmp_path, {})
    assert sorted(dataset.train.names + dataset.test.names) == ["a/1.png", "a/2.png", "b/1.png", "b/2.png"]
    assert dataset.class_names == ("a", "b")


def test_train_and_test_folders_are_the_split(tmp_path: Path) -> None:
    for name in ("train/a/1.png", "train/a/2.png", "train/b/1.png", "test/b/9.png", "test/c/1.png", "val/a/5.png"):
        save(tmp_path / name)
    with pytest.warns(UserWarning, match="images outside 'train' and 'test' are not read: val$"):
        dataset = load_dataset("folder", tmp_path, {})
    assert dataset.train.names == ("train/a/1.png", "train/a/2.png", "train/b/1.png")
    assert dataset.test.names == ("test/b/9.png", "test/c/1.png")
    assert dataset.class_names == ("a", "b", "c")
    assert dataset.test.labels.tolist() == [1, 2]


def test_images_loose_beside_the_splits_are_named_too(tmp_path: Path) -> None:
    for name in ("train/1.png", "test/1.png", "9.png"):
        save(tmp_path / name)
    with pytest.warns(UserWarning, match="are not read: loose in the folder$"):
        assert len(load_dataset("folder", tmp_path, {}).train) == 1


def test_train_and_test_folders_may_be_flat(tmp_path: Path) -> None:
    for name in ("train/1.png", "train/2.png", "test/1.png"):
        save(tmp_path / name)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/what.txt").write_text("no image, no warning")
    dataset = load_dataset("folder", tmp_path, {})
    assert (dataset.train.names, dataset.test.names) == (("train/1.png", "train/2.png"), ("test/1.png",))
    assert not dataset.train.is_labeled


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((), "no images"),
        (("notes.txt",), r"no images; expected files that end in .*\.png"),
        (("empty/",), "no images"),
        (("a.png", "cats/b.png"), r"images beside the sub-folders \(such as 'a.png'\)"),
        (("train/a/1.png",), "sub-folders train; expected 'test' too"),
        (("test/a/1.png", "val/a/1.png"), "sub-folders test, val; expected 'train' too"),
        (("train/a/1.png", "test/"), "no images"),
        (("only.png",), "one image; expected at least two"),
    ],
)
def test_a_folder_that_cannot_be_used_says_why(names: tuple[str, ...], message: str, tmp_path: Path) -> None:
    for name in names:
        if name.endswith("/"):
            (tmp_path / name).mkdir(parents=True)
        elif name.endswith(".txt"):
            (tmp_path / name).write_text("")
        else:
            save(tmp_path / name)
    with pytest.raises(DataError, match=message) as caught:
        load_dataset("folder", tmp_path, {})
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("break_file", BROKEN)
def test_a_corrupt_image_is_named(break_file: Callable[[Path], None], small_folder: Path, tmp_path: Path) -> None:
    root = shutil.copytree(small_folder, tmp_path / "copy")
    break_file(root / "round" / "broken.png")
    with pytest.raises(DataError, match=r"1 of 41 images cannot be read: round/broken\.png \(.+\)") as caught:
        load_dataset("folder", root, {})
    assert "data.on_corrupt: skip" in str(caught.value)


def test_corrupt_images_are_skipped_aloud_when_asked(small_folder: Path, tmp_path: Path) -> None:
    root = shutil.copytree(small_folder, tmp_path / "copy")
    for i, break_file in enumerate(BROKEN):
        break_file(root / "square" / f"broken{i}.png")
    with pytest.warns(UserWarning, match=r"5 of 45 images cannot be read: .*square/broken3\.png.*left out"):
        dataset = load_dataset("folder", root, {"on_corrupt": "skip"})
    whole = load_dataset("folder", small_folder, {})
    assert dataset.train.names == whole.train.names
    assert torch.equal(dataset.test.pixels, whole.test.pixels)


def test_of_many_corrupt_images_only_the_first_are_listed(small_folder: Path, tmp_path: Path) -> None:
    root = shutil.copytree(small_folder, tmp_path / "copy")
    for i in range(8):
        text_png(root / "square" / f"broken{i}.png")
    with pytest.raises(DataError, match=r"8 of 48 .* and 3 more"):
        load_dataset("folder", root, {})


def test_skipping_everything_is_an_error(tmp_path: Path) -> None:
    for name in ("a.png", "b.png", "c.png"):
        text_png(tmp_path / name)
    with pytest.warns(UserWarning, match="3 of 3"), pytest.raises(DataError, match="none can be read"):
        load_dataset("folder", tmp_path, {"on_corrupt": "skip"})


def test_of_one_readable_image_nothing_can_be_trained_and_judged(tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    text_png(tmp_path / "b.png")
    with pytest.warns(UserWarning, match="1 of 2"), pytest.raises(DataError, match="one image; expected at least two"):
        load_dataset("folder", tmp_path, {"on_corrupt": "skip"})


def test_broken_files_leave_no_side_of_the_split_empty(tmp_path: Path) -> None:
    names = [f"{i}.png" for i in range(6)]
    for name in names:
        save(tmp_path / name)
    judged = in_test(names, 0.2)
    for name in judged:
        text_png(tmp_path / name)
    with pytest.warns(UserWarning, match=f"{len(judged)} of 6"):
        dataset = load_dataset("folder", tmp_path, {"on_corrupt": "skip"})
    assert len(dataset.test) >= 1
    assert set(dataset.train.names + dataset.test.names) == set(names) - judged


def test_a_class_without_a_readable_image_is_no_class(tmp_path: Path) -> None:
    for name in ("a/1.png", "a/2.png", "c/1.png", "c/2.png", "b/1.png"):
        save(tmp_path / name)
    text_png(tmp_path / "b" / "1.png")
    with pytest.warns(UserWarning, match=r"b/1\.png"):
        dataset = load_dataset("folder", tmp_path, {"on_corrupt": "skip"})
    assert dataset.class_names == ("a", "c")


def test_a_name_that_no_table_could_hold_counts_as_unreadable(small_folder: Path, tmp_path: Path) -> None:
    root = shutil.copytree(small_folder, tmp_path / "copy")
    shutil.copy(root / "round" / "00.png", os.fsencode(root / "round") + b"/caf\xe9.png")
    with pytest.raises(DataError, match=r"round/caf\\udce9\.png \(its name is not UTF-8: rename it\)") as caught:
        load_dataset("folder", root, {})
    str(caught.value).encode()


@pytest.mark.parametrize("brightest", [4095, 65535])
def test_twelve_bits_in_sixteen_are_pointed_out(brightest: int, tmp_path: Path) -> None:
    for i in range(4):
        values = RANDOM.integers(0, brightest, (9, 9), endpoint=True).astype(np.uint16)
        values[0, :2] = 0, brightest
        save(tmp_path / f"{i}.png", Image.fromarray(values))
    if brightest == 65535:
        load_dataset("folder", tmp_path, {"size": 9})
    else:
        with pytest.warns(UserWarning, match=r"between 0 and 16 of 0 to 255.*scale up"):
            load_dataset("folder", tmp_path, {"size": 9})


def test_floating_point_pixels_without_a_range_are_refused(small_folder: Path, tmp_path: Path) -> None:
    root = shutil.copytree(small_folder, tmp_path / "copy")
    save(root / "round" / "float.tif", Image.fromarray(RANDOM.random((8, 8), dtype=np.float32)))
    with pytest.raises(DataError, match=r"round/float\.tif \(floating-point pixels"):
        load_dataset("folder", root, {})


def test_copies_of_an_image_in_both_splits_are_counted_aloud(tmp_path: Path) -> None:
    for name in ("train/a/1.png", "train/a/2.png", "test/a/3.png"):
        save(tmp_path / name)
    shutil.copy(tmp_path / "train/a/2.png", tmp_path / "test/a/copy.png")
    with pytest.warns(UserWarning, match=r"1 of 2 test images .* \(the first is test/a/copy\.png\)"):
        load_dataset("folder", tmp_path, {})


# The split by name

NAMES = st.sets(st.text(min_size=1, max_size=12), min_size=1, max_size=60)


@given(names=NAMES, fraction=st.floats(0.01, 0.99))
def test_both_sides_of_a_class_have_images_and_a_single_image_trains(names: set[str], fraction: float) -> None:
    judged = in_test(sorted(names), fraction)
    assert judged <= names
    assert (0 < len(judged) < len(names)) if len(names) > 1 else not judged
    assert judged == in_test(sorted(names, reverse=True), fraction), "the order of the files does not matter"


@given(names=NAMES, more=NAMES)
def test_new_files_do_not_move_the_old_ones(names: set[str], more: set[str]) -> None:
    before, after = in_test(sorted(names), 0.5), in_test(sorted(names | more), 0.5)
    # Of a class that the law would have left one-sided, one image was moved by hand and may go back.
    assert len((before ^ after) & names) <= 1
    if len(names) > 40:
        assert before == after & names


def test_the_share_of_test_images_is_about_what_was_asked() -> None:
    names = [f"class/{i}.png" for i in range(4000)]
    for fraction in (0.1, 0.2, 0.5):
        assert abs(len(in_test(names, fraction)) / 4000 - fraction) < 0.03


def test_one_image_a_class_still_gives_a_test_split(tmp_path: Path) -> None:
    for name in "abcdef":
        save(tmp_path / name / "1.png")
    dataset = load_dataset("folder", tmp_path, {})
    assert len(dataset.test) >= 1
    assert len(dataset.train) + len(dataset.test) == 6
