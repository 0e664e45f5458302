"""``evaluate.py`` as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from eqae.commands.evaluate import main
from eqae.commands.train import main as train

from .conftest import Arguments


@pytest.fixture
def runs(tiny: Arguments, tmp_path: Path) -> Path:
    """Two trained runs, ``eqae_p4m`` and ``cnn``."""
    assert train(tiny("eqae_p4m.yaml", "baselines={}", "heads=[]", "training.epochs=1")) == 0
    assert train(tiny("cnn.yaml", "training.epochs=1")) == 0
    return tmp_path


def rows(out: Path) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads((out / "results.json").read_text())["rows"]
    return found


def test_runs_heads_averages_and_training_free_models_share_one_table(runs: Path) -> None:
    out = runs / "table"
    ours, plain = str(runs / "eqae_p4m"), str(runs / "cnn")
    words = [ours, f"{ours}:mean", f"{ours}:correlation", plain, f"orbit_mean:{plain}", "zernike", "pca"]
    assert main([*words, "--out", str(out), "evaluation.orbit_images=10"]) == 0
    models = {row["model"] for row in rows(out)}
    assert models >= {"eqae_p4m", "eqae_p4m:mean", "eqae_p4m:correlation", "cnn", "orbit_mean:cnn", "zernike", "pca"}
    assert {"results.json", "results.csv", "report.html"} == {path.name for path in out.iterdir()}


def test_figures_equal_those_that_training_ended_with(runs: Path) -> None:
    out = runs / "again"
    assert main([str(runs / "eqae_p4m"), "--out", str(out)]) == 0
    assert rows(out) == rows(runs / "eqae_p4m")


def test_heads_and_evaluators_are_chosen_without_retraining(runs: Path) -> None:
    out = runs / "chosen"
    words = [str(runs / "eqae_p4m"), "heads=[max, gram_banded]", "evaluators=[invariance]"]
    assert main([*words, "--out", str(out)]) == 0
    models = {row["model"] for row in rows(out)}
    assert models >= {"eqae_p4m", "eqae_p4m:max", "eqae_p4m:gram_banded"}
    assert {row["evaluator"] for row in rows(out)} == {"invariance"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nothing/there"], "nothing/there"),
        (["zernicke"], "did you mean 'zernike'?"),
        (["eqae"], "train it first"),
        (["{runs}/eqae_p4m:grm"], "did you mean 'gram'?"),
        (["{runs}/eqae_p4m:attention"], "model.attention"),
        (["{runs}/eqae_p4m", "data={name: digits, size: 17}"], "made for images of 20x20"),
        (["{runs}/cnn/last.ckpt"], "last.ckpt"),
        (["{runs}/eqae_p4m", "{runs}/eqae_p4m"], "one label a model"),
    ],
)
def test_a_model_that_cannot_be_judged_is_named(
    words: list[str], message: str, runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = runs / "out"
    assert main([*(word.format(runs=runs) for word in words), "--out", str(out)]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert not out.exists()


def test_a_run_without_weights_is_named(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (runs / "cnn" / "model.safetensors").unlink()
    assert main([str(runs / "cnn"), "--out", str(runs / "out")]) == 2
    assert "model.safetensors" in capsys.readouterr().err
