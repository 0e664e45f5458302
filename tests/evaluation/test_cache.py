import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from eqae.blocks import BLOCK
from eqae.data.base import Dataset, Images
from eqae.errors import ConfigError, DataError
from eqae.evaluation.cache import LAYOUT, make_room, workplace
from eqae.evaluation.evidence import Evidence
from eqae.evaluation.extraction import FeatureModel, extract_evidence
from eqae.evaluation.fingerprint import model_fingerprint
from eqae.evaluation.views import Extraction
from eqae.files import user_cache
from eqae.groups import C1, D4
from eqae.heads import build_head
from eqae.models import FunctionModel, build_model
from eqae.models.base import Autoencoder
from eqae.models.orbit_mean import OrbitMean

MakeModel = Callable[..., Any]
MakeDataset = Callable[..., Dataset]


def look(model: Autoencoder, dataset: Dataset, cache: Path | None, **options: Any) -> Evidence:
    head = build_head("mean", model, {})
    return extract_evidence(FeatureModel("m", model, head, seed=1), dataset, Extraction(cache=cache, **options))


def values(evidence: Evidence) -> list[np.ndarray]:
    return [evidence.train.values, evidence.test.values, *(f.values for f in evidence.turned.values())]


def test_a_second_look_encodes_nothing_but_probes_and_gives_the_same(
    orbit_rows: MakeModel, make_dataset: MakeDataset, tmp_path: Path
) -> None:
    model, dataset = orbit_rows("D4", (1, 9, 9)), make_dataset()
    first = look(model, dataset, tmp_path)
    before, model.encoded = model.encoded, 0
    second = look(model, dataset, tmp_path)
    assert model.encoded < before / 50
    for a, b in zip(values(first), values(second), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("change", ["weights", "images", "poses"])
def test_what_has_changed_is_looked_at_again(
    orbit_rows: MakeModel, make_dataset: MakeDataset, tmp_path: Path, change: str
) -> None:
    model, dataset, options = orbit_rows("C1", (1, 9, 9)), make_dataset(), {}
    look(model, dataset, tmp_path)
    if change == "weights":
        with torch.no_grad():
            model.map[0, 0] += 1e-3
    elif change == "images":
        pixels = dataset.test.pixels.clone()
        pixels[3, 0, 0, 0] = 1 - pixels[3, 0, 0, 0]
        dataset = Dataset(dataset.name, dataset.train, Images(pixels, dataset.test.labels), dataset.class_names)
    else:
        options = {"orbit_images": 5}
    fresh, kept = look(model, dataset, None, **options), look(model, dataset, tmp_path, **options)
    for a, b in zip(values(fresh), values(kept), strict=True):
        np.testing.assert_array_equal(a, b)


def test_an_interrupted_look_continues_from_the_cache(
    orbit_rows: MakeModel, make_dataset: MakeDataset, tmp_path: Path
) -> None:
    model, dataset = orbit_rows("D4", (1, 9, 9)), make_dataset(test=200)
    whole = look(model, dataset, None)
    encoded_in_all = model.encoded

    def stop(done: int, total: int) -> None:
        if done > total / 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        look(model, dataset, tmp_path, progress=stop)
    model.encoded = 0
    rest = look(model, dataset, tmp_path)
    assert model.encoded < 0.6 * encoded_in_all
    for a, b in zip(values(whole), values(rest), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_model_that_cannot_vouch_for_itself_is_never_kept(
    orbit_rows: MakeModel, make_dataset: MakeDataset, tmp_path: Path
) -> None:
    model = orbit_rows("D4", (1, 9, 9))
    model.is_reproducible = False
    look(model, make_dataset(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_cache_that_cannot_be_written_is_done_without(
    orbit_rows: MakeModel, make_dataset: MakeDataset, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    evidence = look(orbit_rows("D4", (1, 9, 9)), make_dataset(), tmp_path / "file")
    assert len(evidence.test.values) == 17


def test_the_longest_unused_goes_first(tmp_path: Path) -> None:
    for age, name in enumerate(["new", "middle", "old"]):
        with workplace(tmp_path, name) as folder:
            (folder / "rows.npy").write_bytes(bytes(100))
        os.utime(folder, (1e9 - age, 1e9 - age))
    make_room(tmp_path, limit=250)
    left = set((tmp_path / LAYOUT).iterdir())
    with workplace(tmp_path, "old") as folder:
        assert folder not in left
    assert len(left) == 2


def test_making_room_touches_nothing_that_is_not_ours(tmp_path: Path) -> None:
    foreign = [tmp_path / "thesis", tmp_path / LAYOUT / "photos", tmp_path / LAYOUT / ("0" * 32)]
    for folder in foreign:
        folder.mkdir(parents=True)
        (folder / "precious.txt").write_text("years of work")
    make_room(tmp_path, limit=0)
    assert all((folder / "precious.txt").exists() for folder in foreign)


def test_a_folder_in_use_is_neither_shared_nor_removed(tmp_path: Path) -> None:
    with workplace(tmp_path, "same") as first, workplace(tmp_path, "same") as second:
        assert first != second
        (first / "rows.npy").write_bytes(bytes(10))
        make_room(tmp_path, limit=0)
        assert (first / "rows.npy").exists()
    assert not second.exists()
    make_room(tmp_path, limit=0)
    assert not first.exists()


def test_a_full_disk_is_said_before_anything_is_encoded(
    orbit_rows: MakeModel, make_dataset: MakeDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)
    with pytest.raises(DataError, match=r"no room for the embeddings of 23 images \(No space left on device\)"):
        look(orbit_rows("D4", (1, 9, 9)), make_dataset(), tmp_path)
    assert not list(tmp_path.rglob("*.npy*"))


def test_the_cache_is_where_the_user_keeps_such_things(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert user_cache() == tmp_path / "eqae"


def test_two_processes_give_what_one_gives_to_the_last_bit(make_dataset: MakeDataset) -> None:
    torch.manual_seed(0)
    model = build_model("eqae", (1, 16, 16), {"fields": [3, 4], "code": 5}).eval()
    dataset = make_dataset(size=(16, 16), train=131, test=75)  # odd sets: the last block is not full
    counted: list[tuple[int, int]] = []
    options: dict[str, Any] = {"orbit_images": 3, "conditions": ("D4",)}
    one = look(model, dataset, None, **options)
    two = look(model, dataset, None, processes=2, progress=lambda *at: counted.append(at), **options)
    for a, b in zip(values(one), values(two), strict=True):
        np.testing.assert_array_equal(a, b)
    assert one.reconstruction_error is not None
    np.testing.assert_array_equal(one.reconstruction_error, two.reconstruction_error)
    assert counted[-1][0] == counted[-1][1] == 131 + 75 + 3 * 8


def test_a_model_that_cannot_be_sent_is_named(orbit_rows: MakeModel, make_dataset: MakeDataset) -> None:
    model = orbit_rows("D4", (1, 9, 9))
    model.act = lambda images: images
    with pytest.raises(ConfigError, match=r"evaluation\.processes.*cannot be pickled"):
        look(model, make_dataset(), None, processes=2)


class Refusing(Autoencoder):
    """Encodes nothing but probes."""

    has_decoder = False

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        if images.any() and len(images) == BLOCK:
            raise DataError("a picture", "it cannot be read")
        return images.flatten(1)[:, None, : self.channels]


def test_an_error_in_another_process_is_the_error_it_would_be_in_this_one(make_dataset: MakeDataset) -> None:
    model = Refusing(C1, 3, (1, 9, 9))
    for processes in (1, 2):
        with pytest.raises(DataError, match="a picture: it cannot be read"):
            look(model, make_dataset(), None, processes=processes)
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_function_is_never_kept_however_it_is_wrapped(
    make_dataset: MakeDataset, tmp_path: Path, wrapped: bool
) -> None:
    function: Autoencoder = FunctionModel(lambda images: images.flatten(1), (1, 9, 9))
    look(OrbitMean(function, D4) if wrapped else function, make_dataset(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_weights_of_any_type_have_a_fingerprint() -> None:
    class Half(Autoencoder):
        has_decoder = False

        def encode(self, images: torch.Tensor) -> torch.Tensor:
            return images.flatten(1)[:, None]

    model = Half(C1, 81, (1, 9, 9))
    model.register_buffer("scale", torch.tensor(1.0, dtype=torch.bfloat16))
    before = model_fingerprint(model)
    model.scale = torch.tensor(2.0, dtype=torch.bfloat16)
    assert before != model_fingerprint(model)


def test_a_changed_decoder_is_another_model(orbit_rows: MakeModel) -> None:
    model = orbit_rows("D4", (1, 9, 9))
    before = model_fingerprint(model)
    model.decode = lambda embedding: torch.ones(len(embedding), 1, 9, 9)
    assert before != model_fingerprint(model)
