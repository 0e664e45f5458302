"""Whether one distance threshold suits all classes."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

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

_FIGURES = {"operating_point_inconsistency": False, "operating_point_utility": True}  # whether more is better

DoubleArray = NDArray[np.float64]


class _Pairs(NamedTuple):
    """Pairs of images, nearest first.

    Attributes:
        distances: ``(P,)``.
        first, second: which images, ``(P,)``.
    """

    distances: FloatArray
    first: IntArray
    second: IntArray


def _seconds(scale: Scale) -> float:
    return 0.7 + 5e-4 * min(scale.test, IMAGES) + 3e-4 * scale.width


@evaluator(cost=_seconds)
def evaluate_operating_point(evidence: Evidence) -> Findings:
    """``operating_point_inconsistency``, OPIS-like, of at most 2,000 labelled test images spread evenly.

    Two images are called alike where their standardised features, at unit length, are at most d apart. For a class,
    φ(d) is the share of its own pairs called alike, ψ(d) the share of its pairs with other classes told apart, and
    ``U(d) = 2 φ ψ / (φ + ψ)``. The figure is the variance of U over classes, averaged over 50 distances between those
    where 1 % and 10 % of all pairs of different classes are taken for alike; 0 where one threshold serves all classes
    equally well. ``operating_point_utility`` is the mean of U: without it, features that are useless for every
    class would look perfect. After the idea of Zhang et al. (2024, threshold-consistent margin loss); their
    normalisation may differ. Intervals resample images, on both sides of every pair, and set the
    distances anew.

    Not measured: inconsistency between bins of orientation, which would take their place beside classes; classes that
    training did not know, as in the published protocol; ranges of the false accept rate other than 1 % to 10 %.

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
    kind, images = np.searchsorted(kinds, labels[chosen]), len(chosen)
    own, other = _pairs(features, kind)

    @cache  # both intervals see the same resamples
    def figures(drawn: bytes) -> tuple[float, float]:
        utility = _utility(own, other, kind, multiplicity(np.frombuffer(drawn, np.int64), images))
        return (_spread(utility), _mean(utility))

    def statistic(place: int) -> Callable[[IntArray], float]:
        return lambda draw: figures(draw.tobytes())[place]

    scores = []
    for place, (metric, better) in enumerate(_FIGURES.items()):
        value = statistic(place)(np.arange(images, dtype=np.int64))
        interval = bootstrap_statistic(statistic(place), value, images, evidence.seed)
        scores.append(Score(metric, value, *within(interval, 0, 1), better, images))
    return Findings(tuple(scores))


def thresholds(distances: FloatArray, weights: NDArray[np.float32], pairs: float) -> DoubleArray:
    """50 distances, evenly spaced between the 1 % and the 10 % quantile of those between classes.

    Args:
        distances: the shortest of them, in rising order, ``(P,)``.
        weights: how often each occurs, ``(P,)``.
        pairs: how many there are of any length, repetitions counted.
    """
    place = np.array(FALSE_ACCEPT_RATES) * (pairs - 1)
    reached = weights.cumsum(dtype=np.float64)
    below, above = (
        distances[np.minimum(np.searchsorted(reached, whole(place), "right"), len(distances) - 1)].astype(np.float64)
        for whole in (np.floor, np.ceil)
    )
    low, high = below + (place % 1) * (above - below)
    return np.linspace(float(low), float(high), _GRID)


def _pairs(features: FloatArray, kind: IntArray) -> tuple[_Pairs, _Pairs]:
    """Pairs of one class, and of two: those within twice the share that the largest threshold takes for alike."""
    distances = np.sqrt(np.maximum(2 - 2 * features @ features.T, 0))
    once, same = np.triu(np.ones(distances.shape, bool), 1), kind[:, None] == kind
    near = distances <= np.quantile(distances[once & ~same], 2 * FALSE_ACCEPT_RATES[1])
    return _nearest_first(distances, once & near & same), _nearest_first(distances, once & near & ~same)


def _nearest_first(distances: FloatArray, chosen: NDArray[np.bool_]) -> _Pairs:
    first, second = np.nonzero(chosen)
    order = np.argsort(distances[first, second], kind="stable")
    first, second = first[order], second[order]
    return _Pairs(distances[first, second], first, second)


def _utility(own: _Pairs, other: _Pairs, kind: IntArray, weights: NDArray[np.float32]) -> DoubleArray:
    """U by class and threshold, ``(C, 50)``, of a resample that holds each image so often.

    An image and its own repetition are no pair. Classes that the resample lost, or that have no pairs, are left out.
    """
    sizes = np.bincount(kind, weights)
    all_own = (sizes**2 - np.bincount(kind, np.square(weights))) / 2
    all_other = sizes * (sizes.sum() - sizes)
    known = (all_own > 0) & (all_other > 0)
    if not known.any():
        return np.zeros((0, _GRID))
    grid = thresholds(other.distances, weights[other.first] * weights[other.second], all_other.sum() / 2)
    found = _alike(own, kind, weights, grid, own.first)[known] / all_own[known, None]
    taken = sum(_alike(other, kind, weights, grid, side)[known] for side in (other.first, other.second))
    apart = 1 - taken / all_other[known, None]
    return np.asarray(2 * found * apart / np.maximum(found + apart, np.finfo(float).tiny), np.float64)


def _alike(
    pairs: _Pairs, kind: IntArray, weights: NDArray[np.float32], grid: DoubleArray, side: IntArray
) -> DoubleArray:
    """How many pairs are within each threshold, by class of the image on that side, ``(C, 50)``."""
    ends = np.searchsorted(pairs.distances, grid, "right")
    place = np.repeat(np.arange(_GRID), np.diff(ends, prepend=0))  # first threshold that calls the pair alike
    near = slice(len(place))
    counted, classes = weights[pairs.first[near]] * weights[pairs.second[near]], int(kind.max()) + 1
    counts = np.bincount(kind[side[near]] * _GRID + place, counted, minlength=classes * _GRID)
    return np.asarray(counts.reshape(classes, _GRID).cumsum(axis=1), np.float64)


def _spread(utility: DoubleArray) -> float:
    return float(utility.var(axis=0).mean()) if len(utility) > 1 else float("nan")


def _mean(utility: DoubleArray) -> float:
    return float(utility.mean()) if len(utility) else float("nan")
