"""Reading the MNIST family's files: packed, unpacked, read-only, missing and damaged."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from eqae.data import load_dataset
from eqae.data.idx import read_idx
from eqae.errors import DataError


def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@settings(max_examples=30, deadline=None)
@given(array=hnp.arrays(np.uint8, hnp.array_shapes(max_dims=3, max_side=6)), packed=st.booleans())
def test_an_idx_file_reads_as_it_was_written(
    array: np.ndarray, packed: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("idx") / ("a.gz" if packed else "a")
    path.write_bytes(gzip.compress(idx(array)) if packed else idx(array))
    assert np.array_equal(read_idx(path).numpy(), array)


CONTENT = idx(np.arange(60, dtype=np.uint8).reshape(3, 4, 5))


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize(
    "content",
    [b"", b"\0\0", CONTENT[:3], CONTENT[:9], CONTENT[:-1], CONTENT + b"\0", b"\0\0\x0d" + CONTENT[3:], b"<html>404"],
    ids=["empty", "two-bytes", "no-rank", "no-shape", "short", "long", "floats", "web-page"],
)
def test_an_idx_file_that_is_not_whole_is_named(content: bytes, packed: bool, tmp_path: Path) -> None:
    path = tmp_path / ("a.gz" if packed else "a")
    path.write_bytes(gzip.compress(content) if packed else content)
    with pytest.raises(DataError) as caught:
        read_idx(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("cut", [0, 5, 12, 40])
def test_a_truncated_archive_is_named(cut: int, tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(CONTENT)[:cut])
    with pytest.raises(DataError, match=r"a\.gz"):
        read_idx(path)


def test_a_flipped_bit_in_an_archive_is_found(tmp_path: Path) -> None:
    content = bytearray(gzip.compress(np.random.default_rng(0).bytes(1000)))
    content[500] ^= 1
    (tmp_path / "a.gz").write_bytes(content)
    with pytest.raises(DataError):
        read_idx(tmp_path / "a.gz")


@pytest.fixture
def fake_mnist(tmp_path: Path) -> Path:
    """Blank images in MNIST's four files and counts, all packed."""
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for prefix, count in (("train", 60_000), ("t10k", 10_000)):
        for kind, shape in (("images-idx3", (count, 28, 28)), ("labels-idx1", (count,))):
            array = np.zeros(shape, np.uint8)
            (raw / f"{prefix}-{kind}-ubyte.gz").write_bytes(gzip.compress(idx(array), compresslevel=1))
    return tmp_path


def test_packed_files_are_read_and_nothing_is_written(fake_mnist: Path) -> None:
    before = sorted(fake_mnist.rglob("*"))
    dataset = load_dataset("mnist", fake_mnist, {})
    assert dataset.train.pixels.shape == (60_000, 1, 28, 28)
    assert sorted(fake_mnist.rglob("*")) == before


def test_an_unpacked_file_comes_before_the_archive(fake_mnist: Path) -> None:
    labels = np.full(10_000, 7, np.uint8)
    (fake_mnist / "MNIST" / "raw" / "t10k-labels-idx1-ubyte").write_bytes(idx(labels))
    assert load_dataset("mnist", fake_mnist, {}).test.labels.unique().tolist() == [7]


def test_a_missing_file_gets_its_name_and_the_command_that_fetches_it(fake_mnist: Path) -> None:
    (fake_mnist / "MNIST" / "raw" / "t10k-images-idx3-ubyte.gz").unlink()
    with pytest.raises(DataError) as caught:
        load_dataset("o2-mnist-12k", fake_mnist, {})
    message = str(caught.value)
    assert "t10k-images-idx3-ubyte" in message
    assert "torchvision.datasets.MNIST('FOLDER', download=True)" in message
    assert "data.root" in message
    assert "EQAE_DATA" in message


def test_files_that_were_swapped_are_found(fake_mnist: Path) -> None:
    raw = fake_mnist / "MNIST" / "raw"
    (raw / "train-images-idx3-ubyte.gz").write_bytes((raw / "t10k-images-idx3-ubyte.gz").read_bytes())
    with pytest.raises(DataError, match=r"train-images.*\(10000, 28, 28\); expected \(60000, 28, 28\)"):
        load_dataset("mnist", fake_mnist, {})


@pytest.mark.data
@pytest.mark.parametrize(("name", "classes"), [("mnist", "MNIST"), ("fashion-mnist", "FashionMNIST")])
def test_the_images_are_those_that_torchvision_reads(name: str, classes: str, data_root: Path) -> None:
    import torchvision

    if not (data_root / classes / "raw" / "train-images-idx3-ubyte").exists():
        pytest.skip("torchvision cannot read archives that are not unpacked")
    dataset = load_dataset(name, data_root, {})
    for split, train in ((dataset.train, True), (dataset.test, False)):
        expected = getattr(torchvision.datasets, classes)(data_root, train=train, download=False)
        assert torch.equal(split.pixels[:, 0], expected.data)
        assert torch.equal(split.labels, expected.targets)
    assert [name.lower() for name in dataset.class_names] == [
        name.split(" - ")[0].lower() for name in expected.classes
    ]  # fmt: skip
