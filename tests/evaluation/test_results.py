import csv
import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from eqae.errors import CheckpointError
from eqae.evaluation.evidence import Evidence, Score
from eqae.evaluation.results import Results
from eqae.evaluation.row import Row

MakeEvidence = Callable[..., Evidence]

ROW = Row("m", "d", "invariance", "invariance_ratio", "D4", 0.25, 0.2, 0.3, False, 512, 0)
COLUMNS = [
    "model", "dataset", "evaluator", "metric", "condition", "value", "low", "high", "higher_is_better", "n", "seed",
    "note",
]  # fmt: skip


def test_results_come_back_from_their_file(tmp_path: Path) -> None:
    rows = [ROW, replace(ROW, model="modèle (untrained)", low=None, high=None, condition="")]
    Results(rows).to_json(tmp_path / "results.json")
    assert Results.from_json(tmp_path / "results.json").rows == rows


def test_the_json_is_that_of_the_contract(tmp_path: Path) -> None:
    Results([ROW]).to_json(tmp_path / "results.json")
    document = json.loads((tmp_path / "results.json").read_text())
    assert list(document) == ["format", "rows", "differences", "choices"]
    assert document["format"] == 1
    assert list(document["rows"][0]) == COLUMNS
    assert list(document["rows"][0].values()) == [
        "m", "d", "invariance", "invariance_ratio", "D4", 0.25, 0.2, 0.3, False, 512, 0, "",
    ]  # fmt: skip


@pytest.mark.parametrize("value", [math.nan, math.inf, float(np.float32("nan"))])
def test_figures_that_are_not_finite_are_null_in_valid_json(tmp_path: Path, value: float) -> None:
    Results([replace(ROW, value=value, low=None, high=value)]).to_json(tmp_path / "results.json")

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    text = (tmp_path / "results.json").read_text()
    (row,) = json.loads(text, parse_constant=refuse)["rows"]
    assert row["value"] is None
    assert row["high"] is None
    (back,) = Results.from_json(tmp_path / "results.json").rows
    assert math.isnan(back.value)
    assert back.high is None


def test_the_csv_has_one_line_a_row_and_empty_cells_for_what_is_unknown(tmp_path: Path) -> None:
    Results([ROW, replace(ROW, model='with, "comma"', value=math.nan, low=None)]).to_csv(tmp_path / "results.csv")
    with (tmp_path / "results.csv").open(newline="") as file:
        header, first, second = csv.reader(file)
    assert header == COLUMNS
    assert first == ["m", "d", "invariance", "invariance_ratio", "D4", "0.25", "0.2", "0.3", "False", "512", "0", ""]
    assert (second[0], second[5], second[6]) == ('with, "comma"', "", "")


def test_scores_of_initial_weights_carry_it_in_the_label(make_evidence: MakeEvidence) -> None:
    results = Results()
    for untrained in (False, True):
        score = Score("relative_invariance_error", 0.1, 0.0, 0.2, False, 20, "D4", untrained)
        results.add(make_evidence(seed=5), "invariance", score)
    assert [row.model for row in results.rows] == ["synthetic", "synthetic (untrained)"]
    assert results.rows[0] == Row(
        "synthetic", "gaussians", "invariance", "relative_invariance_error", "D4", 0.1, 0.0, 0.2, False, 20, 5
    )


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"nowhere\.json: no such file"):
        Results.from_json(tmp_path / "nowhere.json")


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", "null", '{"format": 1}', '{"format": 1, "rows": [{"value": 1}]}',
     '{"format": 1, "rows": [{}]}', '{"format": 1, "rows": [1]}', '{"format": 2, "rows": []}', "\xff"],
)  # fmt: skip
def test_a_file_that_is_no_table_of_results_is_refused_by_name(tmp_path: Path, text: str) -> None:
    (tmp_path / "results.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(CheckpointError, match=r"results\.json"):
        Results.from_json(tmp_path / "results.json")


def test_a_newer_format_asks_for_an_upgrade(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text('{"format": 2, "rows": []}')
    with pytest.raises(CheckpointError, match="upgrade eqae"):
        Results.from_json(tmp_path / "results.json")
