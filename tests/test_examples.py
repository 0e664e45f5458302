"""The scripts that a user copies from do run, and print what they promise."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "examples"
PROMISED = {
    "features_of_images": "a quarter turn and a mirror change no answer",
    "train_from_python": r"small:correlation +0\.\d{3} +0\.\d{3} +\de-0[67]",
    "own_extractor": r"orbit_recall_at_1 any-angle\n  rings +[\d.]+ +[\d.]+ to [\d.]+ +n = \d+",
}
WITH_AN_ACCOUNT = {"wandb_workspace"}
"""Looked at by tests/commands/test_tracking.py."""


def test_every_example_is_tested() -> None:
    assert sorted({*PROMISED, *WITH_AN_ACCOUNT}) == sorted(path.stem for path in FOLDER.glob("*.py"))


@pytest.mark.parametrize("name", PROMISED)
def test_an_example_runs_from_any_folder_and_leaves_nothing_behind(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each one asserts by itself that its figures are what they should be."""
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(FOLDER / f"{name}.py"), run_name="__main__")
    assert re.search(PROMISED[name], capsys.readouterr().out)
    assert list(tmp_path.iterdir()) == []
