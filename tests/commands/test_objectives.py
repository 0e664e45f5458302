"""Every objective by the user's command: it trains, features stay invariant, mistakes are named before training."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import eqae
from eqae.commands.train import main
from eqae.objectives import Objective, Step
from eqae.registry import OBJECTIVES

Arguments = Callable[..., list[str]]
OPTIONS = {
    "aligned_reconstruction": "{code: 4, fields: [4, 4]}", "variational": "{code: 4, fields: [4, 4]}",
    "prototypes": "{count: 8, projection: [16, 8]}", "contrastive": "{projection: [16, 8]}",
    "neighbours": "{clusters: 3, neighbours: 2}", "vicreg": "{projection: [16, 16]}",
    "cross_entropy": "{smoothing: 0.1}",
}  # fmt: skip
NETWORKS = {
    "reconstruction": "{name: eqae, fields: [3, 4], code: 6}",
    "attention_entropy": "{name: eqae, fields: [3, 4], code: 6, attention: 5}",
    "cross_entropy": "{name: eqae, fields: [3, 4], code: 6, decoder: false, classes: 3}",
}
PLAIN = "baselines={plain: {model: {name: cnn, fields: [3, 4], code: 6}"
BARE = "{name: eqae, fields: [3, 4], code: 6, decoder: false}"
CNN = "model={name: cnn, group: D4, fields: [2, 3], code: 4, decoder: false}"


def trained_by(name: str, *more: str) -> list[str]:
    """Overrides that train a small network by one objective."""
    beside = "reconstruction: 1.0, " if name == "attention_entropy" else ""  # which trains no decoder
    return [
        f"model={NETWORKS.get(name, BARE)}", f"objective={{{beside}{name}: {OPTIONS.get(name, '1.0')}}}",
        "head=mean_max", "heads=[]", "baselines={}", "evaluators=[invariance]", "training.epochs=2", "name=run", *more,
    ]  # fmt: skip


@pytest.mark.parametrize("name", OBJECTIVES.names())
def test_every_objective_trains_a_checkpoint_whose_features_are_invariant(
    name: str, tiny: Arguments, tiny_npz: Path, tmp_path: Path
) -> None:
    assert main(tiny("eqae_p4m.yaml", *trained_by(name, "augmentation.orientation=o2"))) == 0
    rows = json.loads((tmp_path / "run" / "results.json").read_text())["rows"]
    errors = [r["value"] for r in rows if (r["metric"], r["condition"]) == ("relative_invariance_error", "D4")]
    assert len(errors) == 2  # trained and untrained
    assert max(errors) < 1e-5
    with (tmp_path / "run" / "metrics.csv").open() as file:
        figures = list(csv.DictReader(file))
    assert len(figures) == 2
    assert all(np.isfinite(float(row[f"{part}/{name}"])) for row in figures for part in ("train", "validation"))
    images = np.load(tiny_npz)["images"][:5]
    assert eqae.load_extractor(tmp_path / "run").transform(images).shape == (5, 12)


def test_objectives_are_weighted_together_over_a_head_that_training_passes_through(
    tiny: Arguments, tmp_path: Path
) -> None:
    objective = "objective={reconstruction: 1.0, contrastive: {weight: {from: 0.0, to: 0.1}, projection: [16, 8]}}"
    network = "model={name: eqae, group: D6, fields: [3, 4], code: 6, kernel: 3}"
    settings = (network, objective, "head={name: gram, post: [signed_root, l2]}")
    assert main(tiny("eqae_p4m.yaml", *trained_by("reconstruction", *settings))) == 0
    with (tmp_path / "run" / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        weighted = float(row["validation/contrastive_weight"]) * float(row["validation/contrastive"])
        assert float(row["validation/loss"]) == pytest.approx(float(row["validation/reconstruction"]) + weighted)


@pytest.mark.parametrize("name", ["contrastive", "variational", "prototypes", "neighbours"])
def test_an_interrupted_objective_continues_to_the_same_weights(
    name: str, tiny: Arguments, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it learns, its statistics and its optimiser's moments are part of the resume point, its draws are not."""
    shapes = ("augmentation={orientation: o2, scale: 0.2, shear: 0.2, shift: 1, blur: 0.5, contrast: 0.2}",)
    arguments = tiny("eqae_p4m.yaml", *trained_by(name, *shapes, "training.epochs=3"))
    assert main([*arguments, "name=whole"]) == 0
    from eqae.training import callbacks

    advance = callbacks.ExactResume.on_train_epoch_end

    def interrupt(self, trainer, module) -> None:  # type: ignore[no-untyped-def]
        advance(self, trainer, module)
        if trainer.current_epoch == 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(callbacks.ExactResume, "on_train_epoch_end", interrupt)
        assert main([*arguments, "name=cut"]) == 130
    torch.manual_seed(99)
    assert main([*arguments, "name=cut", "--resume"]) == 0
    for file in ("model.safetensors", "metrics.csv"):
        assert (tmp_path / "cut" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()


def test_a_resumed_run_keeps_the_hour_it_began(
    tiny: Arguments, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a run took is told by the time between its config and its checkpoint."""
    from eqae.commands import running

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    arguments = tiny("eqae_p4m.yaml", *trained_by("reconstruction"))
    with monkeypatch.context() as patch:
        patch.setattr(running, "save_checkpoint", interrupt)
        assert main(arguments) == 130
    config = tmp_path / "run" / "config.yaml"
    began = config.stat().st_mtime_ns
    assert main([*arguments, "--resume"]) == 0
    assert config.stat().st_mtime_ns == began


@pytest.mark.parametrize(("faster", "precision"), [(True, "bf16-mixed"), (False, "32-true")])
def test_automatic_precision_is_what_the_machine_is_fast_in(
    faster: bool,
    precision: str,
    tiny: Arguments,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from eqae.commands import training_precision

    monkeypatch.setattr(training_precision, "is_faster_in_bfloat16", lambda device: faster)
    settings = trained_by("reconstruction", "training.epochs=1")
    assert main(tiny("eqae_p4m.yaml", *settings, "training.precision=auto")) == 0
    assert f"precision: {precision}" in (tmp_path / "run" / "config.yaml").read_text()
    assert "slower here" not in capsys.readouterr().out
    assert main(tiny("eqae_p4m.yaml", *settings, "training.precision=bf16-mixed", "name=asked")) == 0
    assert ("slower here" in capsys.readouterr().out) is not faster


@pytest.mark.parametrize("trained", [False, True])
def test_precision_is_warned_of_while_something_is_left_to_train(
    trained: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from rich.console import Console

    from eqae.commands import training_precision
    from eqae.config import Config
    from eqae.runs import RunDirectory

    monkeypatch.setattr(training_precision, "is_faster_in_bfloat16", lambda device: False)
    run = RunDirectory(tmp_path)
    if trained:
        run.manifest.touch()
    config = Config.model_validate({"training": {"precision": "bf16-mixed"}})
    assert training_precision.with_precision(config, run, Console()) == config
    assert ("slower here" in capsys.readouterr().out) is not trained


def test_training_with_labels_says_so(tiny: Arguments, tmp_path: Path) -> None:
    assert main(tiny("eqae_p4m.yaml", *trained_by("cross_entropy"))) == 0
    assert "; labels seen by run" in (tmp_path / "run" / "report.html").read_text()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["objective={contrastive: 1.0}"], "set model.decoder: false"),
        (trained_by("reconstruction", f"model={BARE}"), "set model.decoder: true"),
        (trained_by("cross_entropy", f"model={BARE}"), "set model.classes"),
        (trained_by("cross_entropy", "model.classes=7"), "model.classes: 7; expected 3"),
        (trained_by("contrastive", "training.batch_size=4"), "training.batch_size"),
        (trained_by("prototypes", "objective.prototypes.count=5000"), "objective.prototypes.count"),
        (trained_by("contrastive", "objective.contrastive.temprature=1"), "did you mean 'temperature'?"),
        (trained_by("contrastive", "objective.contrastive.weight=-1"), "objective.contrastive.weight"),
        (trained_by("contrastive", "head={name: gram, post: [whiten]}"), "leave whiten and pca to the list of heads"),
        (trained_by("contrastive", "training.devices=2"), "processes do not exchange"),
        (trained_by("contrastive", "augmentation={noise: 0.0}"), "nothing changes an image"),
        (trained_by("contrastive", "objective.contrastive.temperature=true"), "not a boolean"),
        (trained_by("contrastive", "objective.contrastive.temperature=1e-9"), "objective.contrastive.temperature"),
        (trained_by("vicreg", "objective.vicreg.variance=.inf"), "objective.vicreg.variance"),
        (trained_by("prototypes", "objective.prototypes.count=33"), "training.batch_size"),
        (trained_by("contrastive", "model.classes=3"), "trains a classifier"),
        (trained_by("vicreg", "objective.vicreg={invariance: 0, variance: 0, covariance: 0}"), "all 0"),
        (
            trained_by("vicreg", "objective.vicreg.projection=12"),
            "objective.vicreg.projection: found 12; expected a list",
        ),
        (trained_by("neighbours", "objective.neighbours.neighbours=90"), "objective.neighbours.neighbours: 90, with"),
        (trained_by("vicreg", "objective.vicreg={wieght: 3}"), "did you mean 'weight'?"),
        (["objective={reconstruction: 0.0}"], "a weight above zero"),
        (["objective={reconstruction: 0.0, contrastive: 1.0}"], "set model.decoder: false"),
        (["objective={reconstruction: {weight: {from: 0.0, to: 0.0}}}"], "a weight above zero"),
        (["objective={reconstruction: 1.0, Reconstruction: 1.0}"], "'reconstruction' a second time"),
        ([f"{PLAIN}, objective: {{contrastive: 1.0}}}}}}"], "baselines.plain.objective: contrastive: none of them"),
        (
            [f"{PLAIN}, objective: {{reconstruction: 1.0, attention_entropy: 1.0}}}}}}"],
            "baselines.plain.objective.attention_entropy",
        ),
        ([f"{PLAIN}, head: {{name: mean, bnd: 3}}}}}}"], "baselines.plain.head.bnd: unknown option"),
        (trained_by("aligned_reconstruction", "model.group=D2"), "alignment: minimum"),
        (
            trained_by("aligned_reconstruction", CNN),
            "a model equivariant over C3 or more, or alignment: minimum with over: D4",
        ),
        (
            trained_by("variational", CNN),
            "objective.variational.over: that of the model, C1, has one pose",
        ),
        (
            trained_by(
                "aligned_reconstruction", "model.group=C1", "objective.aligned_reconstruction.alignment=minimum"
            ),
            "objective.aligned_reconstruction.over: that of the model, C1, has one pose",
        ),
        (
            trained_by("variational", "objective.variational.fields=[2, 2, 2, 2, 2, 2]"),
            "give the fields of the objective",
        ),
        (trained_by("contrastive", "data.held_out=0.95"), "at least 8\n  fix: train on more images"),
        (trained_by("neighbours", "data.held_out=0.95"), "fix: train on more images, or ask for fewer clusters"),
        (
            ["objective={neighbours: {from: 0.0, to: 1.0, clusters: 3}}", f"model={BARE}"],
            "{weight: {from: 0.0, to: 1.0}, clusters: ...}",
        ),
        (["model={name: zernike}", "objective={contrastive: {temprature: 7}}"], "did you mean 'temperature'?"),
        ([f"{PLAIN}, objective: {{}}}}}}"], "objective: empty; expected at least one objective"),
        (["objective={attention_entropy: 1.0}", "model.attention=4"], "none of them trains the decoder"),
        (trained_by("variational", "objective.variational.over=E4"), "unknown group 'E4'"),
        (["objective={contrast: 1.0}"], "did you mean 'contrastive'?"),
        (["augmentation.scale=-0.1"], "augmentation.scale"),
        (["model.attention=8", "model.decoder=false"], "model.attention"),
    ],
)
def test_a_mistake_is_named_and_nothing_is_written(
    overrides: list[str], message: str, tiny: Arguments, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(tiny("eqae_p4m.yaml", *overrides)) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert not list(tmp_path.iterdir())


def test_labels_of_some_images_are_learned_from_in_one_process(
    tiny: Arguments, tiny_npz: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arrays = dict(np.load(tiny_npz))
    arrays["labels"] = np.where(np.arange(len(arrays["labels"])) % 4, arrays["labels"].astype(np.int64), -1)
    np.savez(tmp_path / "some.npz", **arrays)
    arguments = tiny("eqae_p4m.yaml", *trained_by("cross_entropy", "training.epochs=1"))
    given = [argument.replace(str(tiny_npz), str(tmp_path / "some.npz")) for argument in arguments]
    assert main([*given, "training.devices=2"]) == 2
    assert "2 processes with objective.cross_entropy; expected 1" in capsys.readouterr().err
    assert main(given) == 0


class Vector(Objective):
    """One number an image."""

    def forward(self, step: Step) -> Tensor:
        return step.embedding.mean((1, 2))


class Number(Objective):
    """A number of Python's own."""

    def forward(self, step: Step) -> Tensor:
        return step.embedding.mean().item()  # type: ignore[return-value]


class Misspelt(Objective):
    """Needs what no step has."""

    needs = frozenset({"feature"})  # type: ignore[assignment,arg-type]


class Positional(Objective):
    """An option that is not keyword-only."""

    def __init__(self, power: float) -> None:
        super().__init__()


class Unstarred(Objective):
    """An option with a default that is not keyword-only either."""

    def __init__(self, width: int, power: float = 2.0) -> None:
        super().__init__()


class Heavy(Objective):
    """An option of the name that the weight has."""

    def __init__(self, *, weight: float = 2.0) -> None:
        super().__init__()


@pytest.mark.parametrize(
    ("objective", "message"),
    [
        (Vector, "objective.mine: its loss is of shape (2,); expected a scalar tensor"),
        (Number, "objective.mine: its loss is a float; expected a scalar tensor"),
        (Misspelt, "objective.mine: needs frozenset({'feature'}); expected a set out of decoder, features"),
        (Positional, "objective 'mine': its constructor asks for 'power'; expected group, channels"),
        (Unstarred, "objective 'mine': its constructor asks for 'power'; expected group, channels"),
        (Heavy, "objective 'mine': an option called 'weight'; expected another name"),
    ],
)
def test_a_mistake_in_ones_own_objective_is_named(
    objective: type[Objective], message: str, tiny: Arguments, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setitem(OBJECTIVES._targets, "mine", objective)
    assert main(tiny("eqae_p4m.yaml", *trained_by("mine"))) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert not list(tmp_path.iterdir())
