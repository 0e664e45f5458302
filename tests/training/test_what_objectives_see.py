"""What reaches an objective, and what stops a training whose features have become one."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from rich.console import Console
from torch import Tensor, nn

from eqae.data.base import Dataset, Images
from eqae.errors import TrainingDiverged
from eqae.groups import D4
from eqae.heads import build_head
from eqae.heads.base import Head
from eqae.models import build_model
from eqae.objectives import Objective, Step, Subject, build_objective
from eqae.objectives.contrastive import Contrastive
from eqae.objectives.spread import relative_spread
from eqae.objectives.vicreg import VICReg
from eqae.training.augment import Augment
from eqae.training.fit import Recipe, fit, seed_everything
from eqae.training.module import Optimization, Weighted
from eqae.training.tracking import NoTracker
from eqae.training.weight import Weight

Precision = Literal["32-true", "bf16-mixed", "64-true"]


class Recorder(Objective):
    """Keeps what it was shown."""

    def __init__(self, needs: frozenset[str] = frozenset(), views: int = 1) -> None:
        super().__init__()
        self.needs = needs  # type: ignore[assignment]
        self.views = views
        self.seen: list[tuple[bool, Step]] = []

    def forward(self, step: Step) -> Tensor:
        self.seen.append((self.training, step))
        return step.embedding.square().mean()


class ToOne(Objective):
    """The shortest way to features that say nothing."""

    needs = frozenset({"features"})

    def forward(self, step: Step) -> Tensor:
        assert step.features is not None
        return (step.features - 1).square().mean()


def dataset(pixels: Tensor | None = None) -> Dataset:
    generator = torch.Generator().manual_seed(0)
    grey = torch.randint(0, 256, (40, 1, 12, 12), generator=generator, dtype=torch.uint8) if pixels is None else pixels
    images = Images(grey, torch.arange(len(grey)) % 4)
    return Dataset("noise", images, images, ("a", "b", "c", "d"))


def train(
    folder: Path,
    objectives: dict[str, Objective],
    data: Dataset,
    *,
    epochs: int = 1,
    rate: float = 1e-3,
    precision: Precision = "32-true",
    head: str | Head = "mean_max",
) -> None:
    seed_everything(0, "weights")
    model = build_model("eqae", (1, 12, 12), {"fields": [2, 3], "code": 4, "decoder": False})
    recipe = Recipe(
        epochs=epochs, batch_size=8, optimization=Optimization(rate, 0.0, "constant"), gradient_clip=None,
        validation=0.2, precision=precision, accelerator="cpu", devices=1, machines=1, workers=0, compile=False, seed=0,
    )  # fmt: skip
    weighted = {name: Weighted(objective, Weight(1.0, 1.0)) for name, objective in objectives.items()}
    built = build_head(head, model, {}) if isinstance(head, str) else head
    fit(
        model, built, data, weighted, Augment("o2", shift=1.0, noise=0.1), recipe,
        directory=folder, label="m", tracker=NoTracker(), console=Console(quiet=True),
    )  # fmt: skip


def test_labels_are_seen_by_those_who_ask_for_them_alone(tmp_path: Path) -> None:
    blind, sighted = Recorder(), Recorder(frozenset({"labels"}))
    train(tmp_path, {"blind": blind, "sighted": sighted}, dataset())
    assert all(step.labels is None for _, step in blind.seen)
    assert all(step.labels is not None and len(step.labels) == len(step.images) for _, step in sighted.seen)


def test_what_nobody_needs_is_not_computed(tmp_path: Path) -> None:
    recorder = Recorder()
    train(tmp_path, {"plain": recorder}, dataset())
    assert all(s.features is None and s.reconstruction is None and s.logits is None for _, s in recorder.seen)


@pytest.mark.parametrize(("precision", "dtype"), [("bf16-mixed", torch.float32), ("64-true", torch.float64)])
@pytest.mark.parametrize("head", ["mean_max", "gram"])
def test_every_objective_of_features_works_in_every_precision(
    head: str, precision: Precision, dtype: torch.dtype, tmp_path: Path
) -> None:
    options: dict[str, dict[str, Any]] = {
        "contrastive": {}, "vicreg": {}, "prototypes": {"count": 4}, "neighbours": {"clusters": 3, "neighbours": 2},
        "aligned_reconstruction": {"code": 4, "fields": [3, 4]}, "variational": {"code": 4, "fields": [3, 4]},
    }  # fmt: skip
    model = build_model("eqae", (1, 12, 12), {"fields": [2, 3], "code": 4, "decoder": False})
    subject = Subject.of(model, build_head(head, model, {}), 4)
    objectives = {name: build_objective(name, subject, given) for name, given in options.items()}
    recorder = Recorder(frozenset({"features"}), views=2)
    train(tmp_path, {**objectives, "recorder": recorder}, dataset(), precision=precision, head=head)
    for _, step in recorder.seen:
        assert step.features is not None
        assert step.features.dtype == step.embedding.dtype == dtype


def test_images_are_moved_in_full_precision_whatever_that_of_the_layers(tmp_path: Path) -> None:
    exact, mixed = Recorder(), Recorder()
    train(tmp_path, {"it": exact}, dataset())
    train(tmp_path, {"it": mixed}, dataset(), precision="bf16-mixed")
    assert all(torch.equal(a.images, b.images) for (_, a), (_, b) in zip(exact.seen, mixed.seen, strict=True))


def test_two_views_of_an_image_differ_and_stand_a_batch_apart(tmp_path: Path) -> None:
    recorder = Recorder(frozenset({"features", "labels"}), views=2)
    train(tmp_path, {"views": recorder}, dataset(), epochs=2)
    for _, step in recorder.seen:
        first, second = step.images.chunk(2)
        assert not torch.equal(first, second)
        assert step.labels is not None
        assert torch.equal(*step.labels.chunk(2))
        assert step.features is not None
        assert step.features.shape == (len(step.images), 8)
        # Turned, mirrored and moved copies keep most of their brightness: they are views of the same images.
        brightness = torch.corrcoef(torch.stack([first.flatten(1).mean(1), second.flatten(1).mean(1)]))
        assert len(first) < 4 or brightness[0, 1] > 0.5


def test_who_compares_two_views_sees_the_first_two_of_three(tmp_path: Path) -> None:
    two, three = Recorder(frozenset({"features"}), views=2), Recorder(frozenset({"features", "labels"}), views=3)
    train(tmp_path, {"two": two, "three": three, "any": (one := Recorder())}, dataset())
    for (_, few), (_, all_), (_, plain) in zip(two.seen, three.seen, one.seen, strict=True):
        count = len(few.images)
        assert (few.views, all_.views, plain.views) == (2, 3, 3)
        assert 3 * count == 2 * len(all_.images) == 2 * len(plain.images)
        assert torch.equal(few.images, all_.images[:count])
        assert few.features is not None
        assert all_.features is not None
        assert torch.equal(few.features, all_.features[:count])
        assert few.labels is None


def test_no_batch_is_too_small_to_compare_images(tmp_path: Path) -> None:
    """Batches of eight; a fifth of the images is held out, and up to three that are left over join the last batch."""
    for images, sizes in ((40, [8, 8, 8, 8]), (43, [8, 8, 8, 10]), (44, [8, 8, 8, 11]), (46, [8, 8, 8, 8, 5])):
        recorder = Recorder(views=2)
        recorder.compares_images = True
        pixels = torch.randint(0, 256, (images, 1, 12, 12), generator=torch.Generator().manual_seed(0))
        train(tmp_path, {"it": recorder}, dataset(pixels.to(torch.uint8)))
        assert [len(step.images) // 2 for training, step in recorder.seen if training] == sizes


def test_validation_sees_the_same_views_in_every_epoch_and_training_does_not(tmp_path: Path) -> None:
    recorder = Recorder(views=2)
    train(tmp_path, {"views": recorder}, dataset(), epochs=2)
    validation = [step.images for training, step in recorder.seen if not training]
    assert len(validation) == 2
    assert torch.equal(*validation)
    training = [step.images for training, step in recorder.seen if training]
    assert not torch.equal(training[0], training[4])


def test_one_held_out_image_has_a_finite_loss(tmp_path: Path) -> None:
    """A fifth of 45 images is nine, in batches of eight."""
    model = build_model("eqae", (1, 12, 12), {"fields": [2, 3], "code": 4, "decoder": False})
    objective = build_objective("vicreg", Subject.of(model, build_head("mean_max", model, {}), 4), {})
    train(tmp_path, {"vicreg": objective}, dataset(torch.randint(0, 256, (45, 1, 12, 12)).to(torch.uint8)))
    with (tmp_path / "metrics.csv").open() as file:
        losses = [float(row["validation/loss"]) for row in csv.DictReader(file)]
    assert losses
    assert all(map(math.isfinite, losses))


def test_features_that_become_one_stop_the_training(tmp_path: Path) -> None:
    with pytest.raises(TrainingDiverged, match="collapsed"):
        train(tmp_path, {"to_one": ToOne()}, dataset(), epochs=60, rate=3e-2)


class SaysNothing(Head):
    """The same feature of every V."""

    def __init__(self) -> None:
        super().__init__(D4, 4, 1)

    def forward(self, embedding: Tensor) -> Tensor:
        return torch.ones(len(embedding), 1)


def test_features_that_are_one_stop_the_training_however_embeddings_differ(tmp_path: Path) -> None:
    with pytest.raises(TrainingDiverged, match="the features have collapsed"):
        train(tmp_path, {"plain": Recorder()}, dataset(), head=SaysNothing())


def test_of_a_head_that_is_fitted_later_the_embeddings_have_to_differ(tmp_path: Path) -> None:
    head = SaysNothing()
    head.needs_fit = True
    train(tmp_path, {"plain": Recorder()}, dataset(), head=head)


def test_what_collapses_behind_features_that_differ_stops_the_training(tmp_path: Path) -> None:
    def built(**chosen: Any) -> dict[str, Objective]:
        seed_everything(0, "objectives")
        return {"it": VICReg(8, projection=(8,), **chosen)}

    train(tmp_path, built(), dataset(), epochs=12, rate=0.03)
    with pytest.raises(TrainingDiverged, match=r"what objective\.it compares has collapsed"):
        train(tmp_path, built(variance=0.0, covariance=0.0), dataset(), epochs=60, rate=0.03)


def test_to_look_for_a_collapse_moves_no_statistics(tmp_path: Path) -> None:
    class Counting(Contrastive):
        """Counts how often its statistics moved in training."""

        steps = 0

        def forward(self, step: Step) -> Tensor:
            self.steps += self.training
            return super().forward(step)

    objective = Counting(8, projection=(8, 4))
    train(tmp_path, {"it": objective}, dataset(), epochs=2)
    standardised = objective.projection[0]
    assert isinstance(standardised, nn.BatchNorm1d)
    assert standardised.num_batches_tracked == objective.steps > 0


def test_images_that_hardly_differ_are_no_collapse(tmp_path: Path) -> None:
    train(tmp_path, {"plain": Recorder()}, dataset(torch.full((40, 1, 12, 12), 100, dtype=torch.uint8)))


def test_the_spread_is_zero_for_a_constant_and_one_for_opposites() -> None:
    assert relative_spread(torch.full((4, 3), 7.0)) == 0
    assert relative_spread(torch.tensor([[1.0, 2.0], [-1.0, -2.0]])) == 1
    assert relative_spread(torch.zeros(4, 3)) == 0
