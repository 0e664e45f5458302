from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from evidence_factory import make_features
from scipy.spatial.distance import cdist

from eqae.evaluation.evidence import Evidence, NotAvailable, Score
from eqae.evaluation.representation.dependence import (
    FOLDS,
    chord,
    distance_correlation_squared,
    evaluate_dependence,
    u_centred,
)

MakeEvidence = Callable[..., Evidence]


def circle(degrees: np.ndarray, fold: int) -> np.ndarray:
    angle = np.deg2rad(fold * degrees)
    return np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def evidence_of(features: Callable[[np.ndarray, np.ndarray], np.ndarray], images: int = 64) -> Evidence:
    """Evidence whose features are a function of angles ``(O,)`` and mirroring ``(O,)``: ``(O, D)``, for all images."""
    labels = np.zeros(images, np.int64)
    turned = {}
    for condition, poses in {"D4": 8, "any-angle": 36}.items():
        shape = make_features(np.zeros((images, poses, 1)), labels, condition)
        values = np.broadcast_to(features(shape.angles, shape.mirrored), (images, poses, 2))
        turned[condition] = make_features(values, labels, condition)
    flat = make_features(np.random.default_rng(0).standard_normal((images, 2)), labels)
    return Evidence("m", "d", "C1", 0, flat, flat, turned)


def found(evidence: Evidence, metric: str = "distance_correlation_squared") -> dict[str, Score]:
    return {score.condition: score for score in evaluate_dependence(evidence).scores if score.metric == metric}


def test_the_inner_product_of_centred_matrices_is_the_sum_over_quadruples() -> None:
    rng = np.random.default_rng(0)
    a, b = (cdist(points, points) for points in rng.standard_normal((2, 6, 2)))
    n = len(a)
    # Székely & Rizzo 2014, section 3.1: the unbiased estimate of the squared distance covariance as a U-statistic.
    both = sum(a[i, j] * b[i, j] for i in range(n) for j in range(n)) / (n * (n - 3))
    cross = sum(a[i, j] * b[i, k] for i in range(n) for j in range(n) for k in range(n))
    total = a.sum() * b.sum() / (n * (n - 1) * (n - 2) * (n - 3))
    expected = both - 2 * cross / (n * (n - 2) * (n - 3)) + total
    assert np.vdot(u_centred(a), u_centred(b)) / (n * (n - 3)) == pytest.approx(expected)


def test_the_figure_is_one_for_a_circle_and_its_own_angle_and_none_for_noise() -> None:
    rng = np.random.default_rng(0)
    degrees = rng.uniform(0, 360, 1000)
    points, noise = circle(degrees, 1), rng.standard_normal((1000, 3))
    angles = u_centred(chord(degrees, 1))
    assert distance_correlation_squared(u_centred(cdist(points, points)), angles) == pytest.approx(1)
    assert distance_correlation_squared(u_centred(cdist(noise, noise)), angles) == pytest.approx(0, abs=0.01)


def test_centred_rows_sum_to_zero() -> None:
    points = np.random.default_rng(0).standard_normal((9, 3))
    assert u_centred(cdist(points, points)).sum(axis=0) == pytest.approx(np.zeros(9), abs=1e-12)


@pytest.mark.parametrize("fold", FOLDS)
def test_a_leak_of_one_frequency_is_found_by_its_own_chord(fold: int) -> None:
    measured = found(evidence_of(lambda angles, mirrored: circle(angles, fold)))
    # Standardisation stretches the circle a little.
    assert measured[f"{fold}-fold"].value == pytest.approx(1, abs=2e-3)
    for other in FOLDS:  # the octave is seen too, but faintly; what is farther off, hardly at all
        if other != fold:
            near = max(fold / other, other / fold) == 2
            assert abs(measured[f"{other}-fold"].value) < (0.4 if near else 0.15)


def test_a_mirrored_image_gives_itself_away() -> None:
    evidence = evidence_of(lambda angles, mirrored: np.stack([mirrored, mirrored], axis=-1).astype(float))
    assert found(evidence)["mirror"].value == pytest.approx(1)
    assert found(evidence, "distance_correlation_p_value")["mirror"].value == pytest.approx(1 / 200)


def test_features_that_do_not_depend_on_the_transform_are_not_accused(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence(movement=0.0, turned=80, separation=0.5)
    for condition, score in found(evidence).items():
        assert abs(score.value) < 0.08, condition
    chances = [score.value for score in found(evidence, "distance_correlation_p_value").values()]
    assert max(chances) <= 1
    assert min(chances) > 0.01


def test_p_values_of_independent_features_are_spread_evenly(make_evidence: MakeEvidence) -> None:
    chances = [
        score.value
        for seed in range(6)
        for score in found(
            make_evidence(movement=0.0, turned=16, separation=0.5, seed=seed), "distance_correlation_p_value"
        ).values()
    ]  # fmt: skip
    assert 0.3 < np.mean(chances) < 0.7
    assert np.mean(np.array(chances) <= 0.1) < 0.3


def test_constant_nothing_and_too_few_say_so(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence()
    with pytest.raises(NotAvailable, match="no images"):
        evaluate_dependence(replace(evidence, turned={}))
    with pytest.raises(NotAvailable, match="too few"):
        evaluate_dependence(make_evidence(turned=5))
    flat = replace(evidence.train, values=np.ones_like(evidence.train.values))
    with pytest.raises(NotAvailable, match="constant"):
        evaluate_dependence(replace(evidence, train=flat))


def test_a_rectangle_has_a_mirror_but_no_free_angle(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence()
    measured = found(replace(evidence, turned={"D2": evidence.turned["D4"]}))
    assert math.isnan(measured["4-fold"].value)
    assert measured["4-fold"].note
    assert math.isfinite(measured["mirror"].value)


def reasons(evidence: Evidence) -> dict[tuple[str, str], str]:
    return {(score.metric, score.condition): score.note for score in evaluate_dependence(evidence).scores}


BOTH = ("distance_correlation_squared", "distance_correlation_p_value")


@pytest.mark.parametrize("noise", [0.0, 1e-8])
def test_features_that_coincide_are_the_reason_for_both_figures(noise: float) -> None:
    rng = np.random.default_rng(0)
    evidence = evidence_of(lambda angles, mirrored: 1 + noise * rng.standard_normal((len(angles), 2)))
    found_reasons = reasons(evidence)
    assert {metric for metric, _ in found_reasons} == set(BOTH)
    assert {condition for _, condition in found_reasons} == {*(f"{fold}-fold" for fold in FOLDS), "mirror"}
    assert set(found_reasons.values()) == {"not available: the features of all images are equally far apart"}


def test_one_transform_for_all_is_the_reason_for_both_figures(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence()
    still = {
        name: replace(features, angles=np.zeros_like(features.angles)) for name, features in evidence.turned.items()
    }  # fmt: skip
    found_reasons = reasons(replace(evidence, turned=still))
    for metric in BOTH:
        assert found_reasons[metric, "2-fold"] == "not available: one transform for all"
        assert not found_reasons[metric, "mirror"]


def test_what_was_not_tried_is_the_reason_for_both_figures(make_evidence: MakeEvidence) -> None:
    turned = make_evidence().turned
    without_mirror = reasons(replace(make_evidence(), turned={"any-angle": turned["any-angle"]}))
    without_angles = reasons(replace(make_evidence(), turned={"D4": turned["D4"]}))
    for metric in BOTH:
        assert without_mirror[metric, "mirror"] == "not available: no mirrored images"
        assert without_angles[metric, "4-fold"] == "not available: no turns by any angle"
