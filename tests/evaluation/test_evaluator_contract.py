"""What every registered evaluator keeps, on evidence of every kind."""

import copy
import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pytest

from eqae.evaluation.declaration import Scale, seconds_of
from eqae.evaluation.evidence import Evidence, Features, Findings, NotAvailable, Score
from eqae.evaluation.report.vocabulary import metric_wording
from eqae.evaluation.scores import unavailable
from eqae.registry import EVALUATORS

MakeEvidence = Callable[..., Evidence]


def constant(features: Features) -> Features:
    return replace(features, values=np.ones_like(features.values))


def make_constant(evidence: Evidence) -> Evidence:
    turned = {name: constant(features) for name, features in evidence.turned.items()}
    return replace(evidence, train=constant(evidence.train), test=constant(evidence.test), turned=turned)


FACTS = {"constant_feature_ratio", "relative_label_sharpness", "semantic_min_eigenvalue"}
"""Figures without an interval: a count over features, the largest of many, the smallest of many."""

KINDS: dict[str, Callable[[MakeEvidence], Evidence]] = {
    "labelled": lambda make: make(separation=1.0),
    "unlabelled": lambda make: make(labelled=False),
    "never trained, no decoder": lambda make: make(untrained={}, reconstruction_error=None),
    "nothing turned": lambda make: replace(make(), turned={}, untrained={}, there_and_back={}),
    "constant": lambda make: make_constant(make()),
    "one feature": lambda make: make(width=1),
    "wide": lambda make: make(width=60),
    "tiny": lambda make: make(train=4, test=2, turned=1),
    "one image a class": lambda make: make(classes=4, train=4, test=4, turned=4),
    "one training image": lambda make: make(train=1, test=3, turned=2),
    "one test image": lambda make: make(train=30, test=1, turned=1),
    "a single class": lambda make: make(classes=1, train=30, test=20, turned=5),
    "features alone": lambda make: replace(
        make(untrained={}, reconstruction_error=None),
        turned={},
        there_and_back={},
        pixels=None,
        maps={},
        code=None,
        encode=None,
    ),
}


@pytest.fixture(params=EVALUATORS.names())
def evaluate(request: pytest.FixtureRequest) -> Callable[[Evidence], Findings]:
    """The evaluator; where it says that nothing is available, a single row that says so, as the loop writes it."""
    evaluator: Callable[[Evidence], Findings] = EVALUATORS.get(request.param)

    def judged(evidence: Evidence) -> Findings:
        try:
            return evaluator(evidence)
        except NotAvailable as reason:
            return Findings((unavailable(request.param, str(reason)),))

    return judged


def same(a: object, b: object) -> bool:
    """Equality that looks into arrays and takes NaN for equal to NaN."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, Findings | Score) and isinstance(b, Findings | Score):
        return same(vars(a), vars(b))
    if isinstance(a, np.ndarray | float) and isinstance(b, np.ndarray | float):
        return np.array_equal(np.asarray(a), np.asarray(b), equal_nan=np.asarray(a).dtype.kind in "fc")
    return a == b


@pytest.mark.parametrize("kind", KINDS)
def test_scores_are_finite_or_undefined_and_lie_in_their_intervals(
    evaluate: Callable[[Evidence], Findings], make_evidence: MakeEvidence, kind: str
) -> None:
    findings = evaluate(KINDS[kind](make_evidence))
    assert findings.scores
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
            assert not score.value < 0
            assert not score.value > 1
        assert math.isnan(score.value) == bool(score.note), f"{score.metric} is {score.value}, and says {score.note!r}"
        if score.note:
            assert len(score.note) > len("not available: ")
        if score.samples is not None and not math.isnan(score.value):
            assert np.nanmean(score.samples) == pytest.approx(score.value, rel=1e-6, abs=1e-9)


def test_a_metric_has_one_direction_and_a_wording(
    evaluate: Callable[[Evidence], Findings], make_evidence: MakeEvidence
) -> None:
    for score in evaluate(make_evidence(separation=1.0, train=300)).scores:
        signed = score.note.endswith("features can be negative")  # as those of the synthetic evidence can
        assert signed or not score.note, f"{score.metric}: {score.note}"
        if metric_wording(score.metric).kind == "error":
            assert not score.higher_is_better
        assert metric_wording(score.metric).note != score.metric, f"{score.metric} has no wording"


def test_every_figure_has_an_interval_and_the_number_of_images_behind_it(
    evaluate: Callable[[Evidence], Findings], make_evidence: MakeEvidence
) -> None:
    for score in evaluate(make_evidence(separation=1.0, train=300)).scores:
        if not score.note:
            assert score.n > 0
            assert (score.low is None) == (score.metric in FACTS), score.metric


def test_an_evaluator_gives_the_same_twice_and_leaves_the_evidence_as_it_was(
    evaluate: Callable[[Evidence], Findings], make_evidence: MakeEvidence
) -> None:
    evidence = make_evidence(separation=1.0)
    before = copy.deepcopy({key: value for key, value in vars(evidence).items() if key not in ("encode", "code")})
    assert same(evaluate(evidence), evaluate(evidence))
    for a, b in (
        (evidence.train, before["train"]),
        (evidence.test, before["test"]),
        (evidence.turned["D4"], before["turned"]["D4"]),
    ):
        np.testing.assert_array_equal(a.values, b.values)
        np.testing.assert_array_equal(a.labels, b.labels)


@pytest.mark.parametrize("name", EVALUATORS.names())
@pytest.mark.parametrize("scale", [Scale(100, 50, 10, 0, 5), Scale(12_000, 10_000, 4656, 10, 256)])
def test_an_evaluator_declares_what_it_costs(name: str, scale: Scale) -> None:
    seconds = seconds_of(EVALUATORS.get(name), scale)
    assert seconds is not None
    assert 0 <= seconds < 1800


@pytest.mark.parametrize("name", EVALUATORS.names())
def test_options_are_keyword_only_and_have_defaults(name: str) -> None:
    first, *options = inspect.signature(EVALUATORS.get(name)).parameters.values()
    assert first.name == "evidence"
    for option in options:
        assert option.kind is option.KEYWORD_ONLY
        assert option.default is not option.empty


def test_the_names_of_models_and_datasets_do_not_matter(
    evaluate: Callable[[Evidence], Findings], make_evidence: MakeEvidence
) -> None:
    evidence = make_evidence()
    assert same(evaluate(evidence), evaluate(replace(evidence, model="other", dataset="other", group="C1")))
