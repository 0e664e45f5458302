"""Least squares on the affine hulls of small sets of points, many sets at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from eqae.evaluation.evidence import IntArray

DoubleArray = NDArray[np.float64]

FREE = -1
_FIRST_SLOTS = 8
_PROXIMAL = 1e-14  # weight of staying where one is, relative to the squared size of the set: keeps solves regular


class Corrals:
    """One set of active points a query, with the convex combination of it that is nearest to the query.

    The name is Wolfe's ("Finding the nearest point in a polytope", 1976), and so are the steps. Sets have slots;
    free ones have index -1 and weight 0.

    Attributes:
        index: ``(Q, K)`` which vertex stands in each slot.
        weight: ``(Q, K)`` of the combination: not negative, sums to one.
    """

    def __init__(self, queries: DoubleArray, vertices: DoubleArray, first: IntArray) -> None:
        """Each of ``queries (Q, d)`` starts at the vertex ``first (Q,)`` of ``vertices (n, d)``."""
        count, width = queries.shape
        self._queries, self._vertices = queries, vertices
        self.index = np.full((count, 0), FREE)
        self.weight = np.zeros((count, 0))
        self._offset = np.zeros((count, 0, width))  # vertex minus query
        self._gram = np.zeros((count, 0, 0))  # inner products of the offsets
        self._grow()
        self.add(np.arange(count), first)
        self.weight[:, 0] = 1.0

    def sizes(self, rows: IntArray) -> IntArray:
        """Number of active points, ``(R,)``."""
        sizes: IntArray = np.count_nonzero(self.index[rows] != FREE, axis=1)
        return sizes

    def holds(self, rows: IntArray, vertices: IntArray) -> NDArray[np.bool_]:
        """Whether each set has the vertex that is named for it, ``(R,)``."""
        held: NDArray[np.bool_] = (self.index[rows] == vertices[:, None]).any(axis=1)
        return held

    def residuals(self, rows: IntArray) -> DoubleArray:
        """Query minus nearest combination, ``(R, d)``."""
        used = self._used()
        residuals: DoubleArray = -(self.weight[rows, None, :used] @ self._offset[rows, :used])[:, 0]
        return residuals

    def add(self, rows: IntArray, vertices: IntArray) -> None:
        """Put one vertex, with weight 0, into the first free slot of each set."""
        if not (self.index[rows] == FREE).any(axis=1).all():
            self._grow()
        slots = (self.index[rows] == FREE).argmax(axis=1)
        self.index[rows, slots] = vertices
        self._offset[rows, slots] = self._vertices[vertices] - self._queries[rows]
        used = self._used()
        products = (self._offset[rows, :used] @ self._offset[rows, slots][:, :, None])[:, :, 0]
        self._gram[rows, slots, :used] = products
        self._gram[rows, :used, slots] = products

    def settle(self, rows: IntArray) -> None:
        """Move the sets to the nearest points of their convex hulls, dropping points that get in the way.

        Wolfe's minor cycle: go straight towards the nearest point of the affine hull, stop where a weight becomes
        zero, drop its point, and go on with the rest.
        """
        while len(rows):
            used = self._used()
            weight, target = self.weight[rows, :used], self._affine(rows, used)
            negative = (self.index[rows, :used] != FREE) & (target <= 0)
            with np.errstate(invalid="ignore", divide="ignore"):
                steps = np.where(negative, weight / (weight - target), np.inf)
            steps[negative & (weight == 0)] = 0.0
            step = np.minimum(steps.min(axis=1), 1.0)[:, None]
            moved = np.maximum(weight + step * (target - weight), 0.0)
            blocked = negative & (steps <= step)
            moved[blocked] = 0.0
            self.weight[rows, :used] = moved / moved.sum(axis=1, keepdims=True)
            self._drop(rows, blocked)
            rows = rows[blocked.any(axis=1)]

    def _affine(self, rows: IntArray, used: int) -> DoubleArray:
        """Weights of the nearest point of each affine hull, ``(R, used)``; 0 in free slots.

        Minimises ``|Σ aⱼ pⱼ|² + ε |a - w|²`` under ``Σ aⱼ = 1``, w the present weights: ε is rounding against the
        rest, keeps affinely dependent sets solvable, and vanishes as steps repeat.
        """
        active = (self.index[rows, :used] != FREE).astype(np.float64)
        matrix = self._gram[rows, :used, :used]
        size = np.trace(matrix, axis1=1, axis2=2) / active.sum(axis=1)
        size[size == 0] = 1.0
        proximal = (_PROXIMAL * size)[:, None]
        matrix += (size[:, None] * active)[:, :, None] * active[:, None, :]  # regular where Σ aⱼ = 1 is not implied
        diagonal = np.arange(used)
        matrix[:, diagonal, diagonal] += np.where(active > 0, proximal, 1.0)
        solved = np.linalg.solve(matrix, np.stack([active, proximal * self.weight[rows, :used]], axis=2))
        level, stay = solved[:, :, 0], solved[:, :, 1]
        shift = (1.0 - stay.sum(axis=1)) / level.sum(axis=1)
        return active * (stay + shift[:, None] * level)

    def _drop(self, rows: IntArray, dropped: NDArray[np.bool_]) -> None:
        which, slots = np.nonzero(dropped)
        self.index[rows[which], slots] = FREE
        self._offset[rows[which], slots] = 0.0
        self._gram[rows[which], slots] = 0.0
        self._gram[rows[which], :, slots] = 0.0

    def _used(self) -> int:
        """Slots from here on are free in every set."""
        return int(np.flatnonzero((self.index != FREE).any(axis=0)).max(initial=-1)) + 1

    def _grow(self) -> None:
        more = max(_FIRST_SLOTS, self.index.shape[1])
        self.index = np.pad(self.index, ((0, 0), (0, more)), constant_values=FREE)
        self.weight = np.pad(self.weight, ((0, 0), (0, more)))
        self._offset = np.pad(self._offset, ((0, 0), (0, more), (0, 0)))
        self._gram = np.pad(self._gram, ((0, 0), (0, more), (0, more)))
