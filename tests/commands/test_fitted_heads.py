"""Heads that are fitted to training images, from the config to the table and back."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from command_line import tiny_arguments

import eqae
from eqae.checkpoint import load_checkpoint
from eqae.commands.evaluate import main as evaluate
from eqae.commands.train import main as train
from eqae.errors import ConfigError
from eqae.groups import Group
from eqae.heads import Head
from eqae.heads.mean import MeanHead
from eqae.heads.postprocessing import post_processed
from eqae.registry import HEADS

HEAD = "head={name: gram, post: [signed_root, whiten], components: 6}"
FURTHER = "heads=[{name: mean, post: [l2, pca], components: 4}, selective_bispectrum]"


def models_of(folder: Path) -> set[str]:
    return {row["model"] for row in json.loads((folder / "results.json").read_text())["rows"]}


@pytest.fixture(scope="module")
def run(tiny_npz: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fitted")
    arguments = tiny_arguments(
        "eqae_p4m.yaml", tiny_npz, folder, HEAD, FURTHER, "baselines={}", "evaluators=[invariance]"
    )
    assert train(arguments) == 0
    return folder / "eqae_p4m"


def test_a_run_fits_its_own_head_and_the_further_ones_and_their_untrained_twins(run: Path) -> None:
    assert models_of(run) >= {
        "eqae_p4m", "eqae_p4m (untrained)", "eqae_p4m:mean,post=l2+pca,components=4", "eqae_p4m:selective_bispectrum",
    }  # fmt: skip


def test_the_loaded_extractor_gives_the_fitted_features(run: Path, tiny_npz: Path) -> None:
    extractor = eqae.load_extractor(run)
    with np.load(tiny_npz) as data:
        images = next(data[key] for key in data.files if data[key].ndim >= 3)
    assert extractor.transform(images).shape == (len(images), 6)
    assert list(extractor.get_feature_names_out()) == [f"whiten_{i}" for i in range(6)]


def test_an_evaluation_takes_the_fitted_head_as_it_is_and_fits_the_others(run: Path, tmp_path: Path) -> None:
    words = [str(run), "heads=[{name: max, post: [whiten], components: 3}]", "evaluators=[invariance]"]
    assert evaluate([*words, "--out", str(tmp_path / "out")]) == 0
    assert models_of(tmp_path / "out") >= {"eqae_p4m", "eqae_p4m:max,post=whiten,components=3"}
    before, after = (json.loads((folder / "results.json").read_text())["rows"] for folder in (run, tmp_path / "out"))
    own = [
        {(row["metric"], row["condition"]): row["value"] for row in rows if row["model"] == "eqae_p4m"}
        for rows in (before, after)
    ]
    assert own[1] == own[0]


def test_the_runs_own_head_is_the_same_by_name_in_an_evaluation_and_an_extractor(run: Path, tmp_path: Path) -> None:
    words = [f"{run}:gram", "evaluators=[invariance]"]
    assert evaluate([*words, "--out", str(tmp_path / "out")]) == 0
    trained, judged = (json.loads((folder / "results.json").read_text())["rows"] for folder in (run, tmp_path / "out"))
    own, named = (
        {(row["metric"], row["condition"]): row["value"] for row in rows if row["model"] == model}
        for rows, model in ((trained, "eqae_p4m"), (judged, "eqae_p4m:gram"))
    )
    assert named == own
    assert eqae.load_extractor(run, head="gram").width == eqae.load_extractor(run).width == 6


def test_a_resumed_run_keeps_the_axes_it_found(run: Path) -> None:
    before = load_checkpoint(run).head.statistics()
    (run / "results.json").unlink()
    assert train(["--config", str(run / "config.yaml"), "--resume"]) == 0
    after = load_checkpoint(run).head.statistics()
    assert all(np.array_equal(after[name], tensor) for name, tensor in before.items())
    assert "eqae_p4m" in models_of(run)


def whitened_mean(group: Group, channels: int) -> Head:
    """A user's own head that has to be fitted."""
    return post_processed(MeanHead(group, channels), post=("whiten",))


def test_a_head_that_nobody_fitted_is_not_taken_off_a_checkpoint_but_can_be_evaluated(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(HEADS._targets, "whitened_mean", whitened_mean)
    with pytest.raises(ConfigError, match=r"'whitened_mean': .*not been fitted.*\n.*name it in the config"):
        eqae.load_extractor(run, head="whitened_mean")
    words = [f"{run}:whitened_mean", "evaluators=[invariance]", "--out", str(tmp_path / "out")]
    assert evaluate(words) == 0
    assert "eqae_p4m:whitened_mean" in models_of(tmp_path / "out")
