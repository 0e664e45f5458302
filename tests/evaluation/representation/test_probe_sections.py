"""Retrieval and the probes on the page: each with a sentence, and nothing where nothing was measured."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from eqae.evaluation.evidence import Evidence, Findings
from eqae.evaluation.report.figures.explained_variance import explained_variance
from eqae.evaluation.report.figures.reliability import reliability
from eqae.evaluation.report.sections.probes import probes
from eqae.evaluation.report.sections.retrieval import retrieval_section
from eqae.evaluation.report.subject import Subject
from eqae.evaluation.report.vocabulary import metric_wording
from eqae.evaluation.results import Results
from eqae.registry import EVALUATORS

MakeEvidence = Callable[..., Evidence]
PROBES = (
    "stability", "dependence", "subgroups", "uniformity", "operating_point", "intrinsic_dimension", "novelty",
    "neural_collapse", "calibration",
)  # fmt: skip
TITLES = (
    "Stability of single features", "Dependence on the turn", "Fairness over orientations", "Use of the sphere",
    "Intrinsic dimension", "Novelty", "Neural collapse", "Calibration",
)  # fmt: skip


def subject(evidences: list[Evidence], names: tuple[str, ...]) -> Subject:
    results = Results()
    for evidence in evidences:
        for name in names:
            findings: Findings = EVALUATORS.get(name)(evidence)
            for score in findings.scores:
                results.add(evidence, name, score)
            results.drawings |= {(evidence.model, key): drawing for key, drawing in findings.drawings.items()}
    return Subject(results, [], {}, {})


@pytest.fixture(scope="module")
def two() -> list[Evidence]:
    from evidence_factory import make_evidence

    evidence = make_evidence(separation=1.0)
    return [evidence, replace(evidence, model="another")]


@pytest.fixture(scope="module")
def judged(two: list[Evidence]) -> Subject:
    return subject(two, (*PROBES, "retrieval", "spectrum"))


def test_every_probe_has_a_heading_and_a_sentence(judged: Subject) -> None:
    page = probes(judged)
    assert tuple(re.findall(r"<h3>(.*?)</h3>", page)) == TITLES
    assert len(re.findall(r"</h3><p>[^<]{60,}</p>", page)) == len(TITLES)
    assert page.count("<table") == len(TITLES)
    assert page.count("<img") == len(judged.models)


def test_every_score_of_the_probes_stands_in_a_table_and_has_a_wording(judged: Subject) -> None:
    page = probes(judged) + retrieval_section(judged)
    cells = len(re.findall(r"<td", page))
    rows = {(row.metric, row.condition) for row in judged.results.rows}
    again = {(metric, name) for metric, name in rows if metric == "constant_feature_ratio" and name != "D4"}
    shown = rows - again  # a feature that is constant in one set of poses is so in the others
    assert cells == len(shown) * len(judged.models)
    for metric, _ in shown:
        assert metric_wording(metric).note != metric, metric


def test_retrieval_has_a_table_a_condition_and_the_curve(judged: Subject) -> None:
    page = retrieval_section(judged)
    assert re.findall(r"<h3>(.*?)</h3>", page) == [
        "Orbits: D4", "Orbits: 30° steps", "Orbits: any angle", "Classes", "Explained variance",
    ]  # fmt: skip
    assert page.count("<img") == 1


def test_what_was_not_measured_has_no_place(two: list[Evidence]) -> None:
    nothing = subject(two, ())
    assert probes(nothing) == retrieval_section(nothing) == ""
    assert "Novelty" not in probes(subject(two, ("calibration",)))
    assert "Orbits" not in retrieval_section(subject(two, ("spectrum",)))


@pytest.mark.parametrize("empty", [np.nan, None])
def test_diagrams_bear_empty_bins_and_single_points(empty: float | None) -> None:
    bins = {"confidence": [empty] * 14 + [0.99], "accuracy": [empty] * 14 + [1.0], "images": [0] * 14 + [9]}
    drawing = bins | {f"scaled_{key}": values for key, values in bins.items()}
    assert 'alt="words"' in reliability(drawing, "#000000", "words")
    curves = {"a": {"components": [1], "share": [1.0], "width": 1}}
    assert "<img" in explained_variance(curves, {"a": "#000000"})
