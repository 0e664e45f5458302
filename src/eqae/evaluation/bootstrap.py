"""95 % intervals by resampling images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from eqae.evaluation.cluster_metrics import Agreement
from eqae.evaluation.evidence import IntArray

Interval = tuple[float | None, float | None]

LEVEL = 0.95
RESAMPLES = 200
"""Of statistics that are no means, which take longer to compute."""
BLOCK = 1_000_000
"""Cells of contingency tables that are resampled at once, some tens of megabytes."""
LARGE = 50_000
"""Images beyond which a mean is normal to all digits shown, and resampling would cost gigabytes."""


def bootstrap_mean(values: ArrayLike, seed: int) -> Interval:
    """Percentile interval of the mean of one value an image (Efron 1979), from 1,000 resamples; the normal
    interval beyond 50,000 images.

    Args:
        values: ``(N,)``, finite.
        seed: of the resampling.

    Returns:
        ``(low, high)``, or ``(None, None)`` for fewer than two images.
    """
    values = np.asarray(values, np.float64)
    if len(values) < 2:
        return None, None
    if len(values) > LARGE:
        half = float(stats.norm.ppf((1 + LEVEL) / 2) * values.std(ddof=1) / np.sqrt(len(values)))
        return float(values.mean()) - half, float(values.mean()) + half
    interval = stats.bootstrap(
        (values,), np.mean, n_resamples=1000, batch=100, confidence_level=LEVEL, method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval  # fmt: skip
    return _around(float(values.mean()), float(interval.low), float(interval.high))


def bootstrap_agreement(metric: Agreement, table: IntArray, seed: int, *, lowest: float = 0.0) -> Interval:
    """Interval of a clustering metric whose value does not exceed 1, from 200 resamples of the images.

    Images in one cell of the table are alike to the metric: a resample of them is a multinomial draw of the cells.
    Resampling adds a bias to such metrics (the best matching, and mutual information, gain from chance), so the
    spread of the resamples is centred on the value itself. The same gain from chance is in the value, and with many
    classes of few images each it is large: the interval says how far the value moves with the images, and not that.

    Args:
        metric: of :mod:`eqae.evaluation.cluster_metrics`.
        table: number of images by cluster and class, ``(clusters, classes)``.
        seed: of the resampling.
        lowest: value that the metric can have.

    Returns:
        ``(low, high)``, or ``(None, None)`` for fewer than two images.
    """
    images, value = int(table.sum()), float(metric(table))
    if images < 2:
        return None, None
    filled = table > 0
    draws = np.random.default_rng(seed).multinomial(images, table[filled] / images, size=RESAMPLES)
    resampled = np.empty(RESAMPLES)
    block = max(1, BLOCK // table.size)
    for start in range(0, RESAMPLES, block):
        tables = np.zeros((len(draws[start : start + block]), *table.shape), np.int64)
        tables[:, filled] = draws[start : start + block]
        resampled[start : start + block] = metric(tables)
    low, high = centred_interval(value, resampled)
    return (None, None) if low is None or high is None else (max(lowest, low), max(value, min(1.0, high)))


def bootstrap_statistic(
    statistic: Callable[[IntArray], float], value: float, images: int, seed: int, resamples: int = RESAMPLES
) -> Interval:
    """Interval of any statistic of the images, from the spread of its resamples centred on ``value``.

    Centring removes the bias that resampling adds to statistics which gain from repeated images.

    Args:
        statistic: of the images whose indices ``(N,)`` are given, which repeat; resamples where it is NaN are dropped.
        value: of the images as they are.
        images: N.
        seed: of the resampling.
        resamples: how many.

    Returns:
        ``(low, high)``, or ``(None, None)`` for fewer than two images, an undefined value, or fewer than two
        resamples where the statistic is defined.
    """
    if images < 2 or not np.isfinite(value):
        return None, None
    rng = np.random.default_rng(seed)
    return centred_interval(value, [statistic(rng.integers(images, size=images)) for _ in range(resamples)])


def centred_interval(value: float, resampled: ArrayLike) -> Interval:
    """The spread of ``resampled (R,)`` around ``value``; ``(None, None)`` where fewer than two are defined."""
    found = np.asarray(resampled, np.float64)
    found = found[np.isfinite(found)]
    if len(found) < 2:
        return None, None
    low, high = value + np.quantile(found - found.mean(), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return _around(value, float(low), float(high))


def jackknife_interval(value: float, without: Sequence[float]) -> Interval:
    """Student's t interval of a statistic, from its values without each of some groups of images (Kott 2001).

    For statistics that are slow, or that images repeated in a resample would distort.

    Args:
        value: of all images.
        without: values without the images of each group, e.g. of :func:`leave_out`.

    Returns:
        ``(low, high)``, or ``(None, None)`` for fewer than two groups, or where one of the values is undefined.
    """
    left = np.asarray(without, np.float64)
    if len(left) < 2 or not np.isfinite([value, *left]).all():
        return None, None
    spread = float(np.sqrt((len(left) - 1) * left.var()))
    half = float(stats.t.ppf((1 + LEVEL) / 2, len(left) - 1)) * spread
    return value - half, value + half


def leave_out(groups: IntArray) -> Iterator[IntArray]:
    """Indices of the images that are not in a group, ascending, group by group; below 0 is none.

    Args:
        groups: of each image, ``(N,)``, as of :func:`even_groups`.
    """
    for number in np.unique(groups[groups >= 0]):
        yield np.flatnonzero(groups != number)


def even_groups(labels: IntArray, seed: int, groups: int = 20) -> IntArray:
    """Which of so many groups each image is in, ``(N,)``: at random, each group with its share of every class.

    Every class goes on where the one before ended, so that groups of images are of one size too, to one image.
    An image that is alone in its class is in none, -1, so that no class is ever lost.
    """
    order = np.random.default_rng(seed).permutation(len(labels))
    found = np.full(len(labels), -1, np.int64)
    placed = 0
    for label in np.unique(labels):
        members = order[labels[order] == label]
        if len(members) > 1:
            found[members] = (placed + np.arange(len(members))) % groups
            placed += len(members)
    return found


def draw_interval(values: NDArray[np.float64], least: float = 0.0) -> Interval:
    """Student's t interval of the mean over draws ``(R,)`` of a figure that lies within [``least``, 1]."""
    spread = float(values.std(ddof=1) / np.sqrt(len(values)))
    half = float(stats.t.ppf((1 + LEVEL) / 2, len(values) - 1)) * spread
    mean = float(values.mean())
    return max(least, mean - half), min(1.0, mean + half)


def _around(value: float, low: float, high: float) -> Interval:
    """The interval widened to hold ``value``, which rounding or a lone extreme resample may leave outside."""
    return min(low, value), max(high, value)
