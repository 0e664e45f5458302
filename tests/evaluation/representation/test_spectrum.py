from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from evidence_factory import make_features
from hypothesis import given
from hypothesis import strategies as st
from sklearn.decomposition import PCA

from eqae.evaluation.evidence import Evidence, NotAvailable
from eqae.evaluation.representation.spectrum import (
    effective_rank,
    evaluate_spectrum,
    participation_ratio,
    principal_coordinates,
    resampled_variances,
)

MakeEvidence = Callable[..., Evidence]


def evidence_of(values: np.ndarray) -> Evidence:
    features = make_features(values, np.zeros(len(values), np.int64))
    return Evidence("m", "d", "C1", 0, features, features)


def found(values: np.ndarray) -> dict[str, float]:
    return {score.metric: score.value for score in evaluate_spectrum(evidence_of(values)).scores}


@pytest.mark.parametrize(("images", "width"), [(50, 8), (20, 60), (5, 5), (2, 3)])
def test_eigenvalues_are_those_of_the_covariance(images: int, width: int) -> None:
    features = np.random.default_rng(0).standard_normal((images, width)).astype(np.float32)
    expected = np.linalg.eigvalsh(np.cov(features.T.astype(np.float64)))[::-1][: min(images, width)]
    values, coordinates = principal_coordinates(features)
    np.testing.assert_allclose(values, expected, atol=1e-6)
    inner = np.cov(features.astype(np.float64).T).trace() * (images - 1)
    assert np.square(coordinates).sum() == pytest.approx(inner, rel=1e-6)
    np.testing.assert_allclose(coordinates.T @ coordinates, np.diag(expected) * (images - 1), atol=1e-4)


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=10))
def test_rank_lies_between_one_and_the_dimension_and_above_the_participation_ratio(values: list[float]) -> None:
    eigenvalues = np.sort(np.array(values))[::-1]
    rank, ratio = effective_rank(eigenvalues), participation_ratio(eigenvalues)
    assert 1 - 1e-9 <= ratio <= rank + 1e-9 <= len(values) + 2e-9  # Rényi entropies of order 2, 1 and 0
    assert rank == pytest.approx(effective_rank(7 * eigenvalues))


def test_ranks_known_by_hand() -> None:
    assert effective_rank(np.ones(5)) == pytest.approx(5)
    assert participation_ratio(np.ones(5)) == pytest.approx(5)
    assert effective_rank(np.array([3.0, 0, 0])) == participation_ratio(np.array([3.0, 0, 0])) == 1
    assert participation_ratio(np.array([2.0, 1.0])) == pytest.approx(9 / 5)
    entropy = -(2 / 3 * math.log(2 / 3) + 1 / 3 * math.log(1 / 3))
    assert effective_rank(np.array([2.0, 1.0])) == pytest.approx(math.exp(entropy))


def test_features_on_a_line_use_one_direction() -> None:
    values = np.outer(np.arange(30), [1, 2, 3, 4])
    measured = found(values)
    assert measured["effective_rank"] == pytest.approx(1, abs=1e-4)
    assert measured["components_for_95"] == 1


def test_the_rank_does_not_change_when_the_features_are_rotated_or_moved() -> None:
    rng = np.random.default_rng(0)
    values = rng.standard_normal((80, 6)) * [5, 3, 2, 1, 0.5, 0.1]
    turn, _ = np.linalg.qr(rng.standard_normal((6, 6)))
    for metric, value in found(values @ turn + 4).items():
        assert value == pytest.approx(found(values)[metric], rel=1e-4)


def test_the_curve_and_the_counts_are_those_of_a_principal_component_analysis(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence(width=12, separation=0.5)
    shares = PCA().fit(evidence.train.upright.astype(np.float64)).explained_variance_ratio_.cumsum()
    drawing = evaluate_spectrum(evidence).drawings["explained_variance"]
    assert drawing["components"] == list(range(1, 13))
    assert drawing["share"] == pytest.approx(shares, abs=1e-6)
    assert found(evidence.train.upright)["components_for_90"] == 1 + np.count_nonzero(shares < 0.9)


def test_wide_features_give_a_short_curve() -> None:
    values = np.random.default_rng(0).standard_normal((600, 500))
    drawing = evaluate_spectrum(evidence_of(values)).drawings["explained_variance"]
    assert len(drawing["components"]) <= 80
    assert drawing["components"][-1] == drawing["width"] == 500
    assert drawing["share"][-1] == pytest.approx(1)


@pytest.mark.parametrize("noise", [0, 1e-7])
def test_constant_features_have_no_spectrum(noise: float) -> None:
    values = 3 + noise * np.random.default_rng(0).standard_normal((40, 5))
    with pytest.raises(NotAvailable, match="constant"):
        evaluate_spectrum(evidence_of(values))


def test_intervals_are_as_wide_as_new_images_make_them() -> None:
    rng = np.random.default_rng(0)
    scales = 0.7 ** np.arange(6)
    ranks = [
        effective_rank(principal_coordinates((rng.standard_normal((400, 6)) * scales).astype(np.float32))[0])
        for _ in range(200)
    ]
    score = evaluate_spectrum(evidence_of(rng.standard_normal((400, 6)) * scales)).scores[0]
    assert score.low is not None
    assert score.high is not None
    assert (score.high - score.low) / (4 * np.std(ranks)) == pytest.approx(1, abs=0.3)


def test_variances_along_fixed_axes_are_those_of_the_resamples() -> None:
    coordinates = np.random.default_rng(0).standard_normal((30, 3))
    draw = np.random.default_rng(5).integers(30, size=30)
    expected = np.sort(coordinates[draw].var(axis=0))[::-1]
    np.testing.assert_allclose(resampled_variances(coordinates, 5)[0], expected, rtol=1e-6)
