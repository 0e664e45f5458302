"""How far every other class is: exact distances of points to each region."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from eqae.evaluation.evidence import Evidence, IntArray
from eqae.evaluation.geometry.regions import Regions

DoubleArray = NDArray[np.float64]

MOST_CLASSES = 20
"""Classes beyond which no matrix is drawn."""

_EMPTY = 1e-8  # residuals below this, where that of a region one unit away is 0.7, say that there is none


def region_distances(regions: Regions, points: DoubleArray) -> DoubleArray:
    """Distance of ``points (N, D)`` to the nearest point of every region, ``(N, C)``.

    0 for the own region, infinite for a region without a point. The smallest of the others is the distance to the
    boundary. A hyperplane between two classes may lie behind a third one, so that the way to a class that is not the
    nearest is the quadratic programme ``min |x|`` under ``(w_k - w_m)·(h + x) >= b_m - b_k`` for all m, solved as a
    non-negative least squares problem in the span of W (Lawson & Hanson 1974, Solving Least Squares Problems, ch. 23).
    """
    logits = regions.logits(points)
    spread = regions.weights - regions.weights.mean(axis=0)
    _, sizes, directions = np.linalg.svd(spread, full_matrices=False)
    weights = spread @ directions[sizes > np.finfo(float).eps * len(spread) * sizes[0]].T
    found = np.zeros(logits.shape)
    for region in range(len(weights)):
        apart = regions.separations[region]
        parted = apart > 0
        normals = (weights[region] - weights[parted]) / apart[parted, None]
        for place, values in enumerate(logits):
            lead = values - values[region]
            if (lead[~parted] > 0).any():
                found[place, region] = np.inf  # scores a constant less than another class, everywhere
            elif (lead > 0).any():
                found[place, region] = _least_distance(normals, lead[parted] / apart[parted])
    return found


def _least_distance(normals: DoubleArray, levels: DoubleArray) -> float:
    """``min |x|`` under ``normals x >= levels``, of which at least one is positive; infinite where that is empty.

    With the residual r of ``min |Eᵀu - f|`` over ``u >= 0``, E being ``normals`` beside ``levels`` and f the last unit
    vector, the solution is ``-r_j / r_last``, of length ``√(1 / |r|² - 1)``.
    """
    unit = float(levels.max())
    most = 100 * len(normals)  # the solver's own limit is too low for constraints that nearly coincide
    _, residual = nnls(np.c_[normals, levels / unit].T, np.eye(normals.shape[1] + 1)[-1], maxiter=most)
    if residual <= _EMPTY:
        return float("inf")
    return unit * float(np.sqrt(max(1.0 / residual**2 - 1.0, 1.0)))  # no nearer than the furthest hyperplane


def mean_class_distances(distances: DoubleArray, own: IntArray) -> DoubleArray:
    """Mean distance from the points of each class to every class, ``(C, C)``.

    NaN in rows of classes without a point, and in columns of regions without one.

    Args:
        distances: ``(N, C)``.
        own: class of each point, ``(N,)``: a column.
    """
    found = np.full((distances.shape[1], distances.shape[1]), np.nan)
    for label in np.unique(own):
        found[label] = distances[own == label].mean(axis=0)
    found[~np.isfinite(found)] = np.nan
    return found


def class_matrix(evidence: Evidence, classes: IntArray, distances: DoubleArray) -> dict[str, Any]:
    """What the report draws of ``distances (C, C)`` between ``classes (C,)``: their titles and the matrix."""
    names = evidence.class_names
    titles = [names[label] if label < len(names) else str(label) for label in classes]
    return {"classes": titles, "distances": distances}
