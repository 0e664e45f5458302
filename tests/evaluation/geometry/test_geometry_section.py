"""The section on regions and hulls: whole, in parts, and absent."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from eqae.evaluation.evidence import Evidence, Features
from eqae.evaluation.geometry.hull_evaluation import evaluate_hulls
from eqae.evaluation.geometry.region_evaluation import evaluate_regions
from eqae.evaluation.report import write_report
from eqae.evaluation.report.aside import Aside
from eqae.evaluation.report.sections.geometry import _REGION_COLUMNS, _hull_columns, geometry_section
from eqae.evaluation.report.subject import Subject
from eqae.evaluation.results import Results

MakeEvidence = Callable[..., Evidence]


def judged(*evidences: Evidence, regions: bool = True, hulls: bool = True) -> Results:
    results = Results()
    for evidence in evidences:
        found = ([evaluate_regions(evidence)] if regions else []) + ([evaluate_hulls(evidence)] if hulls else [])
        for findings in found:
            for score in findings.scores:
                results.add(evidence, "geometry", score)
            results.drawings |= {(evidence.model, name): drawing for name, drawing in findings.drawings.items()}
    return results


def section(results: Results) -> str:
    return str(geometry_section(Subject(results, [], {}, {})))


@pytest.fixture
def pair(make_evidence: MakeEvidence) -> tuple[Evidence, Evidence]:
    first = make_evidence(separation=1.0, model="<b>first</b>")
    return first, replace(make_evidence(separation=1.0, seed=1, width=20), model="second", code=None)


def test_the_section_has_tables_figures_and_films(pair: tuple[Evidence, Evidence]) -> None:
    text = section(judged(*pair))
    assert text.count("<table") == 3
    assert text.count("<picture>") == 2 + 1  # histograms of two models, and the curves
    # The first model alone has a decoder, six rows at the boundary and a way between two images; both models have two
    # matrices of distances, each with one scale of colours.
    assert text.count("data:image/png") == 6 + 1 + 2 * (2 + 1)
    assert "kind 0" in text
    assert "<b>first" not in text
    assert all(f">{title}" in text for title in ("6-d", "8-d", "16-d", "ratio", "Label purity"))
    assert all(f">{title}" in text for title in ("pixels", "own", "other", "evenness"))
    assert "pairs of classes that border on each other" in text
    assert text.count("Closest: kind") == 4


def test_reachable_distances_have_columns_only_where_some_features_have_no_negative_values(
    pair: tuple[Evidence, Evidence],
) -> None:
    def rectified(features: Features) -> Features:
        return replace(features, values=np.maximum(features.values, 0))

    first = replace(pair[0], train=rectified(pair[0].train), test=rectified(pair[0].test))
    assert ">unreachable" not in section(judged(*pair, hulls=False))
    assert ">unreachable" in section(judged(first, pair[1], hulls=False))


def test_parts_stand_alone(pair: tuple[Evidence, Evidence]) -> None:
    regions, hulls = section(judged(*pair, hulls=False)), section(judged(*pair, regions=False))
    assert "Hull of the training images" not in regions
    assert "Seen through the decoder" in regions
    assert "Distance to boundary" not in hulls
    assert "Seen through the decoder" not in hulls
    assert "Seen through the decoder" not in section(judged(pair[1]))


def test_nothing_measured_is_nothing_said() -> None:
    assert section(Results()) == ""


def test_the_page_holds_the_section(pair: tuple[Evidence, Evidence], tmp_path: Path) -> None:
    write_report(tmp_path / "report.html", judged(*pair), [], "A page", {}, {})
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<h2>Decision regions and hulls</h2>" in text
    assert len(text) < 600_000


def test_the_closest_pair_of_classes_is_named(pair: tuple[Evidence, Evidence]) -> None:
    results = judged(*pair)
    matrix = np.array([[np.nan, 0.5, 0.31], [0.4, np.nan, 0.6], [0.7, 0.8, np.nan]])
    for key in results.drawings:
        if key[1] == "class_distances":
            results.drawings[key] = {"classes": ["<a>", "b", "c"], "distances": matrix}
    assert section(results).count("Closest: &lt;a&gt; to c, 0.31 on average.") == 2
    for key in results.drawings:
        if key[1] == "class_distances":
            results.drawings[key] = {"classes": ["a", "b"], "distances": np.full((2, 2), np.nan)}
    assert section(results).count("No class can be reached from another.") == 2


def test_what_describes_is_an_aside_of_the_report() -> None:
    columns = (*_REGION_COLUMNS, *itertools.chain(*_hull_columns(Subject(Results(), [], {}, {}))))
    assert any(not column.is_ranked for column in columns)
    assert all(isinstance(column, Aside) for column in columns if not column.is_ranked)
