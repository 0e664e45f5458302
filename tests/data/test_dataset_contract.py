"""What every registered dataset promises, a newcomer's too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from eqae.data import Dataset, Images, load_dataset
from eqae.data.base import UNLABELED
from eqae.data.duplicates import content_hashes
from eqae.errors import ConfigError, DataError
from eqae.registry import DATASETS

EMBEDDED = {"digits", "o2-digits"}
SYNTHETIC = {"npz", "folder"}
ANYWHERE = [pytest.param(name, marks=() if name in EMBEDDED | SYNTHETIC else pytest.mark.data) for name in DATASETS]
COUNTS = {
    "digits": (1297, 500), "o2-digits": (1297, 500), "mnist": (60_000, 10_000), "fashion-mnist": (60_000, 10_000),
    "o2-mnist-12k": (12_000, 10_000), "so2-mnist-12k": (12_000, 10_000), "o2-fashion-12k": (12_000, 10_000),
    "o2-mnist-centred-12k": (12_000, 10_000), "so2-mnist-centred-12k": (12_000, 10_000),
    "so2-fashion-12k": (12_000, 10_000), "plankton": (24_140, 6_196),
}  # fmt: skip


@pytest.fixture(params=ANYWHERE)
def loaded(request: pytest.FixtureRequest, source: Any) -> tuple[Dataset, Dataset]:
    """The same dataset twice."""
    root, options = source(request.param)
    return load_dataset(request.param, root, options), load_dataset(request.param, root, options)


def test_a_dataset_keeps_the_contract(loaded: tuple[Dataset, Dataset]) -> None:
    first, second = loaded
    assert first.name == second.name
    assert first.name in DATASETS
    for split, again in ((first.train, second.train), (first.test, second.test)):
        _check_split(split, first)
        assert torch.equal(split.pixels, again.pixels), "loading twice gives the same images in the same order"
        assert torch.equal(split.labels, again.labels)
        assert split.names == again.names
    assert first.train.shape == first.test.shape
    assert len(set(first.class_names)) == len(first.class_names)
    assert (len(first.train), len(first.test)) == COUNTS.get(first.name, (len(first.train), len(first.test)))
    assert not set(content_hashes(first.train)) & set(content_hashes(first.test)), "an image is in both splits"


def _check_split(split: Images, dataset: Dataset) -> None:
    assert split.shape[0] in (1, 3)
    assert split.shape[1] == split.shape[2]
    batch = split.batch(torch.arange(min(64, len(split))))
    assert batch.dtype == torch.float32
    assert batch.is_contiguous()
    # Half a grey level of slack would hide a range that was never scaled.
    assert split.pixels.min() >= 0
    assert split.pixels.max() <= (255 if split.pixels.dtype == torch.uint8 else 1)
    assert batch.max() > 0.5, "the images are dark: their range was scaled twice"
    known = split.labels[split.labels != UNLABELED]
    assert ((known >= 0) & (known < len(dataset.class_names))).all()
    assert set(known.tolist()) == set(range(len(dataset.class_names))), "every class is in both splits"


@pytest.mark.parametrize("name", [name for name in DATASETS if name not in EMBEDDED | {"npz"}])
def test_without_a_root_the_message_names_both_ways_to_set_one(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EQAE_DATA", raising=False)
    with pytest.raises(DataError) as caught:
        load_dataset(name, None, {})
    assert "data.root" in str(caught.value)
    assert "EQAE_DATA" in str(caught.value)
    assert "fix: " in str(caught.value)


@pytest.mark.parametrize("name", [name for name in DATASETS if name not in EMBEDDED | SYNTHETIC])
def test_a_root_without_the_files_gets_their_names_and_the_fix(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"(?s)raw/|plankton64\.npz") as caught:
        load_dataset(name, tmp_path, {})
    assert str(tmp_path) in str(caught.value)
    assert "fix: " in str(caught.value)


@pytest.mark.parametrize("name", DATASETS.names())
def test_a_root_that_does_not_exist_is_named_before_anything_else(name: str) -> None:
    with pytest.raises(DataError, match=r"data\.root: '/no/such/folder' does not exist"):
        load_dataset(name, "/no/such/folder", {"sise": 3})


def test_a_root_that_is_a_file_is_called_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="is not a folder"):
        load_dataset("mnist", tmp_path / "file", {})


def test_the_environment_names_the_root_where_the_config_does_not(
    small_npz: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EQAE_DATA", str(small_npz.parent))
    assert len(load_dataset("npz", None, {"path": small_npz.name}).train) == 32
    with pytest.raises(DataError, match="no such file"):
        load_dataset("npz", tmp_path, {"path": small_npz.name})


def test_a_stale_environment_stops_only_what_needs_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EQAE_DATA", "/no/such/folder")
    assert len(load_dataset("digits", None, {}).train) == 1297
    with pytest.raises(DataError, match="'/no/such/folder' does not exist"):
        load_dataset("mnist", None, {})


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("digits", {"sise": 28}, r"data\.sise: unknown option"),
        ("digits", {"size": 7}, r"data\.size: found 7; expected greater than or equal to 8"),
        ("o2-digits", {"size": "big"}, r"data\.size: found 'big'"),
        ("mnist", {"size": 28}, "takes no options"),
        ("folder", {"channels": 2}, r"data\.channels: found 2"),
        ("folder", {"on_corrupt": "ignore"}, r"data\.on_corrupt"),
        ("folder", {"test_fraction": 1.0}, r"data\.test_fraction"),
        ("plankton", {"size": 0}, r"data\.size"),
        ("npz", {}, r"data\.path: missing"),
        ("mnits", {}, "did you mean 'mnist'"),
    ],
)
def test_options_are_checked_before_any_file_is_read(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_dataset(name, None, options)


@pytest.mark.parametrize("size", [8, 13, 28, 33])
def test_digits_come_in_any_size_from_their_own(size: int) -> None:
    assert load_dataset("digits", None, {"size": size}).train.shape == (1, size, size)


def test_digits_at_their_own_size_are_scikit_learns() -> None:
    from sklearn.datasets import load_digits

    found = load_digits()
    dataset = load_dataset("digits", None, {"size": 8})
    pixels = torch.cat([dataset.train.pixels, dataset.test.pixels])[:, 0].double() * 16
    assert torch.equal(pixels, torch.from_numpy(found.images))
    assert torch.cat([dataset.train.labels, dataset.test.labels]).tolist() == found.target.tolist()


def test_a_part_held_out_of_training_takes_the_place_of_the_test_images() -> None:
    dataset = load_dataset("digits", None, {})
    held = dataset.holding_out(0.2)
    assert held.name == "digits-held-out"
    assert (len(held.train), len(held.test)) == (1297 - 259, 259)
    parts = [set(content_hashes(split)) for split in (held.train, held.test, dataset.test)]
    assert parts[0] | parts[1] == set(content_hashes(dataset.train))
    assert not parts[1] & (parts[0] | parts[2])
    assert set(held.test.labels.tolist()) == set(range(10))
    again = load_dataset("digits", None, {}).holding_out(0.2)
    assert torch.equal(again.test.pixels, held.test.pixels)


@pytest.mark.parametrize("share", [1e-4, 0.9999])
def test_a_part_of_no_images_or_of_all_is_refused(share: float) -> None:
    with pytest.raises(DataError, match=r"data\.held_out"):
        load_dataset("digits", None, {}).holding_out(share)
