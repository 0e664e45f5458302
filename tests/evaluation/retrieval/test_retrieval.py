from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from evidence_factory import make_features
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.preprocessing import normalize

from eqae.evaluation.evidence import Evidence, Features, NotAvailable, Score
from eqae.evaluation.retrieval.copies import distractors
from eqae.evaluation.retrieval.evaluator import evaluate_retrieval
from eqae.evaluation.sampling import spread_evenly

MakeEvidence = Callable[..., Evidence]
Key = tuple[str, str]


def scores(evidence: Evidence) -> dict[Key, Score]:
    return {(score.metric, score.condition): score for score in evaluate_retrieval(evidence).scores}


def unit(evidence: Evidence, values: np.ndarray) -> np.ndarray:
    """Standardised features of unit length, in doubles: the oracle's own arithmetic."""
    train = evidence.train.upright.astype(np.float64)
    moved = (values.astype(np.float64) - train.mean(axis=0)) / train.std(axis=0)
    return normalize(moved.reshape(-1, moved.shape[-1])).reshape(moved.shape)


def distances(evidence: Evidence, turned: Features) -> np.ndarray:
    """``[o, i, j]``: from copy o of image i to original j."""
    points = unit(evidence, turned.values)
    return np.linalg.norm(points.transpose(1, 0, 2)[:, :, None] - points[None, None, :, 0], axis=-1)


def test_retrieval_by_class_is_that_of_scikit_learn(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence(separation=0.7)
    points, labels = unit(evidence, evidence.test.upright), evidence.test.labels
    precision, found = [], {1: [], 5: []}
    for query in range(len(labels)):
        others = np.arange(len(labels)) != query
        similarity, relevant = (points @ points[query])[others], labels[others] == labels[query]
        precision.append(average_precision_score(relevant, similarity))
        ranked = relevant[np.argsort(-similarity)]
        for rank, hits in found.items():
            hits.append(ranked[:rank].any())
    measured = scores(evidence)
    assert measured["class_map", ""].value == pytest.approx(np.mean(precision), abs=1e-6)
    assert measured["class_recall_at_1", ""].value == pytest.approx(np.mean(found[1]))
    assert measured["class_recall_at_5", ""].value == pytest.approx(np.mean(found[5]))
    assert measured["class_map", ""].samples == pytest.approx(np.array(precision), abs=1e-5)


@pytest.mark.parametrize("movement", [0.05, 0.6, 3.0])
@pytest.mark.parametrize("condition", ["D4", "30deg"])
def test_retrieval_by_orbit_is_that_of_the_definitions(
    make_evidence: MakeEvidence, movement: float, condition: str
) -> None:
    evidence = make_evidence(separation=0.5, movement=movement, turned=12)
    distance = distances(evidence, evidence.turned[condition])
    images, different = distance.shape[1], ~np.eye(distance.shape[1], dtype=bool)
    own = distance[1:][:, ~different]
    found, precision = [], []
    for copy in distance[1:]:
        found += [copy[i].argmin() == i for i in range(images)]
    for j in range(images):
        relevant = np.zeros((len(distance) - 1, images), bool)
        relevant[:, j] = True
        precision.append(average_precision_score(relevant.ravel(), -distance[1:, :, j].ravel()))
    truth = np.broadcast_to(~different, distance[1:].shape).ravel()
    nearest = [distance[:, i, [j for j in range(images) if j != i]].min() for i in range(images)]
    measured = {metric: score.value for (metric, where), score in scores(evidence).items() if where == condition}
    assert measured["orbit_recall_at_1"] == pytest.approx(np.mean(found))
    assert measured["orbit_map"] == pytest.approx(np.mean(precision), abs=1e-4)
    assert measured["orbit_auc"] == pytest.approx(roc_auc_score(truth, -distance[1:].ravel()), abs=1e-4)
    assert measured["orbit_separation_ratio"] == pytest.approx(np.mean(own.mean(axis=0) / nearest), rel=1e-4)


def test_copy_detection_pools_all_pairs_with_distractors_of_the_same_classes(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence(separation=0.5, movement=0.8, turned=12, test=90)
    turned = evidence.turned["D4"]
    copies = -(distances(evidence, turned)[1:] ** 2)
    # Four references of each of three classes; 26 other images of each, every third of the split.
    hard = [12 + kind + 3 * spread_evenly(26, 4) for kind in range(3)]
    others = unit(evidence, evidence.test.upright[np.concatenate(hard)])
    originals = unit(evidence, turned.upright)
    distractors = -(np.linalg.norm(others[:, None] - originals, axis=-1) ** 2)
    truth = np.concatenate([np.broadcast_to(np.eye(12), copies.shape).ravel(), np.zeros(distractors.size)])
    pooled = np.concatenate([copies.ravel(), distractors.ravel()])
    measured = scores(evidence)["copy_detection_map", "D4"]
    assert measured.value == pytest.approx(average_precision_score(truth, pooled), abs=1e-4)
    order = truth[np.argsort(-pooled)]
    precision = order.cumsum() / np.arange(1, len(order) + 1)
    recall = order.cumsum() / order.sum()
    expected = recall[precision >= 0.9].max()
    assert scores(evidence)["copy_detection_recall_at_p90", "D4"].value == pytest.approx(expected)


@pytest.mark.parametrize("noise", [0.0, 1e-6])
def test_an_exactly_invariant_extractor_finds_every_copy(make_evidence: MakeEvidence, noise: float) -> None:
    measured = scores(make_evidence(movement=noise))
    for condition in ("D4", "30deg", "any-angle"):
        for metric in ("orbit_recall_at_1", "orbit_map", "orbit_auc", "copy_detection_map",
                       "copy_detection_recall_at_p90"):  # fmt: skip
            assert measured[metric, condition].value == 1
        assert measured["orbit_separation_ratio", condition].value < 1e-4


def test_random_features_are_at_chance() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(400) % 4
    values = rng.standard_normal((400, 10))
    turned = make_features(rng.standard_normal((60, 8, 10)), labels[:60], "D4")
    flat = make_features(values, labels)
    measured = scores(Evidence("m", "d", "D4", 0, flat, flat, {"D4": turned}))
    assert measured["class_map", ""].value == pytest.approx(0.25, abs=0.02)
    assert measured["class_recall_at_1", ""].value == pytest.approx(0.25, abs=0.07)
    assert measured["orbit_recall_at_1", "D4"].value == pytest.approx(1 / 60, abs=0.015)
    assert measured["orbit_auc", "D4"].value == pytest.approx(0.5, abs=0.05)
    positives = 60 * 7
    assert measured["copy_detection_map", "D4"].value == pytest.approx(positives / (positives * 60 + 3600), abs=0.01)


def test_the_unit_and_the_offset_of_a_feature_do_not_matter(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence(separation=0.7, movement=0.5)
    stretch = np.array([1e-3, 1, 50, 1, 7, 0.1], np.float32)

    def stretched(features: Features) -> Features:
        return replace(features, values=features.values * stretch + 3)

    turned = {name: stretched(features) for name, features in evidence.turned.items()}
    other = replace(evidence, train=stretched(evidence.train), test=stretched(evidence.test), turned=turned)
    for key, score in scores(other).items():
        assert score.value == pytest.approx(scores(evidence)[key].value, abs=2e-3)


def test_unlabelled_images_have_orbits_but_no_classes(make_evidence: MakeEvidence) -> None:
    measured = scores(make_evidence(labelled=False))
    assert measured["class_map", ""].note == "not available: no labels"
    assert measured["orbit_recall_at_1", "D4"].value == 1


def test_a_class_of_one_image_is_left_out(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence()
    labels = evidence.test.labels.copy()
    labels[0] = 7
    measured = scores(replace(evidence, test=replace(evidence.test, labels=labels)))
    assert measured["class_map", ""].n == len(labels) - 1
    samples = measured["class_map", ""].samples
    assert samples is not None
    assert math.isnan(samples[0])


def test_an_extra_constant_feature_counts_for_nothing(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence(separation=0.7, movement=0.5)
    rng = np.random.default_rng(0)

    def with_constant(features: Features) -> Features:
        noise = 5 + 1e-6 * rng.standard_normal((*features.values.shape[:2], 3))
        return replace(features, values=np.concatenate([features.values, noise.astype(np.float32)], axis=2))

    turned = {name: with_constant(features) for name, features in evidence.turned.items()}
    other = replace(
        evidence, train=with_constant(evidence.train), test=with_constant(evidence.test), turned=turned
    )  # fmt: skip
    expected = {key: score.value for key, score in scores(evidence).items()}
    assert {key: score.value for key, score in scores(other).items()} == pytest.approx(expected, rel=1e-5)


def test_a_constant_extractor_has_no_neighbours(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence()
    flat = replace(evidence.train, values=np.full_like(evidence.train.values, 3))
    with pytest.raises(NotAvailable, match="constant"):
        evaluate_retrieval(replace(evidence, train=flat))


def test_images_that_coincide_have_no_separation(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence(movement=0.0, turned=6)
    doubled = {
        name: replace(features, values=features.values[[0, 0, 2, 2, 4, 4]])
        for name, features in evidence.turned.items()
    }  # fmt: skip
    measured = scores(replace(evidence, turned=doubled))
    assert math.isnan(measured["orbit_separation_ratio", "D4"].value)
    assert "coincide" in measured["orbit_separation_ratio", "D4"].note
    assert measured["orbit_recall_at_1", "D4"].value == 0


@pytest.mark.parametrize("width", [4, 256, 4656])
def test_one_vector_a_class_finds_no_copy_whatever_the_rounding(width: int) -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(300) % 10
    centres = rng.standard_normal((10, width))
    turned = make_features(np.repeat(centres[labels[:100], None], 8, axis=1), labels[:100], "D4")
    flat = make_features(centres[labels], labels)
    measured = scores(Evidence("m", "d", "D4", 0, flat, flat, {"D4": turned}))
    # Of the 99 other originals 9 lie where the own one does: ties are misses, and half a point of the curve.
    assert measured["orbit_recall_at_1", "D4"].value == 0
    assert measured["orbit_auc", "D4"].value == pytest.approx(1 - 9 / 198, abs=1e-9)
    assert measured["orbit_map", "D4"].value == pytest.approx(0.1)
    # Each of 100 queries and 100 distractors a turn ties with its 10 equals.
    positives, strangers = 7 * 100, 7 * 100 * 9 + 100 * 10
    assert measured["copy_detection_map", "D4"].value == pytest.approx(positives / (positives + strangers))


def test_distractors_are_of_the_classes_of_the_references_first() -> None:
    labels = np.repeat(np.arange(5), 20)
    taken = np.arange(0, 40, 4)  # five each of the first two classes
    chosen = distractors(labels[taken], taken, labels)
    assert np.bincount(labels[chosen], minlength=5).tolist() == [5, 5, 0, 0, 0]
    assert not np.isin(chosen, taken).any()
    assert len(np.unique(chosen)) == len(taken)


def test_where_a_class_has_too_few_other_images_the_rest_are_spread_evenly() -> None:
    labels = np.repeat([0, 1, 2], [12, 44, 44])
    chosen = distractors(labels[:10], np.arange(10), labels)
    assert np.bincount(labels[chosen]).tolist() == [2, 4, 4]


def test_without_labels_the_distractors_are_spread_evenly() -> None:
    unknown = np.full(90, -1)
    assert distractors(unknown[:12], np.arange(12), unknown).tolist() == (12 + spread_evenly(78, 12)).tolist()
    assert len(distractors(unknown, np.arange(90), unknown)) == 0
