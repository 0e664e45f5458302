import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from eqae.evaluation.bootstrap import (
    bootstrap_agreement,
    bootstrap_mean,
    bootstrap_statistic,
    centred_interval,
    draw_interval,
    even_groups,
    jackknife_interval,
    leave_out,
)
from eqae.evaluation.cluster_metrics import METRICS, clustering_accuracy, contingency


def test_the_interval_of_a_mean_is_that_of_the_central_limit_theorem() -> None:
    values = np.random.default_rng(0).standard_normal(2_000) + 5
    low, high = bootstrap_mean(values, seed=0)
    expected = stats.norm.interval(0.95, values.mean(), values.std() / np.sqrt(len(values)))
    assert (low, high) == pytest.approx(expected, abs=0.006)


def test_the_interval_holds_the_true_mean_about_95_times_in_100() -> None:
    rng = np.random.default_rng(1)
    held = 0
    for seed in range(100):
        low, high = bootstrap_mean(rng.random(80) < 0.7, seed)
        assert low is not None
        assert high is not None
        held += low <= 0.7 <= high
    assert 88 <= held <= 99


@settings(deadline=None, max_examples=30)
@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=30), st.integers(0, 5))
def test_the_interval_brackets_the_mean_and_is_the_same_each_time(values: list[float], seed: int) -> None:
    low, high = bootstrap_mean(values, seed)
    assert low is not None
    assert high is not None
    assert low <= np.asarray(values).mean() <= high
    assert (low, high) == bootstrap_mean(values, seed)


def test_one_image_has_no_interval() -> None:
    assert bootstrap_mean([0.5], 0) == (None, None)
    assert bootstrap_agreement(clustering_accuracy, np.ones((1, 1), np.int64), 0) == (None, None)


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("right", [0.0, 0.5, 0.95, 1.0])
def test_the_interval_of_a_clustering_metric_brackets_it(name: str, right: float) -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(90) % 3
    clusters = np.where(rng.random(90) < right, labels, rng.integers(3, size=90))
    table = contingency(clusters, labels)
    low, high = bootstrap_agreement(METRICS[name], table, seed=0)
    assert low is not None
    assert high is not None
    assert low <= METRICS[name](table) <= high <= 1 + 1e-6
    assert (high - low < 1e-6) == (right == 1.0)


def test_the_bias_of_resampling_does_not_shift_the_interval() -> None:
    clusters, labels = np.random.default_rng(0).integers(5, size=(2, 100))  # no agreement, but chance finds some
    table = contingency(clusters, labels)
    value = float(METRICS["nmi"](table))
    low, high = bootstrap_agreement(METRICS["nmi"], table, seed=0)
    assert low is not None
    assert high is not None
    assert (low + high) / 2 == pytest.approx(value, abs=0.2 * (high - low))


def test_the_interval_of_accuracy_is_that_of_a_share() -> None:
    labels = np.arange(3_000) % 3
    clusters = np.where(np.random.default_rng(0).random(3_000) < 0.7, labels, (labels + 1) % 3)
    table = contingency(clusters, labels)
    low, high = bootstrap_agreement(clustering_accuracy, table, seed=0)
    share = float(clustering_accuracy(table))
    expected = stats.norm.interval(0.95, share, np.sqrt(share * (1 - share) / 3_000))
    assert (low, high) == pytest.approx(expected, abs=0.005)


@pytest.mark.parametrize("name", METRICS)
def test_the_interval_of_a_clustering_metric_is_that_of_resampled_images(name: str) -> None:
    rng = np.random.default_rng(1)
    labels = np.arange(400) % 4
    clusters = np.where(rng.random(400) < 0.6, labels, rng.integers(4, size=400))
    table = contingency(clusters, labels)
    low, high = bootstrap_agreement(METRICS[name], table, seed=0)
    slow_low, slow_high = bootstrap_statistic(
        lambda draw: float(METRICS[name](contingency(clusters[draw], labels[draw]))),
        float(METRICS[name](table)), 400, seed=0, resamples=2_000,
    )  # fmt: skip
    assert low is not None
    assert slow_low is not None
    assert (low, high) == pytest.approx((slow_low, slow_high), abs=0.15 * (slow_high - slow_low))


def test_tables_too_many_to_resample_at_once_give_the_same_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    table = np.random.default_rng(0).integers(9, size=(7, 5))
    at_once = bootstrap_agreement(METRICS["ari"], table, seed=0)
    monkeypatch.setattr("eqae.evaluation.bootstrap.BLOCK", 100)
    assert bootstrap_agreement(METRICS["ari"], table, seed=0) == at_once


def test_the_interval_over_draws_is_students() -> None:
    draws = np.array([0.5, 0.6, 0.55, 0.65, 0.7])
    expected = stats.ttest_1samp(draws, 0).confidence_interval(0.95)
    assert draw_interval(draws) == pytest.approx((expected.low, expected.high))
    assert draw_interval(np.array([1.0, 1.0])) == (1.0, 1.0)
    assert draw_interval(np.array([0.0, 1.0])) == (0.0, 1.0)


def test_leaving_out_groups_of_images_gives_the_interval_of_a_mean() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(3, size=600)
    values = rng.standard_normal(600)
    without = [values[kept].mean() for kept in leave_out(even_groups(labels, 0, groups=100))]
    low, high = jackknife_interval(values.mean(), without)
    expected = stats.norm.interval(0.95, values.mean(), values.std() / np.sqrt(len(values)))
    assert (low, high) == pytest.approx(expected, abs=0.02)


def test_every_group_has_its_share_of_every_class_and_no_class_is_lost() -> None:
    labels = np.repeat([0, 1, 2, 3], [40, 21, 2, 1])
    groups = even_groups(labels, 0)
    for label in range(3):
        counts = np.bincount(groups[labels == label], minlength=20)
        assert counts.max() - counts.min() <= 1
    assert groups[-1] == -1
    kept = list(leave_out(groups))
    assert len(kept) == 20
    assert all(set(labels[some]) == {0, 1, 2, 3} for some in kept)
    assert sorted(np.concatenate([np.setdiff1d(np.arange(64), some) for some in kept])) == list(range(63))


def test_groups_are_of_one_size_however_many_classes_there_are() -> None:
    labels = np.repeat(np.arange(121), 23)
    groups = even_groups(labels, 0)
    sizes = np.bincount(groups, minlength=20)
    assert sizes.max() - sizes.min() <= 1
    counts = np.stack([np.bincount(groups[labels == label], minlength=20) for label in range(121)])
    assert set(np.unique(counts)) == {1, 2}
    np.testing.assert_array_equal(groups, even_groups(labels, 0))
    assert (groups != even_groups(labels, 1)).any()


def test_an_undefined_value_or_a_single_group_leaves_no_interval() -> None:
    assert jackknife_interval(1.0, [1.0]) == (None, None)
    assert jackknife_interval(1.0, [1.0, float("nan")]) == (None, None)
    assert centred_interval(1.0, [float("nan"), 2.0]) == (None, None)


@pytest.mark.parametrize(("name", "lowest"), [("nmi", 0.0), ("acc", 0.0), ("purity", 0.0), ("ari", -0.5)])
def test_an_interval_ends_where_the_metric_does(name: str, lowest: float) -> None:
    table = np.array([[11, 10, 6], [10, 4, 9]])
    low, high = bootstrap_agreement(METRICS[name], table, seed=0, lowest=lowest)
    assert low is not None
    assert high is not None
    assert lowest <= low <= float(METRICS[name](table)) <= high <= 1
    assert (low < 0) == (name == "ari")  # chance agreement, and less, is a value of this one alone
