"""Clusters that come back and neighbours that share them, on features whose clusters are known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from evidence_factory import make_features
from sklearn.cluster import KMeans

from eqae.evaluation.evidence import Evidence, NotAvailable, Score
from eqae.evaluation.label_free import evaluate_label_free
from eqae.evaluation.preprocessing import compress
from eqae.evaluation.sampling import spread_evenly

MakeEvidence = Callable[..., Evidence]
UNKNOWN = -1


def scores(evidence: Evidence, clusters: int | None = None) -> dict[str, Score]:
    return {score.metric: score for score in evaluate_label_free(evidence, clusters=clusters).scores}


def of_values(make_evidence: MakeEvidence, values: np.ndarray, labels: np.ndarray | None = None) -> Evidence:
    train = make_features(values, np.full(len(values), UNKNOWN) if labels is None else labels)
    return replace(make_evidence(), train=train)


@pytest.fixture
def blobs() -> np.ndarray:
    """Three, far apart: 60, 90 and 150 images."""
    rng = np.random.default_rng(0)
    centres = np.array([[0.0, 0], [50, 0], [0, 50]])[np.repeat(np.arange(3), (60, 90, 150))]
    return centres + rng.standard_normal((300, 2))


@pytest.fixture
def noise() -> np.ndarray:
    return np.random.default_rng(0).random((600, 8))


def test_blobs_come_back_whole_and_keep_their_neighbours(make_evidence: MakeEvidence, blobs: np.ndarray) -> None:
    found = scores(of_values(make_evidence, blobs), clusters=3)
    assert found["cluster_stability"] == Score("cluster_stability", 1.0, 1.0, 1.0, True, 300)
    assert found["neighbour_consistency"].value == 1
    assert found["neighbour_consistency"].n == 300


def test_clusters_cut_out_of_noise_neither_come_back_nor_keep_their_neighbours(
    make_evidence: MakeEvidence, noise: np.ndarray
) -> None:
    found = scores(of_values(make_evidence, noise))
    assert 0 < found["cluster_stability"].value < 0.6
    assert 0.1 < found["neighbour_consistency"].value < 0.75
    for score in found.values():
        assert score.low is not None
        assert score.high is not None
        assert score.low < score.value < score.high


def test_a_wrong_number_of_clusters_is_less_stable_than_the_right_one(
    make_evidence: MakeEvidence, blobs: np.ndarray
) -> None:
    evidence = of_values(make_evidence, blobs)
    assert scores(evidence, clusters=6)["cluster_stability"].value < 0.95


def test_neighbours_are_counted_as_by_hand(make_evidence: MakeEvidence, noise: np.ndarray) -> None:
    found = scores(of_values(make_evidence, noise), clusters=4)["neighbour_consistency"]
    points, _ = compress(noise.astype(np.float32), 32, 0)
    clusters = KMeans(4, n_init=10, random_state=0).fit_predict(points)
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    nearest = distances.argsort(axis=1)[:, :10]
    shares = (clusters[nearest] == clusters[:, None]).mean(axis=1)
    assert found.value == pytest.approx(shares.mean())
    np.testing.assert_allclose(found.samples, shares)


def test_labels_give_the_number_of_clusters_and_nothing_else(make_evidence: MakeEvidence, blobs: np.ndarray) -> None:
    labels = np.random.default_rng(1).integers(0, 3, 300)
    assert scores(of_values(make_evidence, blobs, labels)) == scores(of_values(make_evidence, blobs), clusters=3)
    assert scores(of_values(make_evidence, blobs)) == scores(of_values(make_evidence, blobs), clusters=10)


def test_the_seed_of_the_run_draws_the_subsamples(make_evidence: MakeEvidence, noise: np.ndarray) -> None:
    evidence = of_values(make_evidence, noise)
    assert scores(evidence) == scores(evidence)
    assert scores(evidence)["cluster_stability"] != scores(replace(evidence, seed=1))["cluster_stability"]


@pytest.mark.parametrize(
    ("values", "clusters", "why"),
    [
        (np.ones((50, 4)), 3, "the features are constant"),
        (np.ones((50, 4)) + 1e-7 * np.random.default_rng(0).random((50, 4)), 3, "the features are constant"),
        (np.ones((1, 4)), 3, "a single training image"),
        (np.repeat(np.eye(3), 20, axis=0), 3, "3 different training images are too few for 3 clusters"),
        (np.random.default_rng(0).random((5, 4)), 10, "5 different training images are too few for 10 clusters"),
    ],
    ids=["constant", "constant but for rounding", "one image", "duplicates", "fewer images than clusters"],
)
def test_what_cannot_be_clustered_says_why(
    make_evidence: MakeEvidence, values: np.ndarray, clusters: int, why: str
) -> None:
    with pytest.raises(NotAvailable, match=why):
        evaluate_label_free(of_values(make_evidence, values), clusters=clusters)


def test_a_single_class_is_no_reason_to_call_one_cluster_stable(make_evidence: MakeEvidence, blobs: np.ndarray) -> None:
    with pytest.raises(NotAvailable, match="a single cluster"):
        evaluate_label_free(of_values(make_evidence, blobs, np.zeros(300, np.int64)))


def test_ten_images_have_no_ten_neighbours(make_evidence: MakeEvidence, blobs: np.ndarray) -> None:
    found = scores(of_values(make_evidence, blobs[::30]), clusters=3)
    assert found["cluster_stability"].note == ""
    assert found["neighbour_consistency"].note == "not available: no image has 10 neighbours"


def test_images_that_repeat_are_each_others_neighbours(make_evidence: MakeEvidence) -> None:
    few = np.random.default_rng(0).random((20, 4))
    found = scores(of_values(make_evidence, np.repeat(few, 11, axis=0)), clusters=5)
    assert found["neighbour_consistency"].value == 1
    assert found["cluster_stability"].value < 1


def test_of_many_images_five_thousand_are_judged(make_evidence: MakeEvidence) -> None:
    values = np.random.default_rng(0).random((12_000, 64))
    found = scores(of_values(make_evidence, values))
    assert {score.n for score in found.values()} == {5_000}
    few = scores(of_values(make_evidence, values[spread_evenly(12_000, 5_000)]))
    assert few == found


def test_each_clustering_that_is_compared_has_its_own_four_fifths_of_the_images(
    make_evidence: MakeEvidence, noise: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts: list[np.ndarray] = []

    class Recording(KMeans):
        def fit(self, X: np.ndarray, y: None = None, sample_weight: None = None) -> KMeans:
            parts.append(X)
            return super().fit(X)

    monkeypatch.setattr("eqae.evaluation.label_free.KMeans", Recording)
    evaluate_label_free(of_values(make_evidence, noise), clusters=4)
    *sampled, whole = parts
    assert len(whole) == 600
    assert [len(np.unique(part, axis=0)) for part in sampled] == 10 * [480]
    assert len({part.tobytes() for part in sampled}) == 10


def test_a_subsample_needs_more_different_images_than_clusters(make_evidence: MakeEvidence, noise: np.ndarray) -> None:
    with pytest.raises(NotAvailable, match="26 different training images are too few for 20 clusters"):
        evaluate_label_free(of_values(make_evidence, noise[:26]), clusters=20)
    assert scores(of_values(make_evidence, noise[:27]), clusters=20)["cluster_stability"].note == ""
