"""The nearest points of a convex hull, with a certificate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eqae.evaluation.evidence import IntArray
from eqae.evaluation.geometry.corral import FREE, Corrals, DoubleArray

_BLOCK = 256  # queries that advance together
_ROUNDING = 1e-10  # distances below this share of the hull's radius are rounding
_ITERATIONS_A_DIMENSION = 10  # several times what any data has needed; ill-conditioned hulls stop there


@dataclass(frozen=True, eq=False)
class HullProjection:
    """Where Q queries meet a convex hull.

    Attributes:
        points: nearest points, ``(Q, d)``.
        distances: to them, ``(Q,)``.
        index: vertices that the nearest point is a combination of, ``(Q, K)``; -1 beyond the last.
        weights: of the combination, ``(Q, K)``: not negative, sum to one; 0 beyond the last.
        lower_bounds: proved, of the true distances, ``(Q,)``; ``distances`` are upper bounds.
    """

    points: DoubleArray
    distances: DoubleArray
    index: IntArray
    weights: DoubleArray
    lower_bounds: DoubleArray

    @property
    def outside(self) -> NDArray[np.bool_]:
        """Proved to lie outside, ``(Q,)``: a hyperplane separates the query from the hull."""
        return self.lower_bounds > 0

    @property
    def active(self) -> IntArray:
        """Number of vertices behind each nearest point, ``(Q,)``."""
        active: IntArray = np.count_nonzero(self.weights, axis=1)
        return active


def project_on_hull(queries: DoubleArray, vertices: DoubleArray, *, tolerance: float = 1e-10) -> HullProjection:
    """Project every query on the convex hull of the rows of ``vertices``.

    Solves ``min |Σ aᵢ vᵢ - q|`` over ``a ≥ 0, Σ aᵢ = 1`` by Wolfe's method (1976), a fully corrective Frank-Wolfe
    method: the vertex that lies furthest in the direction of the residual r joins a small active set, and the best
    combination of that set is found exactly. The gap ``maxᵢ r·vᵢ - r·x`` brackets the distance:
    ``|r| - gap/|r| <= distance <= |r|``. Whoever has a gap below ``|r|²`` is separated from the hull.

    Args:
        queries: ``(Q, d)``.
        vertices: ``(n, d)``; rows may repeat, and columns may be constant.
        tolerance: stop at gaps below this share of ``|r|²``. Queries inside stop where r is rounding.

    Raises:
        ValueError: no vertices, or widths that differ.
    """
    if not len(vertices) or queries.ndim != 2 or queries.shape[1] != vertices.shape[1]:
        raise ValueError(f"queries {queries.shape} and vertices {vertices.shape} do not share a space")
    centre = vertices.mean(axis=0, dtype=np.float64)
    moved = np.ascontiguousarray(vertices - centre, np.float64)
    blocks = [
        _project(np.asarray(queries[start : start + _BLOCK] - centre, np.float64), moved, tolerance)
        for start in range(0, max(len(queries), 1), _BLOCK)
    ]
    slots = max(block.index.shape[1] for block in blocks)
    return HullProjection(
        np.concatenate([block.points for block in blocks]) + centre,
        np.concatenate([block.distances for block in blocks]),
        np.concatenate([_widened(block.index, slots, FREE) for block in blocks]),
        np.concatenate([_widened(block.weights, slots, 0) for block in blocks]),
        np.concatenate([block.lower_bounds for block in blocks]),
    )


def _project(queries: DoubleArray, vertices: DoubleArray, tolerance: float) -> HullProjection:
    """One block of queries; vertices lie around the origin."""
    sizes = (vertices**2).sum(axis=1)
    floor = _ROUNDING**2 * float(sizes.max())
    corrals = Corrals(queries, vertices, (sizes / 2 - queries @ vertices.T).argmin(axis=1))
    count, most = len(queries), queries.shape[1] + 1
    squared, gap = np.full(count, np.inf), np.zeros(count)
    iterations = np.zeros(count, np.int64)
    live = np.arange(count)
    while len(live):
        residual = corrals.residuals(live)
        now = (residual**2).sum(axis=1)
        reach = residual @ vertices.T
        best = reach.argmax(axis=1)
        held = corrals.weight[live] * np.take_along_axis(reach, corrals.index[live], axis=1)
        gap[live] = np.maximum(np.take_along_axis(reach, best[:, None], axis=1)[:, 0] - held.sum(axis=1), 0.0)
        # A step that gains nothing is one that rounding has taken: there is no better point to be had.
        over = (gap[live] <= tolerance * now) | (now <= floor) | (now >= squared[live])
        squared[live] = now
        go = ~over & (iterations[live] < _ITERATIONS_A_DIMENSION * (most + 9))
        live, best = live[go], best[go]
        iterations[live] += 1
        new = ~corrals.holds(live, best) & (corrals.sizes(live) < most)
        corrals.add(live[new], best[new])
        corrals.settle(live)
    return _result(queries, corrals, gap, floor)


def _result(queries: DoubleArray, corrals: Corrals, gap: DoubleArray, floor: float) -> HullProjection:
    """Active vertices first, the heaviest first of all."""
    residual = corrals.residuals(np.arange(len(queries)))
    squared = (residual**2).sum(axis=1)
    order = np.argsort(-corrals.weight, axis=1, kind="stable")
    weights = np.take_along_axis(corrals.weight, order, axis=1)
    index = np.where(weights > 0, np.take_along_axis(corrals.index, order, axis=1), FREE)
    used = int((weights > 0).sum(axis=1).max(initial=1))
    distances = np.sqrt(squared)
    separated = (gap < squared) & (squared > floor)
    bounds = np.where(separated, distances - gap / np.where(separated, distances, 1.0), 0.0)
    return HullProjection(queries - residual, distances, index[:, :used], weights[:, :used], bounds)


def _widened(values: NDArray[np.generic], slots: int, fill: int) -> NDArray[np.generic]:
    return np.pad(values, ((0, 0), (0, slots - values.shape[1])), constant_values=fill)
