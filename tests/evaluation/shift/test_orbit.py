import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from evidence_factory import make_features

from eqae.evaluation.evidence import Evidence, Features
from eqae.evaluation.pairs import pair_score
from eqae.evaluation.shift.orbit import between_images, orbit_cosines, orbit_findings

MakeEvidence = Callable[..., Evidence]


def slow_cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def test_cosines_are_those_of_a_loop(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence(turned=40, movement=0.5)
    scores = {(s.metric, s.condition): s for s in orbit_findings(evidence).scores}
    for condition, features in evidence.turned.items():
        values = features.values.astype(np.float64)
        expected = [[slow_cosine(orbit[0], moved) for moved in orbit] for orbit in values]
        np.testing.assert_allclose(orbit_cosines(features), expected, atol=1e-6)
        score = scores["orbit_cosine", condition]
        assert score.value == pytest.approx(np.mean([row[1:] for row in expected]), abs=1e-6)
        assert score.n == 40
    upright = evidence.turned["D4"].upright.astype(np.float64)
    others = [slow_cosine(a, b) for i, a in enumerate(upright) for j, b in enumerate(upright) if i != j]
    floor = scores["orbit_cosine_floor", ""]
    assert floor.value == pytest.approx(np.mean(others), abs=1e-6)
    assert floor.low is not None
    assert floor.high is not None
    assert floor.low < floor.value < floor.high


def test_an_image_is_never_compared_with_itself() -> None:
    score = pair_score("m", np.eye(9), 0)
    assert score.value == score.low == score.high == 0


def test_the_circle_holds_every_angle_and_the_mirrors(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence()
    circle = orbit_findings(evidence).drawings["orbit_polar"]
    assert circle["angles"] == [10.0 * k for k in range(36)]
    assert circle["cosine"][0] == 1
    cosines = orbit_cosines(evidence.turned["any-angle"])
    assert circle["cosine"] == pytest.approx(cosines.mean(axis=0))
    assert circle["mirrored_angles"] == [0, 90, 180, 270]
    square = evidence.turned["D4"]
    for angle, cosine in zip(circle["mirrored_angles"], circle["mirrored_cosine"], strict=True):
        column = np.flatnonzero(square.mirrored & (square.angles == angle))
        assert cosine == pytest.approx(orbit_cosines(square)[:, column].mean())


def test_a_rectangle_has_half_turns_and_mirrors_only(make_evidence: MakeEvidence) -> None:
    made = make_evidence()
    square = made.turned["D4"]
    kept = square.angles % 180 == 0
    half = Features(square.values[:, kept], square.labels, square.angles[kept], square.mirrored[kept])
    circle = orbit_findings(replace(made, turned={"D2": half})).drawings["orbit_polar"]
    assert circle["angles"] == circle["mirrored_angles"] == [0, 180]


def test_zero_features_count_as_cosine_zero() -> None:
    values = np.ones((2, 8, 3))
    values[0] = 0
    features = make_features(values, np.zeros(2, np.int64), "D4")
    assert orbit_cosines(features)[:, 1:].mean() == pytest.approx(0.5)
    assert between_images(features, 0).value == 0


def test_one_image_has_no_floor_and_none_no_rows(make_evidence: MakeEvidence) -> None:
    features = make_features(np.ones((1, 8, 3)), np.zeros(1, np.int64), "D4")
    floor = between_images(features, 0)
    assert math.isnan(floor.value)
    assert "single" in floor.note
    assert orbit_findings(replace(make_evidence(), turned={})).scores == ()
