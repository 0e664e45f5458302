from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from evidence_factory import make_features

from eqae.evaluation.evidence import Evidence, NotAvailable, Score
from eqae.evaluation.representation.stability import evaluate_stability, intraclass_correlation

MakeEvidence = Callable[..., Evidence]


def slow_icc(table: np.ndarray) -> tuple[float, float]:
    """ICC(3,1) and ICC(2,1) of ``(n, k)`` by the sums of squares of a two-way analysis of variance."""
    n, k = table.shape
    grand, rows, columns = table.mean(), table.mean(axis=1), table.mean(axis=0)
    msr = k * sum((rows - grand) ** 2) / (n - 1)
    msc = n * sum((columns - grand) ** 2) / (k - 1)
    mse = sum((table[i, j] - rows[i] - columns[j] + grand) ** 2 for i in range(n) for j in range(k))
    mse /= (n - 1) * (k - 1)
    return (msr - mse) / (msr + (k - 1) * mse), (msr - mse) / (msr + (k - 1) * mse + k * (msc - mse) / n)


def measured(values: np.ndarray) -> dict[str, float]:
    turned = make_features(values, np.zeros(len(values), np.int64), "D4")
    flat = make_features(values[:, 0], turned.labels)
    found = evaluate_stability(Evidence("m", "d", "D4", 0, flat, flat, {"D4": turned})).scores
    return {score.metric: score.value for score in found}


def test_an_offset_is_forgiven_by_consistency_and_not_by_agreement() -> None:
    found = intraclass_correlation(np.array([[1.0, 2], [3, 4], [5, 6]])[:, :, None])
    assert found.consistency == pytest.approx(1)
    assert found.agreement == pytest.approx(8 / 9)


def test_the_example_of_shrout_and_fleiss() -> None:
    judges = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float)
    found = intraclass_correlation(judges[:, :, None])
    assert found.agreement == pytest.approx(0.29, abs=0.005)
    assert found.consistency == pytest.approx(0.71, abs=0.005)


def test_every_feature_gets_the_correlation_of_its_analysis_of_variance() -> None:
    rng = np.random.default_rng(0)
    values = rng.standard_normal((7, 1, 5)) * np.arange(5) + rng.standard_normal((7, 4, 5)) + 100
    found = intraclass_correlation(values)
    for feature in range(5):
        consistency, agreement = slow_icc(values[:, :, feature])
        assert found.consistency[feature] == pytest.approx(consistency)
        assert found.agreement[feature] == pytest.approx(agreement)


def test_signal_with_as_much_noise_has_one_half_and_noise_alone_none() -> None:
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((3000, 8, 2))
    noise[:, :, 1] += rng.standard_normal((3000, 1))
    found = intraclass_correlation(noise)
    assert found.agreement == pytest.approx([0, 0.5], abs=0.02)


def test_exact_invariance_has_correlation_one_up_to_rounding() -> None:
    rng = np.random.default_rng(0)
    values = np.repeat(rng.standard_normal((20, 1, 5)), 8, axis=1) * (1 + 1e-7 * rng.standard_normal((20, 8, 5)))
    found = measured(values)
    assert found["icc_agreement"] == pytest.approx(1, abs=1e-9)
    assert found["stable_feature_share"] == 1
    assert found["constant_feature_ratio"] == 0


def test_constant_features_are_counted_and_left_out() -> None:
    rng = np.random.default_rng(0)
    values = np.repeat(rng.standard_normal((20, 1, 4)), 8, axis=1)
    values[:, :, 3] = 3 + 1e-7 * rng.standard_normal((20, 8))
    values[:, :, 2] = rng.standard_normal((20, 8))
    found = measured(values)
    assert found["constant_feature_ratio"] == 0.25
    assert found["stable_feature_share"] == pytest.approx(2 / 3)


def test_what_is_constant_altogether_has_no_correlation() -> None:
    found = measured(np.ones((20, 8, 3)))
    assert found["constant_feature_ratio"] == 1
    assert math.isnan(found["icc_agreement"])


def test_the_scale_and_place_of_a_feature_do_not_matter(make_evidence: MakeEvidence) -> None:
    values = make_evidence(movement=0.7).turned["D4"].values.astype(np.float64)
    assert measured(50 * values - 3) == pytest.approx(measured(values), rel=1e-4, nan_ok=True)


def test_many_features_are_taken_in_blocks() -> None:
    rng = np.random.default_rng(0)
    values = rng.standard_normal((10, 1, 300)) + rng.standard_normal((10, 8, 300))
    expected = [slow_icc(values[:, :, feature])[1] for feature in range(300)]
    assert measured(values)["icc_agreement"] == pytest.approx(np.mean(expected), rel=1e-5)


def test_a_dead_channel_of_rounding_noise_around_zero_is_constant() -> None:
    rng = np.random.default_rng(0)
    values = np.repeat(rng.standard_normal((20, 1, 2)), 8, axis=1)
    values[:, :, 1] = 1e-9 * rng.standard_normal((20, 8))
    found = measured(values)
    assert found["constant_feature_ratio"] == 0.5
    assert found["stable_feature_share"] == 1


def half_stable(signal: str) -> Evidence:
    """Two features that do not turn and two that do; the classes show in one of the pairs alone."""
    rng, labels = np.random.default_rng(0), np.arange(90) % 2
    train, test = (rng.standard_normal((90, 4)) for _ in range(2))
    columns = slice(0, 2) if signal == "stable" else slice(2, 4)
    for values in (train, test):
        values[:, columns] += 5 * labels[:, None]
    turned = {}
    for condition, poses in {"D4": 8, "any-angle": 36}.items():
        values = np.repeat(test[:, None], poses, axis=1)
        if condition == "any-angle":  # the symmetries of the square leave all features as they are
            values[:, 1:, 2:] = 4 * rng.standard_normal((90, poses - 1, 2))
        turned[condition] = make_features(values, labels, condition)
    return Evidence("m", "d", "D4", 0, make_features(train, labels), make_features(test, labels), turned)


def accuracies(evidence: Evidence) -> dict[str, Score]:
    scores = evaluate_stability(evidence).scores
    return {score.condition: score for score in scores if score.metric == "stable_feature_accuracy"}


def test_the_probe_on_stable_features_is_as_good_as_these_know_the_classes() -> None:
    known, lost = accuracies(half_stable("stable")), accuracies(half_stable("turning"))
    assert known["stable features"].value > 0.98
    assert lost["stable features"].value == pytest.approx(0.5, abs=0.15)
    for found in (known, lost):
        assert found["all features"].value > 0.98
        assert [len(score.samples) for score in found.values() if score.samples is not None] == [90, 90]


def test_where_all_features_are_stable_both_probes_are_one(make_evidence: MakeEvidence) -> None:
    found = accuracies(make_evidence(movement=0.0, separation=0.5))
    assert found["stable features"].value == found["all features"].value < 1


def test_unlabelled_images_are_left_out_of_the_accuracy(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence()
    labels = np.where(np.arange(90) < 30, -1, evidence.test.labels)
    assert accuracies(replace(evidence, test=replace(evidence.test, labels=labels)))["all features"].n == 60


def test_an_accuracy_that_cannot_be_had_says_why(make_evidence: MakeEvidence) -> None:
    found = accuracies(make_evidence(movement=9.0))
    assert found["stable features"].note == "not available: no feature is stable"
    assert found["all features"].value > 0.9
    for score in accuracies(make_evidence(labelled=False)).values():
        assert score.note == "not available: no labels"
    evidence = make_evidence(movement=0.0)
    one_class = replace(evidence.train, labels=np.zeros_like(evidence.train.labels))
    for score in accuracies(replace(evidence, train=one_class)).values():
        assert "fewer than two classes" in score.note
    for score in accuracies(make_evidence(train=1)).values():
        assert score.note == "not available: the features are constant"


def test_nothing_turned_says_so(make_evidence: MakeEvidence) -> None:
    with pytest.raises(NotAvailable):
        evaluate_stability(replace(make_evidence(), turned={}))
