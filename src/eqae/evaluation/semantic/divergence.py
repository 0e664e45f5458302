"""Whether similar images are also predicted alike."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr
from scipy.stats import rankdata

from eqae.evaluation.bootstrap import Interval, bootstrap_statistic
from eqae.evaluation.evidence import IntArray
from eqae.evaluation.preprocessing import ROUNDING

DoubleArray = NDArray[np.float64]

Correlation = Literal["pearson", "spearman"]


def jensen_shannon(probabilities: DoubleArray) -> DoubleArray:
    """``H((p + q)/2) - (H(p) + H(q))/2`` in nats between the rows of ``(N, K)``, ``(N, N)``; from 0 to log 2."""
    entropies = entr(probabilities).sum(1)
    between = np.stack([entr((row + probabilities) / 2).sum(1) for row in probabilities])
    return np.maximum(between - (entropies[:, None] + entropies) / 2, 0)


def pair_correlation(a: DoubleArray, b: DoubleArray, kind: Correlation, seed: int) -> tuple[float, Interval]:
    """Correlation of two matrices ``(N, N)`` over all pairs i < j, with an interval that resamples images.

    In a resample a pair counts as often as the product of how often its two images were drawn; an image never meets
    itself. Ranks are those of the images as they are. NaN where a matrix is constant up to rounding.
    """
    pairs = np.triu_indices(len(a), 1)
    x, y = (rankdata(m[pairs]) if kind == "spearman" and len(pairs[0]) else m[pairs] for m in (a, b))

    def drawn(draw: IntArray) -> float:
        counts = np.bincount(draw, minlength=len(a)).astype(np.float64)
        return _weighted_pearson(x, y, counts[pairs[0]] * counts[pairs[1]])

    value = drawn(np.arange(len(a)))
    return value, bootstrap_statistic(drawn, value, len(a), seed)


def _weighted_pearson(x: DoubleArray, y: DoubleArray, weights: DoubleArray) -> float:
    total = weights.sum()
    if total == 0:
        return float("nan")
    weights = weights / total
    dx, dy = x - weights @ x, y - weights @ y
    spread = np.sqrt(weights @ dx**2), np.sqrt(weights @ dy**2)
    sizes = np.sqrt(weights @ x**2), np.sqrt(weights @ y**2)
    if spread[0] <= ROUNDING * sizes[0] or spread[1] <= ROUNDING * sizes[1]:
        return float("nan")
    return float(np.clip((weights * dx) @ dy / (spread[0] * spread[1]), -1, 1))
