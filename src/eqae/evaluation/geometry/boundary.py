"""The nearest points at which a linear classifier changes its mind."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eqae.evaluation.evidence import IntArray
from eqae.evaluation.geometry.regions import Regions

DoubleArray = NDArray[np.float64]

_ROUNDING = 1e-13


@dataclass(frozen=True, eq=False)
class Boundary:
    """Where N points leave their regions.

    Attributes:
        region: each point's own region, ``(N,)``.
        neighbour: region on the other side of the nearest facet, ``(N,)``.
        distances: to that facet, ``(N,)``: the radius of the ball around the point that is guaranteed to keep its
            class; infinite where the region has no boundary.
    """

    region: IntArray
    neighbour: IntArray
    distances: DoubleArray


def nearest_boundary(regions: Regions, points: DoubleArray) -> Boundary:
    """The nearest facet of each of ``points (N, D)``."""
    distances = regions.distances(points)
    neighbour = distances.argmin(axis=1)
    nearest = np.take_along_axis(distances, neighbour[:, None], axis=1)[:, 0]
    return Boundary(regions.assign(points), neighbour, nearest)


def boundary_points(regions: Regions, points: DoubleArray, boundary: Boundary) -> DoubleArray:
    """The nearest points ``(N, D)`` of the boundary to ``points (N, D)``; NaN where there is none.

    ``h - (z_c - z_k) (w_c - w_k) / |w_c - w_k|²``.
    """
    normal = regions.weights[boundary.region] - regions.weights[boundary.neighbour]
    apart = regions.separations[boundary.region, boundary.neighbour]
    found = np.isfinite(boundary.distances)
    step = np.where(found, boundary.distances, np.nan) / np.where(found, apart, 1.0)
    moved: DoubleArray = points - step[:, None] * normal
    return moved


def bounded_distances(regions: Regions, points: DoubleArray, low: ArrayLike) -> DoubleArray:
    """Distance of ``points (N, D)`` to the nearest boundary point that is nowhere below ``low (D,)``, ``(N,)``.

    For features that cannot be negative: the boundary elsewhere is out of reach. Infinite where no point of the
    boundary is within the bound. Exact: one constraint at a time is enough, as without the bound, because the
    straight way to a point within the bound stays within it; and for one hyperplane the projection is
    ``max(h - λ a, low)`` with λ the root of a piecewise linear function. Points must not lie below the bound.
    """
    low = np.broadcast_to(np.asarray(low, np.float64), points.shape[1:])
    free = regions.distances(points)
    order = np.argsort(free, axis=1)
    own = regions.assign(points)
    found = np.full(len(points), np.inf)
    for place, point in enumerate(points):
        for other in order[place]:
            if free[place, other] >= found[place]:
                break  # the bound can only make the way longer
            normal = regions.weights[own[place]] - regions.weights[other]
            level = regions.bias[other] - regions.bias[own[place]] - float(normal @ low)
            found[place] = min(found[place], _to_hyperplane(np.maximum(point - low, 0.0), normal, level))
    return found


def _to_hyperplane(point: DoubleArray, normal: DoubleArray, level: float) -> float:
    """Distance of a non-negative point, ``normal·point >= level``, to ``{y >= 0 : normal·y = level}``; infinite where
    that is empty.

    Along ``y(λ) = max(point - λ normal, 0)`` the excess ``normal·y(λ) - level`` falls, straight between the values of
    λ at which a coordinate becomes zero.
    """
    falling = normal > 0
    breaks = point[falling] / normal[falling]
    order = np.argsort(breaks)
    knots = np.concatenate([[0.0], breaks[order]])
    lasting = float((normal[~falling] ** 2).sum())
    slopes = lasting + np.append(np.cumsum((normal[falling][order] ** 2)[::-1])[::-1], 0.0)
    first = float(normal @ point) - level
    excess = first - np.concatenate([[0.0], np.cumsum(slopes[:-1] * np.diff(knots))])
    excess[excess <= _ROUNDING * first] = 0.0
    piece = max(int(np.argmax(excess <= 0)) - 1, 0) if (excess <= 0).any() else len(knots) - 1
    if slopes[piece] == 0:
        return 0.0 if excess[piece] == 0 else float("inf")
    step = knots[piece] + excess[piece] / slopes[piece]
    return float(np.linalg.norm(np.maximum(point - step * normal, 0.0) - point))
