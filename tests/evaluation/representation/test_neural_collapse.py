from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from evidence_factory import make_features

from eqae.evaluation.evidence import Evidence, NotAvailable
from eqae.evaluation.linear_probe import linear_probe
from eqae.evaluation.representation.neural_collapse import (
    angle_error,
    duality_error,
    evaluate_neural_collapse,
    length_spread,
    within_over_between,
)

MakeEvidence = Callable[..., Evidence]


def simplex(classes: int, width: int) -> np.ndarray:
    """Vertices of a regular simplex around zero, anywhere in ``width`` dimensions."""
    corners = np.eye(classes) - 1 / classes
    basis, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((width, classes)))
    return corners @ basis.T


def found(evidence: Evidence) -> dict[str, float]:
    return {score.metric: score.value for score in evaluate_neural_collapse(evidence).scores}


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_a_simplex_with_weights_along_it_is_full_collapse(classes: int) -> None:
    means = simplex(classes, 16) + 3
    labels = np.repeat(np.arange(classes), 5)
    assert length_spread(means) == pytest.approx(0, abs=1e-12)
    assert angle_error(means) == pytest.approx(0, abs=1e-12)
    assert duality_error(means, 7 * simplex(classes, 16) + 1) == pytest.approx(0, abs=1e-12)
    features = means[labels].astype(np.float32)
    assert within_over_between(features, labels, np.arange(classes), means) == pytest.approx(0, abs=1e-9)


def test_a_collapsed_extractor_is_recognised() -> None:
    labels = np.arange(120) % 4
    features = make_features(simplex(4, 4)[labels], labels)
    measured = found(Evidence("m", "d", "C1", 0, features, features))
    # Standardisation keeps a simplex no simplex in general, but its classes points.
    assert measured["nc1_variability"] == pytest.approx(0, abs=1e-6)
    assert measured["nc4_disagreement"] == 0


@pytest.mark.parametrize("width", [3, 6, 40])
def test_the_trace_is_that_of_the_covariances(make_evidence: MakeEvidence, width: int) -> None:
    evidence = make_evidence(separation=1.0, width=width)
    labels = evidence.train.labels
    features = linear_probe(evidence).standardize(evidence.train.upright).astype(np.float64)
    means = np.stack([features[labels == label].mean(axis=0) for label in range(3)])
    within = np.mean([np.cov(features[labels == label].T, bias=True) for label in range(3)], axis=0)
    between = np.cov(means.T, bias=True)
    expected = np.trace(within @ np.linalg.pinv(between, rcond=1e-10)) / 3
    assert found(evidence)["nc1_variability"] == pytest.approx(expected, rel=1e-4)


def test_lengths_and_angles_known_by_hand() -> None:
    # Centred: (-1, 0), (2, 0) and (-1, 0).
    means = np.array([[0.0, 5], [3, 5], [0, 5]])
    lengths = np.array([1, 2, 1])
    assert length_spread(means) == pytest.approx(lengths.std() / lengths.mean())
    assert angle_error(means) == pytest.approx((abs(-1 + 0.5) + abs(1 + 0.5) + abs(-1 + 0.5)) / 3)
    assert duality_error(means, -means) == pytest.approx(2)


def test_disagreement_is_counted_on_the_test_images(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence(separation=0.4)
    probe = linear_probe(evidence)
    train, test = probe.standardize(evidence.train.upright), probe.standardize(evidence.test.upright)
    means = np.stack([train[evidence.train.labels == label].mean(axis=0) for label in range(3)])
    nearest = np.linalg.norm(test[:, None] - means, axis=2).argmin(axis=1)
    expected = (nearest != probe.predict(evidence.test.upright)).mean()
    assert 0 < expected < 1
    assert found(evidence)["nc4_disagreement"] == pytest.approx(expected)


def test_tighter_classes_have_collapsed_further(make_evidence: MakeEvidence) -> None:
    variability = [found(make_evidence(separation=s))["nc1_variability"] for s in (0.5, 2.0, 8.0)]
    assert variability == sorted(variability, reverse=True)


def test_one_class_cannot_collapse(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence()
    one = replace(evidence.train, labels=np.zeros_like(evidence.train.labels))
    with pytest.raises(NotAvailable):
        evaluate_neural_collapse(replace(evidence, train=one))


def test_a_class_of_one_image_has_no_spread(make_evidence: MakeEvidence) -> None:
    singles = make_evidence(classes=4, train=4, test=40)
    evidence = make_evidence(classes=4, train=40, test=40)
    labels = np.where(np.arange(40) == 0, 0, 1 + np.arange(40) % 3)
    one = replace(evidence, train=replace(evidence.train, labels=labels))
    for lacking in (singles, one):
        scores = {score.metric: score for score in evaluate_neural_collapse(lacking).scores}
        for metric in ("nc1_variability", "nc4_disagreement"):
            assert np.isnan(scores[metric].value)
            assert scores[metric].note == "not available: a class has a single image"
        for metric in ("nc2_length_spread", "nc2_angle_error", "nc3_duality_error"):
            assert np.isfinite(scores[metric].value)
    assert np.isfinite(list(found(evidence).values())).all()
