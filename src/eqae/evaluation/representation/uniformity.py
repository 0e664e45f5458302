"""Whether the features fill the sphere, and whether like images still lie together on it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from eqae.data.base import UNLABELED
from eqae.evaluation.bootstrap import bootstrap_statistic
from eqae.evaluation.declaration import Scale, evaluator
from eqae.evaluation.evidence import Evidence, Features, Findings, FloatArray, IntArray, Score
from eqae.evaluation.feature_space import FeatureSpace, feature_space, multiplicity, unit_rows
from eqae.evaluation.sampling import spread_evenly
from eqae.evaluation.scores import mean_score, unavailable

IMAGES = 1_000


def _seconds(scale: Scale) -> float:
    return 0.5 + 1e-4 * scale.width + 2e-7 * scale.turned * scale.width


@evaluator(needs={"orbits"}, cost=_seconds)
def evaluate_uniformity(evidence: Evidence) -> Findings:
    """Uniformity and tolerance on the unit sphere of standardised features, at most 1,000 test images spread evenly.

    ``uniformity``: ``log mean exp(-2 |z - z'|²)`` over pairs of different images (Wang & Isola 2020); 0 where all
    coincide, about -4 where directions are spread evenly in many dimensions. ``tolerance``: mean of ``z·z'`` over all
    pairs, counted as 0 for pairs of different classes (Wang & Liu 2021); as that shrinks with the number of classes,
    ``within_class_cosine`` is the mean over pairs of one class alone. ``within_orbit_cosine`` puts orbits in the place
    of classes, by condition: the cosine of an image and its turned copies.

    Raises:
        NotAvailable: the features are constant.
    """
    space = feature_space(evidence)
    orbits = (_orbit_score(turned, space, name, evidence.seed) for name, turned in evidence.turned.items())
    return Findings((*_pair_scores(evidence.test, space, evidence.seed), *orbits))


def uniformity(cosines: FloatArray) -> float:
    """``log mean exp(-2 |z - z'|²)`` of ``cosines (N, N)``, over pairs of different images (Wang & Isola 2020)."""
    return _log_mean(_potential(cosines), np.ones(len(cosines), np.float32))


def _pair_scores(test: Features, space: FeatureSpace, seed: int) -> Iterator[Score]:
    chosen = spread_evenly(len(test.labels), IMAGES)
    if len(chosen) < 2:
        yield unavailable("uniformity", "a single image", higher_is_better=False, n=len(chosen))
        return
    unit = unit_rows(space(test.upright[chosen]))
    cosines = unit @ unit.T
    potential, images = _potential(cosines), len(chosen)
    value = uniformity(cosines)
    low, high = bootstrap_statistic(
        lambda draw: _log_mean(potential, multiplicity(draw, images)), value, images, seed
    )  # fmt: skip
    yield Score("uniformity", value, low, high, False, images)
    yield from _class_scores(cosines, test.labels[chosen], seed)


def _class_scores(cosines: FloatArray, labels: IntArray, seed: int) -> Iterator[Score]:
    known = labels != UNLABELED
    labels, images = labels[known], int(known.sum())
    same = labels[:, None] == labels
    np.fill_diagonal(same, False)
    if not same.any():
        why = "one image a class" if images else "no labels"
        yield from (unavailable(metric, why, n=images) for metric in ("tolerance", "within_class_cosine"))
        return
    attraction, alike = cosines[np.ix_(known, known)] * same, same.astype(np.float32)

    def tolerance(draw: IntArray) -> float:
        weights = multiplicity(draw, images)
        return float(weights @ attraction @ weights / _pairs(weights))

    def within(draw: IntArray) -> float:
        weights = multiplicity(draw, images)
        pairs = float(weights @ alike @ weights)
        return float(weights @ attraction @ weights) / pairs if pairs else float("nan")

    everyone = np.arange(images)
    for metric, statistic in {"tolerance": tolerance, "within_class_cosine": within}.items():
        value = statistic(everyone)
        yield Score(metric, value, *bootstrap_statistic(statistic, value, images, seed), True, images)


def _orbit_score(turned: Features, space: FeatureSpace, condition: str, seed: int) -> Score:
    originals = unit_rows(space(turned.upright))
    poses = range(1, turned.values.shape[1])
    cosines = [(unit_rows(space(turned.values[:, pose])) * originals).sum(axis=1) for pose in poses]
    samples = np.mean(cosines, axis=0, dtype=np.float64)
    return mean_score("within_orbit_cosine", samples, seed=seed, higher_is_better=True, condition=condition)


def _potential(cosines: FloatArray) -> FloatArray:
    """``exp(-2 |z - z'|²)`` with zeros for each image and itself; ``|z - z'|² = 2 - 2 z·z'``."""
    potential = np.exp(4 * np.minimum(cosines, 1) - 4)
    np.fill_diagonal(potential, 0)
    return potential


def _log_mean(potential: FloatArray, weights: NDArray[np.float32]) -> float:
    """Logarithm of the mean over pairs of different images, each image counted so often."""
    pairs = _pairs(weights)
    return float(np.log(weights @ potential @ weights / pairs)) if pairs else float("nan")


def _pairs(weights: NDArray[np.float32]) -> float:
    return float(weights.sum() ** 2 - np.square(weights).sum())
