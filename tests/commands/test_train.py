"""``train.py`` as a user runs it: every shipped config, what it leaves behind, and how it refuses."""

from __future__ import annotations

import csv
import json
import re
from ast import literal_eval
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import CONFIGS, Arguments, tiny_arguments

import eqae
from eqae.commands.train import main
from eqae.config import parse_config
from eqae.yaml_file import read_yaml

DEFAULT = "eqae_p4m.yaml"
"""The config whose run, ``finished``, most tests look at."""
SHIPPED = sorted({str(path.relative_to(CONFIGS)) for path in CONFIGS.rglob("*.yaml")} - {DEFAULT})
FILES = {
    "config.yaml", "metrics.csv", "last.ckpt", "model.safetensors", "manifest.json", "results.json", "results.csv",
    "report.html", "README.md",
}  # fmt: skip
COLUMNS = [
    "model", "dataset", "evaluator", "metric", "condition", "value", "low", "high", "higher_is_better", "n", "seed",
    "note",
]  # fmt: skip


ADAPTED = {
    "rivals/supervised.yaml": ["model.classes=3"],  # as the tiny data has
    "o2mnist/eqae_p4m.yaml": ["evaluators=[invariance, clustering]"],  # `all` runs with the plankton config
    "paper/d12_steerable.yaml": ["evaluators=[reconstruction]"],  # thousands of features take long
    "rivals/cnn.yaml": ["evaluators=[invariance, label_free]"],  # seven models
}


@pytest.mark.parametrize("config", SHIPPED)
def test_a_shipped_config_trains_and_leaves_a_whole_run(
    config: str, tiny: Arguments, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(tiny(config, *ADAPTED.get(config, []))) == 0
    name = parse_config(read_yaml(CONFIGS / config)).name
    assert_whole(tmp_path / name)
    printed = capsys.readouterr().out
    assert "report" in printed
    assert str(tmp_path / name / "report.html") in printed


def assert_whole(run: Path) -> None:
    """The run has every file that is promised and nothing that was only on the way."""
    assert {path.name for path in run.iterdir() if path.is_file()} == FILES
    assert not list(run.parent.rglob("*.tmp"))


@pytest.fixture(scope="module")
def finished(tiny_npz: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the default config with all its baselines."""
    folder = tmp_path_factory.mktemp("finished")
    assert main(tiny_arguments(DEFAULT, tiny_npz, folder, "training.epochs=2")) == 0
    return folder / "eqae_p4m"


def test_the_default_config_leaves_a_whole_run(finished: Path) -> None:
    assert_whole(finished)


def test_the_card_says_what_was_trained(finished: Path) -> None:
    (line,) = (line for line in (finished / "README.md").read_text().splitlines() if line.startswith("| model | eqae "))
    options = literal_eval(line.strip("| ").partition("eqae ")[2])
    assert options["group"] == "D4"


def test_results_have_the_promised_columns_and_judge_every_model(finished: Path) -> None:
    document = json.loads((finished / "results.json").read_text())
    assert document["format"] == 1
    assert all(list(row) == COLUMNS for row in document["rows"])
    models = {row["model"] for row in document["rows"]}
    assert models >= {
        "eqae_p4m", "eqae_p4m:mean", "eqae_p4m:correlation", "eqae_p4m (untrained)", "cnn", "cnn (untrained)",
        "cnn_augmented", "cnn_orbit_mean", "pca", "zernike",
    }  # fmt: skip
    with (finished / "results.csv").open() as file:
        assert len(list(csv.DictReader(file))) == len(document["rows"])


def test_exact_models_stay_exact_beside_a_plain_network_that_is_not(finished: Path) -> None:
    error = {
        row["model"]: row["value"]
        for row in json.loads((finished / "results.json").read_text())["rows"]
        if row["metric"] == "relative_invariance_error" and row["condition"] == "D4"
    }
    for label in ("eqae_p4m", "eqae_p4m:mean", "eqae_p4m:correlation", "eqae_p4m (untrained)", "cnn_orbit_mean"):
        assert error[label] < 1e-5
    assert error["cnn"] > 1e-2


def test_baselines_are_checkpoints_too(finished: Path, tiny_npz: Path) -> None:
    images = np.load(tiny_npz)["images"][:5]
    for label in ("cnn", "cnn_augmented", "cnn_orbit_mean", "pca", "zernike"):
        extractor = eqae.load_extractor(finished / "baselines" / label)
        assert np.isfinite(extractor.transform(images)).all()


def test_features_do_not_change_when_the_image_is_turned_after_training(finished: Path, tiny_npz: Path) -> None:
    extractor = eqae.load_extractor(finished)
    images = torch.from_numpy(np.load(tiny_npz)["images"][:20])
    upright = extractor.transform(images)
    for g in range(1, 8):
        turned = extractor.transform(extractor.group.act(g, images).contiguous())
        error = np.linalg.norm(turned - upright, axis=1) / np.linalg.norm(upright, axis=1)
        assert error.max() < 1e-5


def test_the_resolved_config_trains_the_same_weights(tiny: Arguments, tmp_path: Path) -> None:
    assert main(tiny("cnn.yaml")) == 0
    again = main(["--config", str(tmp_path / "cnn" / "config.yaml"), "name=again"])
    assert again == 0
    assert (tmp_path / "cnn" / "model.safetensors").read_bytes() == (
        tmp_path / "again" / "model.safetensors"
    ).read_bytes()


def test_metrics_have_a_row_an_epoch_with_loss_and_equivariance_error(tiny: Arguments, tmp_path: Path) -> None:
    assert main(tiny("eqae_attention.yaml", "training.epochs=3")) == 0
    with (tmp_path / "eqae_attention" / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["0", "1", "2"]
    assert float(rows[-1]["train/loss"]) < float(rows[0]["train/loss"])
    assert all(float(row["equivariance_error"]) < 1e-5 for row in rows)
    assert all(0 <= float(row["train/attention_entropy"]) <= 2.08 for row in rows)


def test_an_interrupted_run_continues_to_the_same_weights(
    tiny: Arguments, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = tiny("cnn.yaml", "training.epochs=4", "augmentation.orientation=o2")
    assert main([*arguments, "name=whole"]) == 0
    from eqae.training import callbacks

    advance = callbacks.ExactResume.on_train_epoch_end

    def interrupt(self, trainer, module) -> None:  # type: ignore[no-untyped-def]
        advance(self, trainer, module)
        if trainer.current_epoch == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(callbacks.ExactResume, "on_train_epoch_end", interrupt)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        raise SystemExit(main([*arguments, "name=cut"]))
    assert not (tmp_path / "cut" / "manifest.json").exists()
    monkeypatch.setattr(callbacks.ExactResume, "on_train_epoch_end", advance)
    assert main([*arguments, "name=cut", "--resume"]) == 0
    assert (tmp_path / "cut" / "model.safetensors").read_bytes() == (
        tmp_path / "whole" / "model.safetensors"
    ).read_bytes()
    assert (tmp_path / "cut" / "metrics.csv").read_text() == (tmp_path / "whole" / "metrics.csv").read_text()


def test_a_finished_run_is_not_overwritten(tiny: Arguments, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(tiny("cnn.yaml")) == 0
    before = {path: path.read_bytes() for path in (tmp_path / "cnn").iterdir() if path.is_file()}
    assert main(tiny("cnn.yaml")) == 2
    assert "a run is there already" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in (tmp_path / "cnn").iterdir() if path.is_file()} == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["model.grup=D4"], "did you mean 'group'?"),
        (["model.group=E5"], "unknown group 'E5'"),
        (["training.epochs=many"], "training.epochs: found 'many'"),
        (["model.fields=[8, 8, 8, 8, 8]"], "at least 33x33"),
        (["head=attention"], "model.attention"),
        (["baselines.cnn.head.bandd=3"], "baselines.cnn.head.bandd: unknown option"),
        (["objective={reconstruction: 1, attention_entropy: 1}"], "the model has no attention"),
        (["data.name=plankton", "data.root=/nowhere"], "/nowhere"),
        (["data={name: npz, path: /nowhere.npz}"], "/nowhere.npz"),
        (["plugins=[no_such_module]"], "no_such_module"),
        (["--resume"], "no run to resume"),
        (["evaluators=[invarianc]"], "did you mean 'invariance'?"),
        (["evaluators={clustering: {klusters: 3}}"], "evaluators.clustering.klusters: unknown option"),
    ],
)
def test_a_mistake_gets_one_message_and_writes_nothing(
    arguments: list[str], message: str, tiny: Arguments, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(tiny(DEFAULT, *arguments)) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert not list(tmp_path.iterdir())


def test_a_mistake_is_said_to_be_where_it_was_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("training: {epochs: -1}\n")
    assert main(["--config", str(file), "training.batch_size=0", "objective.reconstruction=0"]) == 2
    error = capsys.readouterr().err
    assert f"{file}: training.epochs" in error
    assert "error: command line: training.batch_size" in error.replace("\n", "\nerror: ")
    assert f"{file} and command line: objective: found" in error


def test_a_loss_that_diverges_stops_with_step_and_advice(
    tiny: Arguments, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(tiny("cnn.yaml", "training.learning_rate=1e30", "training.schedule=constant")) == 2
    error = capsys.readouterr().err
    assert re.search(r"step \d+ \(epoch \d\)", error)
    assert "training.learning_rate" in error
    assert not (tmp_path / "cnn" / "manifest.json").exists()
