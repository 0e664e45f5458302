"""Whether one distance threshold suits all classes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from eqae.data.base import UNLABELED
from eqae.evaluation.bootstrap import bootstrap_statistic
from eqae.evaluation.declaration import Scale, evaluator
from eqae.evaluation.evidence import Evidence, Findings, FloatArray, IntArray, NotAvailable, Score
from eqae.evaluation.feature_space import feature_space, multiplicity, unit_rows
from eqae.evaluation.intervals import within
from eqae.evaluation.sampling import spread_evenly

IMAGES = 2_000
FALSE_ACCEPT_RATES = (0.01, 0.1)
_GRID = 50

DoubleArray = NDArray[np.float64]


def _seconds(scale: Scale) -> float:
    return 0.7 + 3e-4 * scale.width


@evaluator(cost=_seconds)
def evaluate_operating_point(evidence: Evidence) -> Findings:
    """``operating_point_inconsistency``, OPIS-like, of at most 2,000 labelled test images spread evenly.

    Two images are called alike where their standardised features, at unit length, are at most d apart. For a class,
    φ(d) is the share of its own pairs called alike, ψ(d) the share of its pairs with other classes told apart, and
    ``U(d) = 2 φ ψ / (φ + ψ)``. The figure is the variance of U over classes, averaged over 50 distances between those
    where 1 % and 10 % of all pairs of different classes are taken for alike; 0 where one threshold serves all classes
    equally well. ``operating_point_utility`` is the mean of U: without it, features that are useless for every
    class would look perfect. After the idea of Zhang et al. (2024, threshold-consistent margin loss); their
    normalisation may differ.

    Raises:
        NotAvailable: fewer than two classes with two images; the features are constant.
    """
    labels = evidence.test.labels
    kinds, sizes = np.unique(labels[labels != UNLABELED], return_counts=True)
    known = np.flatnonzero(np.isin(labels, kinds[sizes > 1]))
    chosen = known[spread_evenly(len(known), IMAGES)]
    kinds, sizes = np.unique(labels[chosen], return_counts=True)
    if np.count_nonzero(sizes > 1) < 2:
        raise NotAvailable("fewer than two classes with two test images")
    features = unit_rows(feature_space(evidence)(evidence.test.upright[chosen]))
    alike = _counts(features, labels[chosen])
    kind = np.searchsorted(kinds, labels[chosen])
    images = len(chosen)

    def statistic(of: Callable[[DoubleArray], float]) -> Callable[[IntArray], float]:
        return lambda draw: of(_utility(alike, kind, multiplicity(draw, images)))

    scores = []
    for metric, of, better in (
        ("operating_point_inconsistency", _spread, False),
        ("operating_point_utility", _mean, True),
    ):
        value = statistic(of)(np.arange(images))
        interval = bootstrap_statistic(statistic(of), value, images, evidence.seed)
        scores.append(Score(metric, value, *within(interval, 0, 1), better, images))
    return Findings(tuple(scores))


def thresholds(distances: FloatArray) -> FloatArray:
    """50 distances, evenly spaced between the 1 % and the 10 % quantile of those between classes."""
    low, high = np.quantile(distances, FALSE_ACCEPT_RATES)
    return np.linspace(low, high, _GRID).astype(np.float32)


def _counts(features: FloatArray, labels: IntArray) -> DoubleArray:
    """By image: ``[i, s, k]`` other images within threshold k, of another class (s = 0) or its own (s = 1).

    A last column k = 50 holds all of them.
    """
    squared = np.maximum(2 - 2 * features @ features.T, 0)
    same = labels[:, None] == labels
    grid = thresholds(np.sqrt(squared[~same])) ** 2
    place = np.searchsorted(grid, squared)  # first threshold that calls the pair alike
    images = len(labels)
    cells = (np.arange(images)[:, None] * 2 + same) * (_GRID + 1) + place
    cells = cells[~np.eye(images, dtype=bool)]
    counts = np.bincount(cells, minlength=images * 2 * (_GRID + 1)).reshape(images, 2, _GRID + 1)
    return counts.cumsum(axis=2).astype(np.float64)


def _utility(alike: DoubleArray, kind: IntArray, weights: NDArray[np.float32]) -> DoubleArray:
    """U by class and threshold, ``(C, 50)``; classes that the resample lost, or that have no pairs, are left out."""
    members = np.zeros((int(kind.max()) + 1, len(kind)))
    members[kind, np.arange(len(kind))] = weights
    other, own = np.moveaxis(np.tensordot(members, alike, 1), 1, 0)
    known = (own[:, -1] > 0) & (other[:, -1] > 0)
    found = own[known, :-1] / own[known, -1:]
    apart = 1 - other[known, :-1] / other[known, -1:]
    return 2 * found * apart / np.maximum(found + apart, np.finfo(float).tiny)


def _spread(utility: DoubleArray) -> float:
    return float(utility.var(axis=0).mean()) if len(utility) > 1 else float("nan")


def _mean(utility: DoubleArray) -> float:
    return float(utility.mean()) if len(utility) else float("nan")
