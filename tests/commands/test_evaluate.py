"""``evaluate.py`` as a user runs it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from command_line import tiny_arguments

from eqae.commands.evaluate import main
from eqae.commands.train import main as train
from eqae.data import load_dataset


@pytest.fixture(scope="module")
def trained(tiny_npz: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two trained runs, ``eqae_p4m`` and ``cnn``."""
    folder = tmp_path_factory.mktemp("runs")
    assert train(tiny_arguments("eqae_p4m.yaml", tiny_npz, folder, "baselines={}", "heads=[]")) == 0
    assert train(tiny_arguments("cnn.yaml", tiny_npz, folder)) == 0
    return folder


@pytest.fixture
def runs(trained: Path, tmp_path: Path) -> Path:
    """A copy of them that a test may write into."""
    return Path(shutil.copytree(trained, tmp_path / "runs"))


def rows(out: Path) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads((out / "results.json").read_text())["rows"]
    return found


def test_runs_heads_averages_and_training_free_models_share_one_table(runs: Path) -> None:
    out = runs / "table"
    ours, plain = str(runs / "eqae_p4m"), str(runs / "cnn")
    words = [ours, f"{ours}:mean", f"{ours}:correlation", plain, f"orbit_mean:{plain}", "zernike", "pca"]
    assert main([*words, "--out", str(out), "evaluators=[invariance, clustering, label_free]"]) == 0
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


def test_settings_are_chosen_on_images_held_out_of_training_and_judged_at_last_on_the_test(
    tiny_npz: Path, tmp_path: Path
) -> None:
    only = ["baselines={}", "heads=[]", "evaluators=[invariance]", "data.held_out=0.25", "evaluation.orbit_images=500"]
    assert train(tiny_arguments("cnn.yaml", tiny_npz, tmp_path, *only)) == 0
    assert main([str(tmp_path / "cnn"), "--out", str(tmp_path / "test"), "data.held_out=0"]) == 0
    images = load_dataset("npz", None, {"path": str(tiny_npz)})
    for run, dataset, count in (
        ("cnn", "npz-held-out", round(len(images.train) / 4)),
        ("test", "npz", len(images.test)),
    ):
        found = rows(tmp_path / run)
        assert {row["dataset"] for row in found} == {dataset}
        assert {row["n"] for row in found if row["metric"] == "relative_invariance_error"} == {count}


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
    assert main([*(word.replace("{runs}", str(runs)) for word in words), "--out", str(out)]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert not out.exists()


def test_a_run_without_weights_is_named(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (runs / "cnn" / "model.safetensors").unlink()
    assert main([str(runs / "cnn"), "--out", str(runs / "out")]) == 2
    assert "model.safetensors" in capsys.readouterr().err
