import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from sklearn.metrics.cluster import contingency_matrix

from eqae.evaluation.cluster_metrics import (
    BY_IMAGE,
    METRICS,
    Agreement,
    adjusted_rand_index,
    clustering_accuracy,
    contingency,
    normalised_mutual_information,
    purity,
)


def measured(metric: Agreement, clusters: np.ndarray, labels: np.ndarray) -> float:
    return float(metric(contingency(clusters, labels)))


pairs = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), min_size=2, max_size=60).map(
    lambda found: tuple(np.array(column, np.int64) for column in zip(*found, strict=True))
)
sampled = settings(deadline=None, max_examples=60)


def slow_accuracy(clusters: np.ndarray, labels: np.ndarray) -> float:
    """Every one-to-one matching of five clusters to five classes, tried in turn."""
    matchings = itertools.permutations(range(5))
    return max(float(np.mean(np.array(matching)[clusters] == labels)) for matching in matchings)


def slow_purity(clusters: np.ndarray, labels: np.ndarray) -> float:
    members: dict[int, Counter[int]] = {}
    for cluster, label in zip(clusters, labels, strict=True):
        members.setdefault(int(cluster), Counter())[int(label)] += 1
    return sum(counter.most_common(1)[0][1] for counter in members.values()) / len(labels)


@sampled
@given(pairs)
def test_accuracy_is_that_of_the_best_matching(pair: tuple[np.ndarray, np.ndarray]) -> None:
    assert measured(clustering_accuracy, *pair) == pytest.approx(slow_accuracy(*pair), abs=1e-12)


@sampled
@given(pairs)
def test_purity_counts_the_largest_class_of_each_cluster(pair: tuple[np.ndarray, np.ndarray]) -> None:
    assert measured(purity, *pair) == pytest.approx(slow_purity(*pair), abs=1e-12)


@sampled
@given(pairs)
def test_nmi_and_ari_agree_with_scikit_learn(pair: tuple[np.ndarray, np.ndarray]) -> None:
    clusters, labels = pair
    expected = normalized_mutual_info_score(labels, clusters, average_method="arithmetic")
    assert measured(normalised_mutual_information, clusters, labels) == pytest.approx(expected, abs=1e-9)
    expected = adjusted_rand_score(labels, clusters)
    assert measured(adjusted_rand_index, clusters, labels) == pytest.approx(expected, abs=1e-9)


@sampled
@given(pairs)
def test_purity_is_never_below_accuracy(pair: tuple[np.ndarray, np.ndarray]) -> None:
    assert measured(purity, *pair) >= measured(clustering_accuracy, *pair) - 1e-12


@sampled
@given(pairs, st.permutations(range(5)), st.permutations(range(4)))
def test_no_metric_depends_on_what_clusters_and_classes_are_called(
    pair: tuple[np.ndarray, np.ndarray], cluster_names: list[int], class_names: list[int]
) -> None:
    clusters, labels = pair
    for metric in METRICS.values():
        renamed = measured(metric, np.array(cluster_names)[clusters], np.array(class_names)[labels])
        assert renamed == pytest.approx(measured(metric, clusters, labels), abs=1e-9)


@pytest.mark.parametrize("name", METRICS)
def test_a_relabelled_perfect_clustering_scores_one(name: str) -> None:
    labels = np.arange(40) % 4
    assert measured(METRICS[name], np.array([2, 0, 3, 1])[labels], labels) == pytest.approx(1, abs=1e-6)


def test_a_single_cluster_has_the_share_of_the_largest_class() -> None:
    labels = np.repeat([0, 1, 2], [5, 12, 3])
    everything = np.zeros(20, np.int64)
    assert measured(clustering_accuracy, everything, labels) == measured(purity, everything, labels) == 12 / 20
    assert measured(normalised_mutual_information, everything, labels) == pytest.approx(0, abs=1e-6)
    assert measured(adjusted_rand_index, everything, labels) == pytest.approx(0, abs=1e-6)


def test_clusters_of_one_image_are_pure_but_not_accurate() -> None:
    labels = np.repeat([0, 1], 10)
    assert measured(purity, np.arange(20), labels) == 1
    assert measured(clustering_accuracy, np.arange(20), labels) == 2 / 20


@sampled
@given(pairs)
def test_the_contingency_table_agrees_with_scikit_learn(pair: tuple[np.ndarray, np.ndarray]) -> None:
    clusters, labels = pair
    table = contingency(clusters, labels)
    table = table[table.any(axis=1)][:, table.any(axis=0)]
    np.testing.assert_array_equal(table, contingency_matrix(labels, clusters).T)


@pytest.mark.parametrize("name", METRICS)
def test_many_tables_at_once_give_what_each_gives(name: str) -> None:
    tables = np.random.default_rng(0).multinomial(50, np.full(12, 1 / 12), size=(2, 3)).reshape(2, 3, 4, 3)
    tables[1, 1] = np.diag([50, 0, 0, 0])[:, :3]
    each = [[float(METRICS[name](table)) for table in row] for row in tables]
    np.testing.assert_allclose(METRICS[name](tables), each, atol=1e-12)


@pytest.mark.parametrize("name", BY_IMAGE)
def test_a_metric_that_is_a_mean_is_the_mean_of_what_it_says_of_each_image(name: str) -> None:
    clusters, labels = np.random.default_rng(0).integers(5, size=(2, 200))
    assert BY_IMAGE[name](clusters, labels).mean() == pytest.approx(measured(METRICS[name], clusters, labels))


def test_pairs_of_very_many_images_do_not_overflow() -> None:
    assert adjusted_rand_index(np.diag([10**10, 10**10])) == 1
