"""What distances are measured in: how far images lie apart."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import pdist
from sklearn.neighbors import NearestNeighbors

from eqae.evaluation.preprocessing import ROUNDING
from eqae.evaluation.sampling import spread_evenly

DoubleArray = NDArray[np.float64]

_IMAGES = 500


def median_distance(points: NDArray[np.floating]) -> float:
    """Median distance between pairs of ``points (N, D)``, of 500 of them where there are more.

    NaN where the points do not differ by more than rounding, or where there is one.
    """
    chosen = points[spread_evenly(len(points), _IMAGES)].astype(np.float64)
    if len(chosen) < 2:
        return float("nan")
    distance = float(np.median(pdist(chosen)))
    return distance if distance > ROUNDING * float(np.linalg.norm(chosen, axis=1).max()) else float("nan")


def median_neighbour_distance(points: DoubleArray) -> float:
    """Median distance of ``points (N, d)`` to their nearest neighbours, copies of a point left out; NaN for one."""
    if len(points) < 2:
        return float("nan")
    nearest = NearestNeighbors(n_neighbors=2).fit(points).kneighbors(points)[0][:, 1]
    apart = nearest[nearest > 0]
    return float(np.median(apart)) if len(apart) else float("nan")
