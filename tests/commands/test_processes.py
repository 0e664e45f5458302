"""``train.py`` in several processes: the same run as in one, written and printed by one."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import CONFIGS, Arguments, tiny_arguments
from safetensors.torch import load_file

from eqae.commands.train import main

SCRIPT = CONFIGS.parent / "train.py"
# In float64, so that what is left of the difference is no accident of rounding; 91 images in batches of 12 leave
# shares of unequal size and a short last batch.
SMALL = (
    "training.precision=64-true", "training.epochs=2", "training.batch_size=12", "training.accelerator=cpu",
    "model.fields=[2,2]", "model.code=4", "augmentation={orientation: o2, noise: 0.3}", "heads=[]",
    "evaluators={invariance: {}, spectrum: {}}",
    "baselines={cnn: {model: {name: cnn, group: C4, fields: [2, 2], code: 4, equal: channels}}, pca: {model: pca}}",
)  # fmt: skip


def in_processes(arguments: list[str], launcher: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Run ``train.py`` as a user would, outside of this process; with ``launcher`` arguments, by torchrun."""
    command = [sys.executable, *(("-m", "torch.distributed.run", *launcher) if launcher else ()), str(SCRIPT)]
    environment = {key: value for key, value in os.environ.items() if key not in ("RANK", "LOCAL_RANK", "WORLD_SIZE")}
    return subprocess.run(
        [*command, *arguments], capture_output=True, text=True, env=environment | {"OMP_NUM_THREADS": "1"}, check=False
    )


def assert_same_run(found: Path, expected: Path) -> None:
    """Weights, metrics and figures are equal up to rounding, of the model and of every baseline."""
    for one, other in ((found, expected), *((found / "baselines" / n, expected / "baselines" / n) for n in ("cnn",))):
        weights, wanted = load_file(one / "model.safetensors"), load_file(other / "model.safetensors")
        assert weights.keys() == wanted.keys()
        for name in wanted:
            assert (weights[name].double() - wanted[name].double()).abs().max() < 1e-6, name
        with (one / "metrics.csv").open() as mine, (other / "metrics.csv").open() as theirs:
            for row, other_row in zip(csv.DictReader(mine), csv.DictReader(theirs), strict=True):
                for key in (key for key in row if key != "equivariance_error"):
                    assert float(row[key]) == pytest.approx(float(other_row[key]), rel=1e-7), key
    rows, wanted_rows = (json.loads((run / "results.json").read_text())["rows"] for run in (found, expected))
    assert len(rows) == len(wanted_rows)
    for row, wanted_row in zip(rows, wanted_rows, strict=True):
        assert (row["model"], row["metric"], row["condition"]) == (
            wanted_row["model"], wanted_row["metric"], wanted_row["condition"],
        )  # fmt: skip
        if wanted_row["value"] is not None:
            assert row["value"] == pytest.approx(wanted_row["value"], rel=1e-3, abs=1e-5), row["metric"]


def test_two_processes_do_the_run_of_one(tiny_npz: Path, tmp_path: Path) -> None:
    alone, together = tmp_path / "alone", tmp_path / "together"
    assert main(tiny_arguments("eqae_p4m.yaml", tiny_npz, alone, *SMALL)) == 0
    done = in_processes(tiny_arguments("eqae_p4m.yaml", tiny_npz, together, *SMALL, "training.devices=2"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("epoch 2/2") == 2, "each training reports once, whoever takes part"
    assert done.stdout.count("report ") == 1
    assert_same_run(together / "eqae_p4m", alone / "eqae_p4m")


@pytest.mark.slow
@pytest.mark.parametrize("processes", [2, 3])
def test_torchrun_does_the_run_of_one_process(processes: int, tiny_npz: Path, tmp_path: Path) -> None:
    alone, together = tmp_path / "alone", tmp_path / "together"
    assert main(tiny_arguments("eqae_p4m.yaml", tiny_npz, alone, *SMALL)) == 0
    arguments = tiny_arguments("eqae_p4m.yaml", tiny_npz, together, *SMALL)
    done = in_processes(arguments, ("--standalone", f"--nproc-per-node={processes}"))
    assert done.returncode == 0, done.stderr
    assert_same_run(together / "eqae_p4m", alone / "eqae_p4m")


@pytest.mark.parametrize(
    ("overrides", "launched", "message"),
    [
        (["training.devices=40"], None, "training.devices: found 40; expected at most training.batch_size, 32"),
        (["training.devices=2"], "3", "training.devices: found 2; expected 3, the processes started on this machine"),
        (["training.devices=0"], None, "training.devices: found 0"),
        (["objective={reconstruction: 1.0, vicreg: 1.0}"], "2", "processes do not exchange"),
    ],
)
def test_processes_that_cannot_be_are_refused_before_anything_is_written(
    overrides: list[str], launched: str | None, message: str, tiny: Arguments, tmp_path: Path,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    if launched:
        monkeypatch.setenv("LOCAL_WORLD_SIZE", launched)
    assert main(tiny("eqae_p4m.yaml", *overrides)) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "eqae_p4m").exists()
