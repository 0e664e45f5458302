"""95 % intervals by resampling images."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from eqae.evaluation.evidence import IntArray

Interval = tuple[float | None, float | None]

LEVEL = 0.95


def bootstrap_mean(values: ArrayLike, seed: int) -> Interval:
    """Percentile interval of the mean of one value an image (Efron 1979), from 1,000 resamples.

    Args:
        values: ``(N,)``, finite.
        seed: of the resampling.

    Returns:
        ``(low, high)``, or ``(None, None)`` for fewer than two images.
    """
    values = np.asarray(values, np.float64)
    if len(values) < 2:
        return None, None
    interval = stats.bootstrap(
        (values,), np.mean, n_resamples=1000, batch=100, confidence_level=LEVEL, method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval  # fmt: skip
    return _around(float(values.mean()), float(interval.low), float(interval.high))


def bootstrap_agreement(
    metric: Callable[[IntArray, IntArray], float], clusters: IntArray, labels: IntArray, seed: int
) -> Interval:
    """Interval of a clustering metric whose value does not exceed 1, from 200 resamples of the images.

    Resampling adds a bias to such metrics (the best matching, and mutual information, gain from chance), so the
    spread of the resamples is centred on the value itself.

    Args:
        metric: function of ``clusters (N,)`` and ``labels (N,)``.
        clusters, labels: what was assigned and what is true.
        seed: of the resampling.

    Returns:
        ``(low, high)``, or ``(None, None)`` for fewer than two images.
    """
    if len(labels) < 2:
        return None, None
    rng = np.random.default_rng(seed)
    draws = (rng.integers(len(labels), size=len(labels)) for _ in range(200))
    resampled = np.array([metric(clusters[draw], labels[draw]) for draw in draws])
    value = metric(clusters, labels)
    low, high = value + np.quantile(resampled - resampled.mean(), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return _around(value, float(low), min(1.0, float(high)))


def draw_interval(values: NDArray[np.float64]) -> Interval:
    """Student's t interval of the mean of an accuracy over independent draws ``(R,)``, within [0, 1]."""
    spread = float(values.std(ddof=1) / np.sqrt(len(values)))
    half = float(stats.t.ppf((1 + LEVEL) / 2, len(values) - 1)) * spread
    mean = float(values.mean())
    return max(0.0, mean - half), min(1.0, mean + half)


def _around(value: float, low: float, high: float) -> Interval:
    """The interval widened to hold ``value``, which rounding or a lone extreme resample may leave outside."""
    return min(low, value), max(high, value)
