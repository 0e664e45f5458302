"""One run directory of every format that was ever written: each loads and gives the features of its day, forever."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch

import eqae
from eqae.checkpoint import GOLDEN_TOLERANCE, load_checkpoint, read_manifest, save_checkpoint
from eqae.errors import CheckpointError
from eqae.manifest import FORMAT, MIGRATIONS

FIXTURES = Path(__file__).parent / "fixtures"
RUNS = sorted(path.parent for path in FIXTURES.glob("format_*/*/manifest.json"))
UNTOUCHED = {
    "format_1/p4m": "bb93045f64fd45be",
    "format_1/steerable_whitened": "6c12d428e9ad1463",
}
"""Beginnings of the sha256 of each manifest, which holds those of the other files: fixtures are never made anew."""


def identity(run: Path) -> str:
    return f"{run.parent.name}/{run.name}"


@pytest.mark.parametrize("run", RUNS, ids=identity)
def test_a_run_of_an_older_format_gives_the_features_of_its_day(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eqae.nn.basis._kept", lambda *_: pytest.fail("a basis was asked for"))
    stored = safetensors.torch.load((run.parent / f"{run.name}.safetensors").read_bytes())
    extractor = eqae.load_extractor(run)
    features, expected = extractor.transform(stored["images"]), stored["features"].numpy()
    error = np.linalg.norm(features - expected, axis=1) / np.linalg.norm(expected, axis=1)
    assert error.max() < GOLDEN_TOLERANCE
    assert features.std(axis=0).min() > 1e-3  # images of which none is like another


@pytest.mark.parametrize("run", RUNS, ids=identity)
def test_it_is_read_in_the_words_of_the_newest_format(run: Path) -> None:
    written = json.loads((run / "manifest.json").read_text())
    assert run.parent.name == f"format_{written['format']}"
    manifest = read_manifest(run)
    assert manifest.format == FORMAT
    assert manifest.spec.seed == written["spec"]["seed"]


def test_every_format_has_a_way_to_the_next_and_a_run_that_goes_it() -> None:
    assert sorted(MIGRATIONS) == list(range(1, FORMAT))
    assert {run.parent.name for run in RUNS} >= {f"format_{number}" for number in MIGRATIONS}


def test_the_stored_runs_are_small_and_were_not_made_anew() -> None:
    found = {identity(run): hashlib.sha256((run / "manifest.json").read_bytes()).hexdigest()[:16] for run in RUNS}
    assert found == UNTOUCHED
    for run in RUNS:
        assert sum(path.stat().st_size for path in run.iterdir()) < 60_000


@pytest.mark.parametrize("number", [0, -1, FORMAT + 1, 10**30])
def test_a_format_that_never_was_is_refused(tmp_path: Path, number: int) -> None:
    run = Path(shutil.copytree(RUNS[0], tmp_path / "run"))
    document = json.loads((run / "manifest.json").read_text())
    (run / "manifest.json").write_text(json.dumps(document | {"format": number}))
    with pytest.raises(CheckpointError, match="upgrade eqae" if number > FORMAT else "format"):
        eqae.load_extractor(run)


def test_a_migration_leaves_the_document_it_was_given_alone() -> None:
    for number, migrate in MIGRATIONS.items():
        document = {"format": number, "golden": [[0.5]]}
        assert migrate(document)["format"] == number + 1
        assert document == {"format": number, "golden": [[0.5]]}


def test_the_newest_format_finds_what_format_1_let_pass(tmp_path: Path) -> None:
    run = Path(shutil.copytree(FIXTURES / "format_1" / "p4m", tmp_path / "run"))
    old = run / "manifest.json"
    old.write_text(old.read_text().replace('"seed": 0', '"seed": 1'))
    checkpoint = load_checkpoint(run)
    assert checkpoint.spec.seed == 1
    save_checkpoint(tmp_path / "new", checkpoint.model, checkpoint.spec)
    new = tmp_path / "new" / "manifest.json"
    new.write_text(new.read_text().replace('"seed": 1', '"seed": 0'))
    with pytest.raises(CheckpointError, match="the sha256 of all above it"):
        load_checkpoint(tmp_path / "new")
