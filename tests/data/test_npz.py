from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eqae.data import Dataset, load_dataset
from eqae.data.resize import invert, resize
from eqae.errors import DataError

RANDOM = np.random.default_rng(0)
GREY = RANDOM.integers(0, 256, (12, 8, 8), dtype=np.uint8)
COLOUR = RANDOM.integers(0, 256, (12, 8, 8, 3), dtype=np.uint8)


@pytest.fixture
def load(tmp_path: Path) -> Any:
    """Writes arrays to a file and loads it."""

    def write_and_load(arrays: dict[str, Any], **options: Any) -> Dataset:
        np.savez(tmp_path / "data.npz", **arrays)
        return load_dataset("npz", tmp_path, {"path": "data.npz", **options})

    return write_and_load


def together(dataset: Dataset) -> torch.Tensor:
    return torch.cat([dataset.train.pixels, dataset.test.pixels])


def first_eight_train() -> np.ndarray:
    return np.arange(12) >= 8


@pytest.mark.parametrize("images", [GREY, GREY[..., None], GREY[:, None]], ids=["NHW", "NHWC", "NCHW"])
def test_grey_images_come_in_three_layouts(images: np.ndarray, load: Any) -> None:
    found = together(load({"images": images, "test": first_eight_train()}))
    assert found.dtype == torch.uint8
    assert torch.equal(found, torch.from_numpy(GREY)[:, None])


@pytest.mark.parametrize("images", [COLOUR, COLOUR.transpose(0, 3, 1, 2)], ids=["NHWC", "NCHW"])
def test_colour_images_come_in_two_layouts(images: np.ndarray, load: Any) -> None:
    found = together(load({"images": images, "test": first_eight_train()}))
    assert torch.equal(found, torch.from_numpy(COLOUR.transpose(0, 3, 1, 2).copy()))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f4"])
def test_floats_of_any_width_become_float32(dtype: Any, load: Any) -> None:
    found = together(load({"images": (GREY / 255).astype(dtype), "test": first_eight_train()}))
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found[:, 0].numpy(), GREY / 255, atol=5e-4)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"pictures": GREY}, "no array 'images' among pictures"),
        ({"images": GREY[0]}, r"shape \(8, 8\)"),
        ({"images": np.zeros((4, 3, 8, 3), np.uint8)}, "both the second and the last axis"),
        ({"images": np.zeros((4, 2, 8, 8), np.uint8)}, "neither the second nor the last axis"),
        ({"images": np.zeros((0, 8, 8), np.uint8)}, "no images"),
        ({"images": GREY[:1]}, "one image; expected at least two"),
        ({"images": GREY.astype(np.uint16)}, "dtype uint16"),
        ({"images": GREY.astype(np.float32)}, r"images\[0\]: pixels from"),
        ({"images": np.where(np.arange(12)[:, None, None] == 7, np.nan, GREY / 255)}, r"images\[7\]: .* NaN"),
        ({"images": GREY, "labels": np.zeros(11, int)}, r"labels: int64 of shape \(11,\)"),
        ({"images": GREY, "labels": np.zeros(12)}, "labels: float64"),
        ({"images": GREY, "labels": np.full(12, -2)}, "label -2"),
        ({"images": GREY, "labels": np.arange(12) % 2 + 1}, "no image of class 0, but one of class 2"),
        ({"images": GREY, "labels": np.arange(12) % 3, "class_names": np.array(["a", "b"])}, "2 names; expected 3"),
        ({"images": GREY, "test": np.ones(12, bool)}, "no training images"),
        ({"images": GREY, "test": np.zeros(12, bool)}, "no test images"),
        ({"images": GREY, "test": np.zeros(12, int)}, "test: int64"),
        ({"images": GREY, "split": np.zeros(12, int)}, r"split_names: \[\]"),
        ({"images": GREY, "split": np.zeros(12, int), "split_names": np.array(["a", "b"])}, "'train' among them"),
        ({"images": GREY, "split": np.full(12, 2), "split_names": np.array(["train", "test"])}, "from 0 to 1"),
        ({"images": GREY, "split": np.zeros(12, int), "split_names": np.array(["train", "test"])}, "no test images"),
    ],
)  # fmt: skip
def test_arrays_that_cannot_be_used_are_named(arrays: dict[str, Any], message: str, load: Any) -> None:
    with pytest.raises(DataError, match=message) as caught:
        load(arrays)
    assert "data.npz" in str(caught.value)


def test_images_that_are_not_square_are_not_distorted(load: Any) -> None:
    assert load({"images": GREY[:, :6]}).train.shape == (1, 6, 8)
    with pytest.raises(DataError, match="6x8 pixels; expected square images"):
        load({"images": GREY[:, :6]}, size=16)


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 cut off"], ids=["empty", "text", "cut"])
def test_a_file_that_is_no_archive_is_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "data.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"data\.npz: cannot be read"):
        load_dataset("npz", tmp_path, {"path": "data.npz"})


def test_a_truncated_archive_and_a_bare_array_are_named(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "whole.npz", images=GREY)
    (tmp_path / "data.npz").write_bytes((tmp_path / "whole.npz").read_bytes()[:-200])
    np.save(tmp_path / "bare.npy", GREY)
    for name in ("data.npz", "bare.npy"):
        with pytest.raises(DataError, match=f"{name}: cannot be read"):
            load_dataset("npz", tmp_path, {"path": name})


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def test_pickled_objects_are_refused_and_not_run(tmp_path: Path) -> None:
    bombs = np.empty(2, object)
    bombs[:] = [Bomb(tmp_path / "ran")] * 2
    np.savez(tmp_path / "data.npz", images=GREY, extra=bombs)
    (tmp_path / "plain.npz").write_bytes(pickle.dumps(Bomb(tmp_path / "ran")))
    for name in ("data.npz", "plain.npz"):
        with pytest.raises(DataError, match="cannot be read"):
            load_dataset("npz", tmp_path, {"path": name})
    assert not (tmp_path / "ran").exists()


def test_a_relative_path_starts_at_the_root_and_an_absolute_one_does_not(small_npz: Path, tmp_path: Path) -> None:
    assert len(load_dataset("npz", small_npz.parent, {"path": small_npz.name}).train) == 32
    assert len(load_dataset("npz", tmp_path, {"path": str(small_npz)}).train) == 32
    with pytest.raises(DataError, match="no such file"):
        load_dataset("npz", tmp_path, {"path": small_npz.name})


def test_the_test_mask_is_the_split(load: Any) -> None:
    mask = np.arange(12) % 3 == 0
    dataset = load({"images": GREY, "labels": np.arange(12), "test": mask})
    assert dataset.train.labels.tolist() == np.flatnonzero(~mask).tolist()
    assert dataset.test.labels.tolist() == np.flatnonzero(mask).tolist()


def test_of_named_splits_train_trains_and_the_others_judge(load: Any) -> None:
    split = np.arange(12, dtype=np.uint8) % 3
    names = np.array(["val", "train", "test"])
    dataset = load({"images": GREY, "labels": np.arange(12), "split": split, "split_names": names})
    assert dataset.train.labels.tolist() == [1, 4, 7, 10]
    assert dataset.test.labels.tolist() == [0, 2, 3, 5, 6, 8, 9, 11]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(count=st.integers(2, 40), fraction=st.floats(0.01, 0.99))
def test_without_a_split_a_fixed_share_judges_and_neither_side_is_empty(count: int, fraction: float, load: Any) -> None:
    images = np.arange(count * 4, dtype=np.uint8).reshape(count, 2, 2)
    arrays = {"images": images, "labels": np.arange(count)}
    dataset, again = load(arrays, test_fraction=fraction), load(arrays, test_fraction=fraction)
    assert sorted(dataset.train.labels.tolist() + dataset.test.labels.tolist()) == list(range(count))
    assert len(dataset.train) >= 1
    assert abs(len(dataset.test) - fraction * count) <= 1
    assert dataset.test.labels.tolist() == again.test.labels.tolist()


def test_without_labels_nothing_is_labelled(load: Any) -> None:
    dataset = load({"images": GREY})
    assert dataset.class_names == ()
    assert not dataset.train.is_labeled


def test_names_of_classes_come_from_the_file_or_are_numbers(load: Any) -> None:
    labels = np.arange(12, dtype=np.uint8) % 2
    assert load({"images": GREY, "labels": labels}).class_names == ("0", "1")
    named = load({"images": GREY, "labels": labels, "class_names": np.array(["cat", "dog", "yet unseen"])})
    assert named.class_names == ("cat", "dog", "yet unseen")
    partly = load({"images": GREY, "labels": np.where(np.arange(12) < 10, -1, 0), "test": first_eight_train()})
    assert partly.class_names == ("0",)


def test_inverting_turns_white_into_black(load: Any) -> None:
    for images, top in ((GREY, 255), (GREY.astype(np.float32) / 255, 1)):
        plain, inverted = (load({"images": images}, invert=flag) for flag in (False, True))
        torch.testing.assert_close(inverted.train.pixels, top - plain.train.pixels)


def test_copies_of_an_image_in_both_splits_are_counted_aloud(load: Any) -> None:
    images = GREY.copy()
    images[[9, 11]] = images[[2, 3]]
    with pytest.warns(UserWarning, match=r"2 of 4 test images are in the training split too .*test image 1"):
        load({"images": images, "test": first_eight_train()})


def test_resizing_keeps_the_type_and_smooths_before_it_samples() -> None:
    stripes = torch.zeros(3, 1, 32, 32, dtype=torch.uint8)
    stripes[..., ::2] = 255
    small = resize(stripes, 8)
    assert small.dtype == torch.uint8
    assert ((small > 110) & (small < 145)).all(), "stripes that are too fine must turn grey"
    assert resize(stripes, 32) is stripes
    assert resize(stripes.float() / 255, 8).dtype == torch.float32


@pytest.mark.parametrize("size", [16, 20, 32, 45])
def test_resizing_agrees_with_pillow(size: int) -> None:
    from PIL import Image

    image = RANDOM.integers(0, 256, (32, 32), dtype=np.uint8)
    expected = np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR)).astype(int)
    found = resize(torch.from_numpy(image)[None, None], size)[0, 0].numpy().astype(int)
    assert np.abs(found - expected).max() <= 1
    assert abs((found - expected).mean()) < 0.1, "values are rounded, not cut off"


def test_many_images_are_resized_as_few_are() -> None:
    images = torch.randint(0, 256, (2050, 1, 6, 6), dtype=torch.uint8)
    assert torch.equal(resize(images, 3)[2040:], resize(images[2040:], 3))


def test_inverting_twice_changes_nothing() -> None:
    images = torch.randint(0, 256, (5, 1, 4, 4), dtype=torch.uint8)
    assert torch.equal(invert(invert(images)), images)


@pytest.mark.data
def test_blood_cells_are_read_in_colour_with_the_splits_of_their_file(data_root: Path) -> None:
    dataset = load_dataset("npz", data_root, {"path": "bccd_cells/bccd40.npz"})
    assert dataset.class_names == ("RBC", "WBC", "Platelets")
    assert dataset.train.shape == (3, 40, 40)
    assert (len(dataset.train), len(dataset.train) + len(dataset.test)) == (2002, 3474)


@pytest.mark.data
def test_plankton_floats_in_black_water(data_root: Path) -> None:
    small, whole = (load_dataset("plankton", data_root, {"size": size}) for size in (32, 64))
    assert small.train.pixels[:, 0, [0, 0, -1, -1], [0, -1, 0, -1]].float().mean() < 8, "the corners are background"
    raw = np.load(data_root / "planktonset" / "plankton64.npz")
    assert np.array_equal(255 - whole.test.pixels[:, 0].numpy(), raw["images"][raw["test"]])
    assert np.array_equal(small.test.labels.numpy(), raw["labels"][raw["test"]])
    difference = whole.test.pixels.float().mean((1, 2, 3)) - small.test.pixels.float().mean((1, 2, 3))
    assert difference.abs().max() < 2, "resizing keeps the mean grey of each image"
