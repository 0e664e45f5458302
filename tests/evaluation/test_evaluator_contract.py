"""What every registered evaluator keeps, on evidence of every kind."""

import copy
import inspect
import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from eqae.evaluation.evidence import Evidence, Features, Findings
from eqae.registry import EVALUATORS

MakeEvidence = Callable[..., Evidence]

LOWER_IS_BETTER = ("error", "ratio", "mse", "floor")


def constant(features: Features) -> Features:
    return replace(features, values=np.ones_like(features.values))


def make_constant(evidence: Evidence) -> Evidence:
    turned = {name: constant(features) for name, features in evidence.turned.items()}
    return replace(evidence, train=constant(evidence.train), test=constant(evidence.test), turned=turned)


KINDS: dict[str, Callable[[MakeEvidence], Evidence]] = {
    "labelled": lambda make: make(separation=1.0),
    "unlabelled": lambda make: make(labelled=False),
    "never trained, no decoder": lambda make: make(untrained={}, reconstruction_error=None),
    "nothing turned": lambda make: replace(make(), turned={}, untrained={}, there_and_back={}),
    "constant": lambda make: make_constant(make()),
    "one feature": lambda make: make(width=1),
    "wide": lambda make: make(width=60),
    "tiny": lambda make: make(train=4, test=2, turned=1),
}


@pytest.fixture(params=EVALUATORS.names())
def evaluate(request: pytest.FixtureRequest) -> Callable[[Evidence], Findings]:
    evaluator: Callable[[Evidence], Findings] = EVALUATORS.get(request.param)
    return evaluator


@pytest.mark.parametrize("kind", KINDS)
def test_scores_are_finite_or_undefined_and_lie_in_their_intervals(
    evaluate: Callable[[Evidence], Findings], make_evidence: MakeEvidence, kind: str
) -> None:
    findings = evaluate(KINDS[kind](make_evidence))
    keys = [(score.metric, score.condition, score.untrained) for score in findings.scores]
    assert len(set(keys)) == len(keys), "a figure appears twice"
    for score in findings.scores:
        assert type(score.value) is float
        assert type(score.n) is int
        assert not math.isinf(score.value)
        assert (score.low is None) == (score.high is None)
        if score.low is not None and score.high is not None:
            assert score.low <= score.value <= score.high
        if "accuracy" in score.metric:
            assert 0 <= score.value <= 1
        assert score.higher_is_better == (not score.metric.endswith(LOWER_IS_BETTER))


def test_an_evaluator_gives_the_same_twice_and_leaves_the_evidence_as_it_was(
    evaluate: Callable[[Evidence], Findings], make_evidence: MakeEvidence
) -> None:
    evidence = make_evidence(separation=1.0)
    before = copy.deepcopy(evidence)
    assert evaluate(evidence) == evaluate(evidence)
    assert vars(evidence).keys() == vars(before).keys()
    for a, b in (
        (evidence.train, before.train),
        (evidence.test, before.test),
        (evidence.turned["D4"], before.turned["D4"]),
    ):
        np.testing.assert_array_equal(a.values, b.values)
        np.testing.assert_array_equal(a.labels, b.labels)


def test_options_are_keyword_only_and_have_defaults(evaluate: Callable[[Evidence], Findings]) -> None:
    first, *options = inspect.signature(evaluate).parameters.values()
    assert first.name == "evidence"
    for option in options:
        assert option.kind is option.KEYWORD_ONLY
        assert option.default is not option.empty


def test_the_names_of_models_and_datasets_do_not_matter(
    evaluate: Callable[[Evidence], Findings], make_evidence: MakeEvidence
) -> None:
    evidence = make_evidence()
    assert evaluate(evidence) == evaluate(replace(evidence, model="other", dataset="other", group="C1"))
