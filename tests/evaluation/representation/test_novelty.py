from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from evidence_factory import make_features
from scipy.spatial.distance import cdist
from scipy.stats import norm
from sklearn.covariance import LedoitWolf
from sklearn.metrics import roc_auc_score

from eqae.evaluation.evidence import Evidence, NotAvailable, Score
from eqae.evaluation.representation.novelty import evaluate_novelty

MakeEvidence = Callable[..., Evidence]


def found(evidence: Evidence) -> dict[str, Score]:
    return {score.condition: score for score in evaluate_novelty(evidence).scores}


def test_the_auroc_is_that_of_a_mahalanobis_distance_to_each_class(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence(separation=0.6)
    train, test = evidence.train.upright.astype(np.float64), evidence.test.upright.astype(np.float64)
    # All six components are kept: a standardisation and a rotation. Shrinkage does depend on the scale.
    train, test = ((values - evidence.train.upright.mean(axis=0)) / train.std(axis=0) for values in (train, test))
    expected = []
    for label in range(3):
        own = train[evidence.train.labels == label]
        shrunk = LedoitWolf().fit(own).covariance_
        distance = cdist(test, own.mean(axis=0)[None], "mahalanobis", VI=np.linalg.inv(shrunk))[:, 0]
        expected.append(roc_auc_score(evidence.test.labels != label, distance))
    assert found(evidence)[""].value == pytest.approx(np.mean(expected), abs=1e-3)
    drawing = evaluate_novelty(evidence).drawings["novelty"]
    assert drawing["auroc"] == pytest.approx(sorted(expected), abs=1e-3)
    assert sorted(drawing["classes"]) == ["kind 0", "kind 1", "kind 2"]


@pytest.mark.parametrize("shift", [1.0, 2.0])
def test_two_shifted_gaussians_have_the_closed_form(shift: float) -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(8000) % 2
    train, test = (rng.standard_normal((8000, 1)) + shift * labels[:, None] for _ in range(2))
    evidence = Evidence("m", "d", "C1", 0, make_features(train, labels), make_features(test, labels))
    below = norm.cdf(shift / np.sqrt(2))
    assert found(evidence)[""].value == pytest.approx(below**2 + (1 - below) ** 2, abs=0.015)


def test_what_only_weak_components_show_is_found_there() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(1500) % 3
    values = rng.standard_normal((1500, 6)) * [1, 1, 1, 1, 1, 0.05]
    values[:, 5] += 0.5 * labels
    mixed = values @ np.linalg.qr(rng.standard_normal((6, 6)))[0]
    features = make_features(mixed, labels)
    measured = found(Evidence("m", "d", "C1", 0, features, features))
    assert measured["trailing components"].value > 0.99
    assert measured["leading components"].value == pytest.approx(0.5, abs=0.1)


def test_features_that_know_nothing_of_the_classes_are_at_chance(make_evidence: MakeEvidence) -> None:
    assert found(make_evidence(separation=0.0, train=600, test=600))[""].value == pytest.approx(0.5, abs=0.05)


def test_classes_far_apart_are_told_apart(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence(separation=9.0)
    assert found(evidence)[""].value == 1
    assert found(evidence)[""].n == 90


def test_every_class_counts_the_same(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence(separation=0.5)
    rare = np.flatnonzero((evidence.test.labels != 0) | (np.arange(90) < 20))
    fewer = replace(evidence.test, values=evidence.test.values[rare], labels=evidence.test.labels[rare])
    drawing = evaluate_novelty(replace(evidence, test=fewer)).drawings["novelty"]
    assert found(replace(evidence, test=fewer))[""].value == pytest.approx(np.mean(drawing["auroc"]))


def test_classes_without_enough_images_are_left_out_or_say_so(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence()
    labels = evidence.train.labels.copy()
    labels[labels == 2] = -1
    measured = found(replace(evidence, train=replace(evidence.train, labels=labels)))[""]
    assert measured.n == np.count_nonzero(evidence.test.labels != 2)
    nobody = replace(evidence.train, labels=np.full_like(labels, -1))
    with pytest.raises(NotAvailable):
        evaluate_novelty(replace(evidence, train=nobody))


def one_hot(noise: float) -> Evidence:
    rng, labels = np.random.default_rng(0), np.arange(200) % 5
    train, test = (np.eye(5)[labels] + noise * rng.standard_normal((200, 5)) for _ in range(2))
    return Evidence("m", "d", "C1", 0, make_features(train, labels), make_features(test, labels))


@pytest.mark.parametrize("noise", [0.0, 1e-7, 1e-3])
def test_classes_that_have_collapsed_to_points_are_told_apart(noise: float) -> None:
    measured = found(one_hot(noise))
    assert measured[""].value == 1
    assert measured["leading components"].value == 1
    assert measured["trailing components"].value > 0.8


def test_one_axis_leaves_none_to_trail(make_evidence: MakeEvidence) -> None:
    measured = found(make_evidence(width=1))
    assert measured["leading components"].value == measured[""].value
    assert np.isnan(measured["trailing components"].value)
    assert measured["trailing components"].note == "not available: no component is left"


def test_axes_of_one_strength_leave_the_weakest_to_trail(make_evidence: MakeEvidence) -> None:
    measured = found(make_evidence(separation=9.0, width=3))
    assert measured["trailing components"].n == 90
    assert measured["trailing components"].value > 0.6
