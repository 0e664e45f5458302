import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from evidence_factory import make_features
from sklearn.metrics import silhouette_score

from eqae.evaluation.clustering import evaluate_clustering
from eqae.evaluation.evidence import Evidence, Score

MakeEvidence = Callable[..., Evidence]

AGREEMENT = [
    f"{clusterer}_{name}" for clusterer in ("kmeans", "gmm", "spectral") for name in ("acc", "nmi", "ari", "purity")
]


def scores(evidence: Evidence, clusters: int | None = None) -> dict[str, Score]:
    return {score.metric: score for score in evaluate_clustering(evidence, clusters=clusters).scores}


@pytest.mark.parametrize("width", [6, 50])
def test_well_separated_classes_are_found_without_labels(make_evidence: MakeEvidence, width: int) -> None:
    found = scores(make_evidence(separation=30, width=width))
    assert set(found) == {*AGREEMENT, "kmeans_silhouette"}
    for metric in AGREEMENT:
        assert found[metric].value == pytest.approx(1, abs=1e-6)
        assert found[metric].n == 120
    assert found["kmeans_silhouette"].value > 0.7


def test_random_features_agree_with_the_labels_by_chance(make_evidence: MakeEvidence) -> None:
    found = scores(make_evidence(separation=0, train=600))
    for clusterer in ("kmeans", "gmm", "spectral"):
        assert found[f"{clusterer}_acc"].value < 0.45
        assert found[f"{clusterer}_nmi"].value < 0.05
        assert found[f"{clusterer}_ari"].value == pytest.approx(0, abs=0.03)


def test_permuted_labels_agree_by_chance_and_renamed_ones_exactly_as_before(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence(separation=1, train=300)
    rng = np.random.default_rng(0)
    permuted = replace(evidence, train=replace(evidence.train, labels=rng.permutation(evidence.train.labels)))
    renamed = replace(evidence, train=replace(evidence.train, labels=np.array([2, 0, 1])[evidence.train.labels]))
    found, as_renamed = scores(evidence), scores(renamed)
    assert scores(permuted)["kmeans_nmi"].value < 0.05 < found["kmeans_nmi"].value
    for metric in AGREEMENT:
        assert as_renamed[metric].value == pytest.approx(found[metric].value, abs=1e-6)


def test_purity_is_never_below_accuracy(make_evidence: MakeEvidence) -> None:
    for seed in range(3):
        found = scores(make_evidence(separation=0.5, seed=seed))
        for clusterer in ("kmeans", "gmm", "spectral"):
            assert found[f"{clusterer}_purity"].value >= found[f"{clusterer}_acc"].value


def test_constant_features_score_the_share_of_the_largest_class(make_evidence: MakeEvidence) -> None:
    labels = np.repeat([0, 1], [30, 10])
    for width in (3, 40):
        constant = make_features(np.ones((40, width)), labels)
        found = scores(replace(make_evidence(), train=constant, test=constant))
        assert found["kmeans_acc"].value == 0.75
        assert found["kmeans_purity"].value == 0.75
        assert math.isnan(found["kmeans_silhouette"].value)
        assert found["kmeans_silhouette"].low is None


def test_unlabelled_images_have_a_silhouette_and_nothing_else(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence(labelled=False, separation=30)
    *others, score = evaluate_clustering(evidence, clusters=3).scores
    assert score.metric == "kmeans_silhouette"
    assert {other.note for other in others} == {"not available: no training image has a label"}
    centred = evidence.train.upright - evidence.train.upright.mean(0)
    truth = silhouette_score(centred / centred.std(0), np.arange(120) % 3)
    assert score.value == pytest.approx(truth, abs=1e-4)
    assert [score.metric for score in evaluate_clustering(evidence).scores if not score.note] == ["kmeans_silhouette"]


def test_images_without_a_label_are_clustered_but_not_counted(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence(separation=30)
    labels = evidence.train.labels.copy()
    labels[:20] = -1
    found = scores(replace(evidence, train=replace(evidence.train, labels=labels)))
    assert (found["kmeans_acc"].value, found["kmeans_acc"].n, found["kmeans_silhouette"].n) == (1, 100, 120)


def test_the_number_of_clusters_can_be_chosen(make_evidence: MakeEvidence) -> None:
    found = scores(make_evidence(separation=30), clusters=6)
    assert found["kmeans_purity"].value == 1
    assert found["kmeans_acc"].value < 0.9


def test_fewer_images_than_clusters_are_no_obstacle(make_evidence: MakeEvidence) -> None:
    found = scores(make_evidence(train=5), clusters=10)
    assert found["kmeans_purity"].value == 1
    assert math.isnan(found["kmeans_silhouette"].value)


def test_repeated_images_are_no_obstacle(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence(separation=30)
    doubled = make_features(np.repeat(evidence.train.upright, 3, 0), np.repeat(evidence.train.labels, 3))
    assert scores(replace(evidence, train=doubled))["kmeans_acc"].value == 1


def test_the_same_seed_gives_the_same_scores(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence(separation=0.5)
    one, other = evaluate_clustering(evidence), evaluate_clustering(evidence)
    assert one.scores == other.scores
    assert np.array_equal(one.drawings["clusters"]["of_image"], other.drawings["clusters"]["of_image"])


def test_every_image_of_both_splits_is_in_the_cluster_of_its_own_kind(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence(separation=30)
    found = evaluate_clustering(evidence).drawings["clusters"]
    kinds = np.concatenate([evidence.train.labels, evidence.test.labels])
    pairs = set(zip(kinds.tolist(), found["of_image"].tolist(), strict=True))
    assert len(pairs) == 3, "one cluster a kind, one kind a cluster"
    sizes = [cluster["size"] for cluster in found["clusters"]]
    assert sizes == sorted(np.bincount(kinds).tolist(), reverse=True)
    assert [found["of_image"][cluster["medoid"]] for cluster in found["clusters"]] == [1, 2, 3]
    assert {cluster["share"] for cluster in found["clusters"]} == {1.0}


@pytest.mark.parametrize(("images", "clusters"), [(300, 10), (60, 6), (25, 2), (3, 2)])
def test_without_classes_there_are_ten_clusters_or_one_for_ten_images(
    images: int, clusters: int, make_evidence: MakeEvidence
) -> None:
    found = evaluate_clustering(make_evidence(labelled=False, train=images)).drawings["clusters"]
    assert len(found["clusters"]) == clusters
    assert {cluster["majority"] for cluster in found["clusters"]} == {""}


def test_classes_that_hang_together_without_being_round_are_found_by_their_neighbours(
    make_evidence: MakeEvidence,
) -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(400) % 2
    angles = rng.uniform(0, 2 * np.pi, 400)
    radii = (1 + 3 * labels + 0.1 * rng.normal(size=400))[:, None]
    rings = make_features(radii * np.stack([np.cos(angles), np.sin(angles)], 1), labels)
    found = scores(replace(make_evidence(classes=2), train=rings, test=rings))
    assert found["spectral_acc"].value == 1
    assert found["kmeans_acc"].value < 0.7


def sorted_by_class(make_evidence: MakeEvidence) -> Evidence:
    """300 images of three kinds far apart, class after class, as the images of a folder come."""
    evidence = make_evidence(separation=30, train=300)
    order = np.argsort(evidence.train.labels, kind="stable")
    return replace(evidence, train=make_features(evidence.train.upright[order], evidence.train.labels[order]))


def test_of_many_images_spectral_clusters_are_of_some_from_every_class_and_keep_their_labels(
    make_evidence: MakeEvidence, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eqae.evaluation.clustering.SPECTRAL_IMAGES", 90)
    found = scores(sorted_by_class(make_evidence))
    assert [(found[f"{name}_acc"].value, found[f"{name}_acc"].n) for name in ("kmeans", "spectral")] == [
        (1, 300),
        (1, 90),
    ]


def test_the_silhouette_of_many_images_is_that_of_some_from_every_cluster(
    make_evidence: MakeEvidence, monkeypatch: pytest.MonkeyPatch
) -> None:
    evidence = sorted_by_class(make_evidence)
    of_all = scores(evidence)["kmeans_silhouette"]
    monkeypatch.setattr("eqae.evaluation.clustering.SILHOUETTE_IMAGES", 45)
    of_some = scores(evidence)["kmeans_silhouette"]
    assert (of_all.n, of_some.n) == (300, 45)
    assert of_some.value == pytest.approx(of_all.value, abs=0.02)


def test_the_limits_are_four_thousand_images_in_a_graph_and_two_thousand_in_a_silhouette(
    make_evidence: MakeEvidence, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What takes seconds is replaced by the answer: the kind of each image, which its first coordinate tells."""
    labels = np.repeat([0, 1], 2_100)
    far = make_features(np.where(labels, 1.0, -1.0)[:, None] * np.ones(3), labels)
    monkeypatch.setattr("eqae.evaluation.clustering._spectral", lambda rows, *_: (rows[:, 0] > 0).astype(int))
    monkeypatch.setattr("eqae.evaluation.clustering.silhouette_samples", lambda rows, kinds: kinds.astype(float))
    found = scores(replace(make_evidence(classes=2), train=far, test=far))
    assert (found["spectral_acc"].value, found["spectral_acc"].n) == (1, 4_000)
    assert found["kmeans_silhouette"].n == 2_000
    assert found["kmeans_silhouette"].value == pytest.approx(0.5, abs=0.01)
