"""Weights of objectives are a function of the position in training, so that a run and its continuation agree."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import torch
from rich.console import Console

from eqae.data.base import Dataset, Images
from eqae.heads import build_head
from eqae.models import Autoencoder, build_model
from eqae.objectives import Subject, build_objective
from eqae.training.augment import Augment
from eqae.training.callbacks import METRICS_FILE, ExactResume
from eqae.training.fit import Recipe, fit, seed_everything
from eqae.training.module import Optimization, Weighted
from eqae.training.tracking import NoTracker
from eqae.training.weight import Weight

RAMP = Weight(0.0, 0.4, 0.5)
RECIPE = Recipe(
    epochs=4, batch_size=8, optimization=Optimization(1e-2, 0.0, "constant"), gradient_clip=None, validation=0.2,
    precision="32-true", accelerator="cpu", devices=1, machines=1, workers=0, compile=False, seed=0,
)  # fmt: skip


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Steps this small only wait for a second one."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def dataset() -> Dataset:
    generator = torch.Generator().manual_seed(0)

    def images(count: int) -> Images:
        pixels = torch.randint(0, 256, (count, 1, 12, 12), generator=generator, dtype=torch.uint8)
        return Images(pixels, torch.zeros(count, dtype=torch.int64))

    return Dataset("noise", images(40), images(8), ("noise",))


def train(folder: Path, weights: Mapping[str, Weight], *, resume: bool = False) -> Autoencoder:
    """Four epochs of four steps."""
    seed_everything(0, "weights")
    model = build_model("eqae", (1, 12, 12), {"fields": [2, 3], "code": 4, "attention": 5})
    folder.mkdir(exist_ok=True)
    head = build_head("mean", model, {})
    subject = Subject.of(model, head, 1)
    objectives = {name: Weighted(build_objective(name, subject, {}), weight) for name, weight in weights.items()}
    fit(
        model, head, dataset(), objectives, Augment(), RECIPE,
        directory=folder, label="m", tracker=NoTracker(), console=Console(quiet=True), resume=resume,
    )  # fmt: skip
    return model


def metrics(folder: Path) -> list[dict[str, float]]:
    with (folder / METRICS_FILE).open(newline="") as file:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]


@pytest.mark.parametrize(
    ("weight", "progress", "expected"),
    [
        (RAMP, 0.0, 0.0), (RAMP, 0.25, 0.2), (RAMP, 0.5, 0.4), (RAMP, 0.75, 0.4), (RAMP, 1.0, 0.4),
        (Weight(1.0, 0.0), 0.75, 0.25), (Weight(0.3, 0.3), 0.37, 0.3),
    ],
)  # fmt: skip
def test_a_weight_moves_in_a_straight_line_and_stays(weight: Weight, progress: float, expected: float) -> None:
    assert weight.at(progress) == pytest.approx(expected, abs=1e-15)


def test_the_loss_has_the_weight_of_the_moment_which_is_logged(tmp_path: Path) -> None:
    train(tmp_path, {"reconstruction": Weight(1.0, 1.0), "attention_entropy": RAMP})
    rows = metrics(tmp_path)
    # Steps 0..15 of 16: the mean over the four steps of each epoch, and what holds after its last.
    assert [row["train/attention_entropy_weight"] for row in rows] == pytest.approx([0.075, 0.275, 0.4, 0.4])
    assert [row["validation/attention_entropy_weight"] for row in rows] == pytest.approx([0.2, 0.4, 0.4, 0.4])
    for row in rows:
        assert "train/reconstruction_weight" not in row
        weighted = row["validation/attention_entropy_weight"] * row["validation/attention_entropy"]
        assert row["validation/loss"] == pytest.approx(row["validation/reconstruction"] + weighted, rel=1e-5)


def test_a_ramp_changes_what_is_learnt_and_one_that_stays_is_a_number(tmp_path: Path) -> None:
    plain = Weight(1.0, 1.0)
    ramped, constant, level = (
        train(tmp_path / str(i), {"reconstruction": plain, "attention_entropy": weight}).state_dict()
        for i, weight in enumerate((RAMP, Weight(0.4, 0.4), Weight(0.4, 0.4, 0.5)))
    )
    assert all(torch.equal(constant[key], level[key]) for key in constant)
    assert not all(torch.equal(constant[key], ramped[key]) for key in constant)


def test_an_interrupted_ramp_continues_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = {"reconstruction": Weight(1.0, 1.0), "attention_entropy": Weight(0.0, 0.4, 0.9)}
    whole = train(tmp_path / "whole", weights).state_dict()
    advance = ExactResume.on_train_epoch_end

    def interrupt(self, trainer, module) -> None:  # type: ignore[no-untyped-def]
        advance(self, trainer, module)
        if trainer.current_epoch == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(ExactResume, "on_train_epoch_end", interrupt)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "cut", weights)
    monkeypatch.setattr(ExactResume, "on_train_epoch_end", advance)
    continued = train(tmp_path / "cut", weights, resume=True).state_dict()
    assert all(torch.equal(whole[key], continued[key]) for key in whole)
    assert (tmp_path / "cut" / METRICS_FILE).read_text() == (tmp_path / "whole" / METRICS_FILE).read_text()
