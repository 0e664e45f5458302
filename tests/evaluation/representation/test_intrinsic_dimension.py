from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from evidence_factory import make_features
from scipy.spatial.distance import cdist

from eqae.evaluation.evidence import Evidence, Score
from eqae.evaluation.representation.intrinsic_dimension import evaluate_intrinsic_dimension, inverse_dimensions

MakeEvidence = Callable[..., Evidence]
MLE, TWONN, SHARPNESS = "intrinsic_dimension_mle", "intrinsic_dimension_twonn", "relative_label_sharpness"


def found(evidence: Evidence) -> dict[tuple[str, str], Score]:
    return {(score.metric, score.condition): score for score in evaluate_intrinsic_dimension(evidence).scores}


def of_points(points: np.ndarray, labels: np.ndarray | None = None) -> dict[str, Score]:
    features = make_features(points, np.zeros(len(points), np.int64) if labels is None else labels)
    scores = found(Evidence("m", "d", "C1", 0, features, features))
    return {metric: score for (metric, condition), score in scores.items() if condition == "features"}


def in_many_dimensions(points: np.ndarray) -> np.ndarray:
    basis, _ = np.linalg.qr(np.random.default_rng(1).standard_normal((64, points.shape[1])))
    return points @ basis.T + 5


def test_a_plane_in_64_dimensions_is_a_plane() -> None:
    measured = of_points(in_many_dimensions(np.random.default_rng(0).uniform(size=(2000, 2))))
    assert 1.85 < measured[MLE].value < 2.05
    assert 1.85 < measured[TWONN].value < 2.1


def test_a_cube_in_five_dimensions_falls_a_little_short() -> None:
    measured = of_points(in_many_dimensions(np.random.default_rng(0).uniform(size=(2000, 5))))
    assert 4.2 < measured[MLE].value < 4.9
    assert 4.4 < measured[TWONN].value < 5.2


def test_distances_that_grow_as_a_power_law_give_its_dimension() -> None:
    # The expected log-ratios of neighbours of a Poisson process in d dimensions are 1 / (j d).
    rng = np.random.default_rng(0)
    volumes = rng.exponential(size=(20000, 20)).cumsum(axis=1)
    for dimension in (1, 3, 10):
        inverses = inverse_dimensions(volumes ** (1 / dimension))
        assert inverses.mean() == pytest.approx(1 / dimension, rel=0.02)


def test_both_estimates_are_those_of_their_formulas(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence(test=40, separation=0.0)
    points = evidence.test.upright.astype(np.float64)
    near = np.sort(cdist(points, points), axis=1)[:, 1:21]
    local = [sum(math.log(row[19] / row[j]) for j in range(19)) / 19 for row in near]
    measured = found(evidence)
    assert measured[MLE, "features"].value == pytest.approx(1 / np.mean(local), rel=1e-5)
    assert measured[TWONN, "features"].value == pytest.approx(40 / np.log(near[:, 1] / near[:, 0]).sum(), rel=1e-5)


def test_neither_unit_nor_place_of_the_space_matters() -> None:
    points = np.random.default_rng(0).standard_normal((200, 4))
    labels = np.arange(200) % 2
    once, twice = of_points(points, labels), of_points(1000 * points, labels)
    for metric in (MLE, TWONN, SHARPNESS):
        assert twice[metric].value == pytest.approx(once[metric].value, rel=1e-4)


def test_one_image_stands_for_all_that_coincide() -> None:
    points = np.random.default_rng(0).standard_normal((100, 3))
    doubled = np.concatenate([points, points[:10] * (1 + 1e-8)])
    once, twice = of_points(points), of_points(doubled)
    for metric in (MLE, TWONN):
        assert twice[metric].n == 100
        assert twice[metric].value == pytest.approx(once[metric].value, rel=1e-5)
    assert math.isnan(of_points(np.ones((20, 3)))[MLE].value)


@pytest.mark.parametrize("copies", [2, 30])
def test_a_plane_seen_many_times_is_a_plane(copies: int) -> None:
    plane = in_many_dimensions(np.random.default_rng(0).uniform(size=(2000 // copies, 2)))
    repeated = of_points(np.random.default_rng(1).permutation(np.repeat(plane, copies, axis=0)))
    once = of_points(plane)
    for metric in (MLE, TWONN):
        assert repeated[metric].value == pytest.approx(once[metric].value, rel=1e-3)
        assert repeated[metric].n == 2000 // copies
    if copies == 2:
        assert 1.85 < repeated[TWONN].value < 2.1


def test_sharpness_is_the_mean_distance_over_the_shortest_between_classes(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence(separation=1.0)
    points, labels = evidence.test.upright.astype(np.float64), evidence.test.labels
    distance, n = cdist(points, points), len(labels)
    shortest = min(distance[i, j] for i in range(n) for j in range(n) if labels[i] != labels[j])
    expected = distance[np.triu_indices(n, 1)].mean() / shortest
    assert found(evidence)[SHARPNESS, "features"].value == pytest.approx(expected, rel=1e-6)
    assert found(evidence)[SHARPNESS, "pixels"].value > 0


def test_one_image_under_two_classes_has_no_finite_sharpness() -> None:
    points = np.random.default_rng(0).standard_normal((30, 3))
    score = of_points(np.concatenate([points, points]), np.repeat([0, 1], 30))[SHARPNESS]
    assert math.isnan(score.value)
    assert "coincide" in score.note


def test_without_pixels_the_features_are_judged_alone(make_evidence: MakeEvidence) -> None:
    measured = found(replace(make_evidence(), pixels=None))
    assert measured[MLE, "pixels"].note == "not available: no pixels"
    assert math.isfinite(measured[MLE, "features"].value)
