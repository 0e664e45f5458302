import numpy as np
import pytest
from evidence_factory import make_evidence
from report_factory import row
from scipy import stats

from eqae.evaluation.comparison import differences_from_best
from eqae.evaluation.report.standings import Column, marks
from eqae.evaluation.results import Results
from eqae.evaluation.scores import mean_score


def samples(rng: np.random.Generator, lift: float) -> np.ndarray:
    """Images differ far more than models do."""
    difficulty = np.random.default_rng(0).normal(0, 10, 300)
    return difficulty + lift + 0.1 * rng.standard_normal(300)


def results_of(**lifts: float) -> Results:
    results = Results()
    for seed, (model, lift) in enumerate(lifts.items(), 1):
        score = mean_score("figure", samples(np.random.default_rng(seed), lift), seed=0, higher_is_better=True)
        results.add(make_evidence(model=model), "test", score)
    results.compare()
    return results


def test_pairing_tells_apart_what_overlapping_intervals_cannot() -> None:
    results = results_of(a=0.0, b=0.1)
    (entry,) = results.differences
    first, second = results.rows
    assert first.high is not None
    assert second.low is not None
    assert first.high > second.low  # their own intervals overlap widely
    assert (entry.model, entry.reference, entry.n) == ("a", "b", 300)
    assert not entry.is_within_noise
    assert marks(results, Column("figure")) == {"a": "", "b": "best"}
    x, y = (results.samples[model, "figure", ""] for model in ("a", "b"))
    expected = stats.ttest_rel(x, y).confidence_interval(0.95)
    assert (entry.low, entry.high) == pytest.approx((expected.low, expected.high))


def test_models_that_differ_by_noise_are_marked_so() -> None:
    results = results_of(a=0.0, b=0.0)
    assert results.differences[0].is_within_noise
    assert set(marks(results, Column("figure")).values()) == {"best", "tied"}


def test_images_that_one_model_has_no_value_for_are_left_out_for_both() -> None:
    rows = [row("figure", 2.0, "a"), row("figure", 1.0, "b")]
    both = {
        ("a", "figure", ""): np.array([1.0, 2.0, np.nan, 9.0] * 10),
        ("b", "figure", ""): np.array([0.5, 1.0, 5, np.nan] * 10),
    }
    (entry,) = differences_from_best(rows, both)
    assert entry.value == pytest.approx(-0.75)
    assert entry.n == 20


def test_a_handful_of_images_claims_nothing() -> None:
    rows = [row("figure", 2.0, "a"), row("figure", 1.0, "b")]
    assert differences_from_best(rows, {("a", "figure", ""): np.ones(9), ("b", "figure", ""): np.zeros(9)}) == []


def test_lower_may_be_better_and_samples_of_another_length_are_not_compared() -> None:
    rows = [row("some_error", value, model) for model, value in (("a", 0.3), ("b", 0.1), ("c", 0.2))]
    three = {
        (m, "some_error", ""): np.linspace(0, v, n) for m, v, n in (("a", 0.3, 15), ("b", 0.1, 15), ("c", 0.2, 14))
    }
    (entry,) = differences_from_best(rows, three)
    assert (entry.model, entry.reference) == ("a", "b")
    assert entry.value > 0


def test_figures_without_samples_fall_back_on_their_intervals() -> None:
    results = Results([row("kmeans_nmi", 0.5, "a"), row("kmeans_nmi", 0.51, "b"), row("kmeans_nmi", 0.3, "c")])
    results.compare()
    assert results.differences == []
    assert marks(results, Column("kmeans_nmi")) == {"a": "tied", "b": "best", "c": ""}
