"""The model card of a run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eqae.card import write_card
from eqae.checkpoint import ModelSpec, save_checkpoint
from eqae.errors import CheckpointError
from eqae.models import build_model

SPEC = ModelSpec("eqae", {"group": "D4", "fields": [2], "code": 3}, "gram", {}, (1, 5, 5), "digits", 7)
ROW: Mapping[str, Any] = {
    "model": "run|x", "dataset": "digits", "evaluator": "classification", "metric": "knn_accuracy", "condition": "",
    "value": 0.91234, "low": 0.9, "high": 0.92, "higher_is_better": True, "n": 500, "seed": 7,
}  # fmt: skip


def card(folder: Path, spec: ModelSpec, rows: list[Mapping[str, Any]] | None = None, **facts: str) -> str:
    save_checkpoint(folder, build_model(spec.model, spec.image_shape, spec.model_options), spec)
    write_card(folder, spec, rows, facts)
    return (folder / "README.md").read_text()


def test_the_code_on_the_card_runs(tmp_path: Path) -> None:
    text = card(tmp_path / "run", SPEC)
    code = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert code is not None
    names: dict[str, Any] = {"images": np.zeros((4, 5, 5))}
    exec(code[1], names)
    assert names["features"].shape == (4, 6)
    assert "(N, 5, 5), uint8 or float in [0, 1] -> (N, 6)" in code[1]


def test_figures_and_facts_stand_on_the_card(tmp_path: Path) -> None:
    rows = [ROW, {**ROW, "metric": "invariance_ratio", "value": None, "low": None, "high": None}]
    text = card(tmp_path / "run", SPEC, rows, epochs="12", note="a|b\nc")
    assert "| run\\|x | digits | knn_accuracy |  | 0.9123 | 0.9 to 0.92 | higher | 500 |" in text
    assert "| invariance_ratio |  | not defined |  |" in text
    assert "| epochs | 12 |" in text
    assert "| note | a\\|b c |" in text
    assert "| seed | 7 |" in text


def test_a_run_that_was_not_judged_says_so(tmp_path: Path) -> None:
    assert "Not judged yet" in card(tmp_path / "run", SPEC)


@pytest.mark.parametrize(
    ("group", "exact", "handed"),
    [
        ("D4", "turns by multiples of 90 degrees and mirror reflections", "equal"),
        ("C4", "turns by multiples of 90 degrees of the image", "different"),
        ("C2", "turns by multiples of 180 degrees of the image", "different"),
        ("D1", "rounding: left-right mirror reflections", "equal"),
    ],
)
def test_limits_follow_the_group(tmp_path: Path, group: str, exact: str, handed: str) -> None:
    text = card(tmp_path / "run", replace(SPEC, model_options=SPEC.model_options | {"group": group}))
    assert exact in text
    assert f"Mirror images have {handed} features" in text


def test_a_plain_model_promises_nothing_exact(tmp_path: Path) -> None:
    # A cnn's option `group` names the model it is matched with, not a symmetry of its own.
    text = card(tmp_path / "run", replace(SPEC, model="cnn"))
    assert "the network has no symmetry" in text
    assert "Exact" not in text


def test_a_card_needs_a_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError):
        write_card(tmp_path, SPEC, None, {})
    assert not (tmp_path / "README.md").exists()
