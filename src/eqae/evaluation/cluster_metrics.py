"""How well clusters agree with classes; all are 1 for a perfect clustering, whatever the clusters are called.

Every metric is a function of contingency tables ``(..., clusters, classes)``, all that it needs to know of the images;
it takes many tables at once, so that an interval from resampled tables costs little.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.special import entr

from eqae.evaluation.evidence import IntArray

DoubleArray = NDArray[np.float64]

Agreement = Callable[[IntArray], DoubleArray]
"""Of tables ``(..., clusters, classes)``, a number each ``(...)``."""


def contingency(clusters: IntArray, labels: IntArray) -> IntArray:
    """Number of images by cluster and class, ``(clusters, classes)``, from two arrays ``(N,)`` of indices."""
    shape = int(clusters.max()) + 1, int(labels.max()) + 1
    cells = np.ravel_multi_index((clusters, labels), shape)
    return np.bincount(cells, minlength=shape[0] * shape[1]).reshape(shape)


def clustering_accuracy(tables: IntArray) -> DoubleArray:
    """ACC: share of images in the class of their cluster under the best one-to-one matching (Xie et al. 2016, eq. 10).

    A cluster without a class of its own, and a class without a cluster, count as wrong.
    """
    flat = tables.reshape(-1, *tables.shape[-2:])
    right = [table[linear_sum_assignment(table, maximize=True)].sum() for table in flat]
    return np.reshape(right, tables.shape[:-2]) / tables.sum(axis=(-2, -1))


def purity(tables: IntArray) -> DoubleArray:
    """Share of images in the largest class of their cluster; never below :func:`clustering_accuracy`."""
    return np.asarray(tables.max(axis=-1).sum(axis=-1) / tables.sum(axis=(-2, -1)))


def normalised_mutual_information(tables: IntArray) -> DoubleArray:
    """NMI: mutual information over the arithmetic mean of the two entropies; 1 for one cluster of one class."""
    shares = tables / tables.sum(axis=(-2, -1), keepdims=True)
    of_clusters, of_classes = entr(shares.sum(axis=-1)).sum(axis=-1), entr(shares.sum(axis=-2)).sum(axis=-1)
    both = of_clusters + of_classes
    shared = both - entr(shares).sum(axis=(-2, -1))
    # One cluster of one class: nothing is to be told, and all of it is.
    return np.divide(2 * shared, both, out=np.ones_like(both), where=both > 0).clip(0, 1)


def adjusted_rand_index(tables: IntArray) -> DoubleArray:
    """ARI: agreement over pairs of images, 0 for chance (Hubert & Arabie 1985); 1 where chance leaves no choice."""
    together = _pairs(tables).sum(axis=(-2, -1))
    in_clusters, in_classes = _pairs(tables.sum(axis=-1)).sum(axis=-1), _pairs(tables.sum(axis=-2)).sum(axis=-1)
    by_chance = in_clusters * in_classes / np.maximum(_pairs(tables.sum(axis=(-2, -1))), 1)
    room = (in_clusters + in_classes) / 2 - by_chance
    return np.divide(together - by_chance, room, out=np.ones_like(room), where=room > 0)


def _pairs(counts: IntArray) -> DoubleArray:
    """How many pairs each number of images makes; in floating point, where a billion images do not overflow."""
    counts = np.asarray(counts, np.float64)
    return counts * (counts - 1) / 2


def matched(clusters: IntArray, labels: IntArray) -> NDArray[np.bool_]:
    """Which images are in the class of their cluster under the matching of :func:`clustering_accuracy`, ``(N,)``."""
    table = contingency(clusters, labels)
    class_of = np.full(len(table), -1)
    rows, columns = linear_sum_assignment(table, maximize=True)
    class_of[rows] = columns
    return np.asarray(class_of[clusters] == labels)


def in_largest_class(clusters: IntArray, labels: IntArray) -> NDArray[np.bool_]:
    """Which images are in the largest class of their cluster, ``(N,)``."""
    return np.asarray(contingency(clusters, labels).argmax(axis=1)[clusters] == labels)


METRICS: dict[str, Agreement] = {
    "acc": clustering_accuracy,
    "nmi": normalised_mutual_information,
    "ari": adjusted_rand_index,
    "purity": purity,
}
BY_IMAGE = {"acc": matched, "purity": in_largest_class}
"""What the metrics that are means over images say of each."""
