from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from evidence_factory import make_features
from scipy.spatial.distance import pdist
from scipy.special import gammaln, ive
from sklearn.preprocessing import normalize

from eqae.evaluation.evidence import Evidence, NotAvailable, Score
from eqae.evaluation.representation.uniformity import evaluate_uniformity, uniformity

MakeEvidence = Callable[..., Evidence]


def found(evidence: Evidence) -> dict[tuple[str, str], Score]:
    return {(score.metric, score.condition): score for score in evaluate_uniformity(evidence).scores}


def uniform_on_the_sphere(dimension: int) -> float:
    """``log E exp(-2 |z - z'|²)`` for independent z, z' on the unit sphere: a von Mises-Fisher normaliser, κ = 4."""
    order = dimension / 2 - 1
    log_bessel = math.log(ive(order, 4)) + 4
    return gammaln(dimension / 2) + order * math.log(2 / 4) + log_bessel - 4


def test_values_known_by_hand() -> None:
    assert uniformity(np.ones((50, 50), np.float32)) == 0
    signs = np.where(np.arange(1000) % 2, 1.0, -1.0).astype(np.float32)
    assert uniformity(np.outer(signs, signs)) == pytest.approx(math.log((1 + math.exp(-8)) / 2), abs=2e-3)


@pytest.mark.parametrize("dimension", [2, 8, 32])
def test_directions_spread_evenly_have_the_value_of_the_sphere(dimension: int) -> None:
    points = normalize(np.random.default_rng(0).standard_normal((1500, dimension))).astype(np.float32)
    assert uniformity(points @ points.T) == pytest.approx(uniform_on_the_sphere(dimension), abs=0.02)


def test_the_sphere_in_32_dimensions_has_the_published_value() -> None:
    assert uniform_on_the_sphere(32) == pytest.approx(-3.75, abs=0.005)


def test_all_figures_are_those_of_their_definitions(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence(separation=1.0, movement=0.4)
    train = evidence.train.upright.astype(np.float64)

    def unit(values: np.ndarray) -> np.ndarray:
        return normalize((values.astype(np.float64) - train.mean(axis=0)) / train.std(axis=0))

    points, labels = unit(evidence.test.upright), evidence.test.labels
    squared = pdist(points, "sqeuclidean")
    cosines, same = 1 - squared / 2, pdist(labels[:, None]) == 0
    measured = found(evidence)
    assert measured["uniformity", ""].value == pytest.approx(np.log(np.exp(-2 * squared).mean()), abs=1e-5)
    assert measured["tolerance", ""].value == pytest.approx((cosines * same).mean(), abs=1e-5)
    assert measured["within_class_cosine", ""].value == pytest.approx(cosines[same].mean(), abs=1e-5)
    turned = evidence.turned["30deg"].values
    copies = [(unit(turned[:, o]) * unit(turned[:, 0])).sum(axis=1) for o in range(1, 12)]
    assert measured["within_orbit_cosine", "30deg"].value == pytest.approx(np.mean(copies), abs=1e-5)


def test_tolerance_is_the_within_class_cosine_times_the_share_of_such_pairs(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence(classes=5, separation=1.0)
    labels = evidence.test.labels
    share = (pdist(labels[:, None]) == 0).mean()
    measured = found(evidence)
    assert measured["tolerance", ""].value == pytest.approx(share * measured["within_class_cosine", ""].value, rel=1e-5)


def test_exact_invariance_has_orbit_cosine_one(make_evidence: MakeEvidence) -> None:
    measured = found(make_evidence(movement=0.0))
    assert measured["within_orbit_cosine", "D4"].value == pytest.approx(1, abs=1e-6)


def test_a_collapsed_extractor_is_not_called_anything(make_evidence: MakeEvidence) -> None:
    labels = np.zeros(9, np.int64)
    flat = make_features(np.ones((9, 3)), labels)
    with pytest.raises(NotAvailable, match="constant"):
        evaluate_uniformity(Evidence("m", "d", "C1", 0, flat, flat))
    unlabelled = found(make_evidence(labelled=False))
    assert unlabelled["tolerance", ""].note == "not available: no labels"
    evidence = make_evidence()
    alone = replace(evidence.test, labels=np.arange(len(evidence.test.labels)))
    assert found(replace(evidence, test=alone))["tolerance", ""].note == "not available: one image a class"
