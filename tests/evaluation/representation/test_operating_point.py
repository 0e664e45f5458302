from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from evidence_factory import make_features
from scipy.spatial.distance import cdist
from sklearn.preprocessing import normalize

from eqae.evaluation.evidence import Evidence, NotAvailable
from eqae.evaluation.feature_space import feature_space, unit_rows
from eqae.evaluation.representation.operating_point import evaluate_operating_point

MakeEvidence = Callable[..., Evidence]


def found(evidence: Evidence) -> dict[str, float]:
    return {score.metric: score.value for score in evaluate_operating_point(evidence).scores}


def slow(evidence: Evidence) -> tuple[float, float]:
    train = evidence.train.upright.astype(np.float64)
    points = normalize((evidence.test.upright.astype(np.float64) - train.mean(axis=0)) / train.std(axis=0))
    labels, distance = evidence.test.labels, cdist(points, points)
    pairs = [(i, j) for i in range(len(labels)) for j in range(i)]
    strangers = [distance[i, j] for i, j in pairs if labels[i] != labels[j]]
    utilities = []
    for d in np.linspace(np.quantile(strangers, 0.01), np.quantile(strangers, 0.1), 50):
        row = []
        for label in np.unique(labels):
            own = [distance[i, j] <= d for i, j in pairs if labels[i] == labels[j] == label]
            apart = [distance[i, j] > d for i, j in pairs if (labels[i] == label) != (labels[j] == label)]
            phi, psi = np.mean(own), np.mean(apart)
            row.append(2 * phi * psi / (phi + psi))
        utilities.append(row)
    return float(np.var(utilities, axis=1).mean()), float(np.mean(utilities))


@pytest.mark.parametrize("separation", [0.5, 1.5])
def test_both_figures_are_those_of_the_definition(make_evidence: MakeEvidence, separation: float) -> None:
    evidence = make_evidence(separation=separation, test=60)
    inconsistency, utility = slow(evidence)
    measured = found(evidence)
    # Distances in single precision move single pairs across a threshold.
    assert measured["operating_point_inconsistency"] == pytest.approx(inconsistency, abs=1e-3)
    assert measured["operating_point_utility"] == pytest.approx(utility, abs=3e-3)


def test_classes_of_one_distance_law_agree_and_unequal_ones_do_not() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(1200) % 3
    centres = 3 * np.eye(3, 24)[labels]

    def measured(spreads: list[float]) -> float:
        noise = rng.standard_normal((1200, 24)) * np.array(spreads)[labels][:, None]
        features = make_features(centres + noise, labels)
        return found(Evidence("m", "d", "C1", 0, features, features))["operating_point_inconsistency"]

    assert measured([0.5, 0.5, 0.5]) < 2e-3
    assert measured([0.2, 0.5, 1.5]) > 0.01


def test_perfectly_separate_classes_share_every_threshold() -> None:
    labels = np.arange(90) % 3
    features = make_features(np.eye(3)[labels] + 1e-3 * np.random.default_rng(0).standard_normal((90, 3)), labels)
    measured = found(Evidence("m", "d", "C1", 0, features, features))
    assert measured["operating_point_inconsistency"] == pytest.approx(0, abs=1e-3)
    assert measured["operating_point_utility"] > 0.9


def test_it_takes_two_classes_with_two_images(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence()
    for labels in (np.arange(90), np.zeros(90, np.int64), np.full(90, -1)):
        with pytest.raises(NotAvailable):
            evaluate_operating_point(replace(evidence, test=replace(evidence.test, labels=labels)))


def resampled(distance: np.ndarray, labels: np.ndarray, draw: np.ndarray) -> tuple[float, float]:
    """Both figures of the images drawn, whose pairs are all there but for those of an image and its repetition."""
    distance, labels = distance[np.ix_(draw, draw)], labels[draw]
    pair = draw[:, None] != draw
    same = labels[:, None] == labels
    utilities = []
    for d in np.linspace(*np.quantile(distance[~same], [0.01, 0.1]), 50):
        near = distance <= d
        row = []
        for label in np.unique(labels):
            mine = labels == label
            phi = near[mine][:, mine][pair[mine][:, mine]].mean()
            psi = 1 - near[mine][:, ~mine].mean()
            row.append(2 * phi * psi / (phi + psi))
        utilities.append(row)
    return float(np.var(utilities, axis=1).mean()), float(np.mean(utilities))


@pytest.mark.parametrize("spreads", [(0.2, 0.5, 1.5), (0.6, 1.0, 1.0)])
def test_intervals_are_as_wide_as_resampling_both_images_of_a_pair_makes_them(spreads: tuple[float, ...]) -> None:
    rng = np.random.default_rng(1)
    labels = np.arange(120) % 3
    noise = rng.standard_normal((120, 12)) * np.array(spreads)[labels][:, None]
    features = make_features(2 * np.eye(3, 12)[labels] + noise, labels)
    evidence = Evidence("m", "d", "C1", 0, features, features)
    points = unit_rows(feature_space(evidence)(evidence.test.upright)).astype(np.float64)
    distance = cdist(points, points)
    draws = [resampled(distance, labels, rng.integers(120, size=120)) for _ in range(150)]
    widths = np.diff(np.quantile(draws, [0.025, 0.975], axis=0), axis=0)[0]
    for score, width in zip(evaluate_operating_point(evidence).scores, widths, strict=True):
        assert score.low is not None
        assert score.high is not None
        assert 0.7 < (score.high - score.low) / width < 1.5, score.metric
