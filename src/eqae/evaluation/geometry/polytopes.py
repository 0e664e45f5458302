"""Facts of decision regions inside a box, by linear programming."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

from eqae.evaluation.geometry.regions import Regions

DoubleArray = NDArray[np.float64]

_THIN = 1e-9  # share of the box's diagonal below which a margin is rounding


@dataclass(frozen=True, eq=False)
class Box:
    """``low <= h <= high``: regions reach to infinity, and what is said of their extent needs an end.

    Attributes:
        low, high: ``(D,)``.
    """

    low: DoubleArray
    high: DoubleArray

    @classmethod
    def around(cls, points: DoubleArray) -> Box:
        """The smallest box that holds ``points (N, D)``."""
        return cls(np.asarray(points.min(axis=0), np.float64), np.asarray(points.max(axis=0), np.float64))

    @property
    def diagonal(self) -> float:
        """Largest distance within the box."""
        return float(np.linalg.norm(self.high - self.low))


@dataclass(frozen=True, eq=False)
class Ball:
    """A ball whose points are all of one class.

    Attributes:
        centre: ``(D,)``.
        radius: 0 where the region has no inside in the box.
    """

    centre: DoubleArray
    radius: float


def largest_ball(regions: Regions, region: int, box: Box) -> Ball:
    """The largest ball inside region ``region`` and inside ``box`` (Chebyshev centre).

    Maximises r under ``(w_k - w_c)·h + r |w_k - w_c| <= b_c - b_k`` for every k and ``low + r <= h <= high - r``.
    """
    width = len(box.low)
    others = np.arange(len(regions.weights)) != region
    walls = np.c_[regions.weights[others] - regions.weights[region], regions.separations[region, others]]
    sides = np.c_[np.concatenate([np.eye(width), -np.eye(width)]), np.ones(2 * width)]
    solved = linprog(
        -np.eye(width + 1)[-1],
        A_ub=np.concatenate([walls, sides]),
        b_ub=np.concatenate([regions.bias[region] - regions.bias[others], box.high, -box.low]),
        bounds=[(None, None)] * width + [(0.0, None)],
    )
    if solved.x is None or solved.status != 0:
        return Ball((box.low + box.high) / 2, 0.0)
    return Ball(solved.x[:-1], float(solved.x[-1]))


def are_adjacent(regions: Regions, region: int, other: int, box: Box) -> bool:
    """Whether two regions share a facet inside ``box``: points with ``z_c = z_k`` where both lead all others by a
    margin. Regions that only touch, where a third one comes between, do not.
    """
    apart = float(regions.separations[region, other])
    if apart == 0:
        return False
    width = len(box.low)
    rest = [k for k in range(len(regions.weights)) if k not in (region, other)]
    lead = np.c_[regions.weights[rest] - regions.weights[region], regions.separations[region, rest]]
    equal = np.append(regions.weights[region] - regions.weights[other], 0.0) / apart
    solved = linprog(
        -np.eye(width + 1)[-1],
        A_ub=lead if rest else None,
        b_ub=regions.bias[region] - regions.bias[rest] if rest else None,
        A_eq=equal[None],
        b_eq=[(regions.bias[other] - regions.bias[region]) / apart],
        bounds=[*zip(box.low, box.high, strict=True), (0.0, max(box.diagonal, 1.0))],
    )
    return solved.x is not None and float(solved.x[-1]) > _THIN * box.diagonal


def volume_shares(regions: Regions, box: Box, samples: int, seed: int) -> DoubleArray:
    """Share of the box that each region fills, ``(C,)``, by uniform sampling."""
    points = np.random.default_rng(seed).uniform(box.low, box.high, (samples, len(box.low)))
    shares: DoubleArray = np.bincount(regions.assign(points), minlength=len(regions.weights)) / samples
    return shares


def sliced(regions: Regions, centre: DoubleArray, directions: DoubleArray) -> Regions:
    """The regions where they meet the flat ``centre + directionsᵀ y``, in its coordinates y.

    Args:
        regions: in D dimensions.
        centre: ``(D,)``.
        directions: orthonormal rows, ``(d, D)``.
    """
    return Regions(regions.weights @ directions.T, regions.bias + regions.weights @ centre)
