"""One hull a class."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from eqae.evaluation.evidence import IntArray
from eqae.evaluation.geometry.hull import project_on_hull

DoubleArray = NDArray[np.float64]


def class_hull_distances(
    queries: DoubleArray, vertices: DoubleArray, labels: IntArray, classes: IntArray
) -> DoubleArray:
    """Distance of ``queries (Q, d)`` to the hull of the vertices of each class, ``(Q, C)``.

    Args:
        queries: ``(Q, d)``.
        vertices: ``(n, d)``.
        labels: class of each vertex, ``(n,)``; every one of ``classes`` occurs.
        classes: ``(C,)``.
    """
    return np.stack([project_on_hull(queries, vertices[labels == label]).distances for label in classes], axis=1)


def nearest_hull_hits(distances: DoubleArray, classes: IntArray, labels: IntArray, tolerance: float) -> DoubleArray:
    """Whether the hull nearest to each query is that of its own class, ``(Q,)``.

    A query inside several hulls is a tie, of which its own class gets an equal share.

    Args:
        distances: ``(Q, C)``.
        classes: of the columns, ``(C,)``.
        labels: of the queries, ``(Q,)``.
        tolerance: distances below this are inside.
    """
    distances = np.where(distances <= tolerance, 0.0, distances)
    nearest = distances == distances.min(axis=1, keepdims=True)
    hits: DoubleArray = (nearest & (classes == labels[:, None])).sum(axis=1) / nearest.sum(axis=1)
    return hits


def own_and_other(distances: DoubleArray, classes: IntArray, labels: IntArray) -> tuple[DoubleArray, DoubleArray]:
    """Distance to the hull of the own class and to the nearest of the others, ``(Q,)`` each.

    Both NaN for a query whose class has no hull.

    Args:
        distances: ``(Q, C)``, C at least 2.
        classes: of the columns, ``(C,)``.
        labels: of the queries, ``(Q,)``.
    """
    mine = classes == labels[:, None]
    has = mine.any(axis=1)
    own = np.where(mine, distances, 0.0).sum(axis=1)
    other = np.where(mine, np.inf, distances).min(axis=1)
    return np.where(has, own, np.nan), np.where(has, other, np.nan)
