from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from eqae.errors import ConfigError
from eqae.evaluation.evidence import Evidence
from eqae.evaluation.loop import judge
from eqae.registry import EVALUATORS

MakeEvidence = Callable[..., Evidence]


def test_every_model_is_judged_by_every_evaluator_in_order(make_evidence: MakeEvidence) -> None:
    said: list[str] = []
    evaluators: dict[str, dict[str, Any]] = {"invariance": {}, "reconstruction": {}}
    evidences = [make_evidence(model=label) for label in ("a", "b")]
    results = judge(evidences, evaluators, said.append)
    assert said == ["a: invariance", "a: reconstruction", "b: invariance", "b: reconstruction"]
    for label in ("a", "b"):
        own = [row for row in results.rows if row.model.split(" ")[0] == label]
        assert {row.evaluator for row in own} == set(evaluators)
        assert {row.dataset for row in own} == {"gaussians"}
    assert set(results.drawings) == {("a", "angle_curve"), ("b", "angle_curve")}


def test_only_one_evidence_is_held_at_a_time(make_evidence: MakeEvidence) -> None:
    alive: list[str] = []

    def generate() -> Iterator[Evidence]:
        for label in ("a", "b"):
            alive.append(label)
            yield make_evidence(model=label)

    judge(generate(), {"reconstruction": {}}, lambda _: alive.append("judged"))
    assert alive == ["a", "judged", "b", "judged"]


def test_options_reach_the_evaluator_and_wrong_ones_are_named(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence(separation=30)
    by_default, chosen = (judge([evidence], {"clustering": options}).rows for options in ({}, {"clusters": 6}))
    assert [row.value for row in by_default] != [row.value for row in chosen]
    with pytest.raises(ConfigError, match=r"evaluators\.clustering\.cluster.*\n.*did you mean 'clusters'"):
        judge([evidence], {"clustering": {"cluster": 6}})
    with pytest.raises(ConfigError, match=r"evaluators\.clustering\.clusters.*1"):
        judge([evidence], {"clustering": {"clusters": 1}})
    with pytest.raises(ConfigError, match="did you mean 'invariance'"):
        judge([evidence], {"invariant": {}})


def test_two_models_of_one_label_are_refused(make_evidence: MakeEvidence) -> None:
    with pytest.raises(ConfigError, match="two are called 'synthetic'"):
        judge([make_evidence(), make_evidence()], {"reconstruction": {}})


def test_the_projection_is_drawn_when_asked_for(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence()
    assert judge([evidence], {}).drawings == {}
    drawing = judge([evidence], {}, project=True).drawings["synthetic", "projection"]
    assert set(drawing) == {"pca", "tsne", "labels", "explained"}
    np.testing.assert_array_equal(drawing["labels"], evidence.test.labels)


def test_an_evaluator_of_ones_own_joins_the_loop(make_evidence: MakeEvidence, monkeypatch: pytest.MonkeyPatch) -> None:
    from eqae.evaluation.evidence import Findings, Score

    def evaluate_width(evidence: Evidence, *, scale: float = 1.0) -> Findings:
        return Findings((Score("width", scale * evidence.test.values.shape[2], None, None, True, 1),))

    monkeypatch.setattr(EVALUATORS, "_targets", dict(EVALUATORS._targets))
    EVALUATORS.add("width", evaluate_width)
    (row,) = judge([make_evidence()], {"width": {"scale": 2}}).rows
    assert (row.evaluator, row.metric, row.value) == ("width", "width", 12)
