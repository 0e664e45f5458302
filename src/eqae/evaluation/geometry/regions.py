"""Decision regions of a linear classifier: convex polyhedra, and exact distances to their facets."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import pdist, squareform

from eqae.evaluation.evidence import IntArray
from eqae.evaluation.linear_probe import LinearProbe

DoubleArray = NDArray[np.float64]

_ROUNDING = 1e-12  # two rows of weights that are closer than this, relative to the longest, are one row


@dataclass(frozen=True, eq=False)
class Regions:
    """``R_c = {h : z_c(h) >= z_k(h) for all k}`` of ``z = W h + b``.

    Attributes:
        weights: W, ``(C, D)``.
        bias: b, ``(C,)``.
    """

    weights: DoubleArray
    bias: DoubleArray

    @cached_property
    def separations(self) -> DoubleArray:
        """``|w_c - w_k|``, ``(C, C)``; 0 where no boundary parts two classes."""
        found = squareform(pdist(self.weights))
        found[found <= _ROUNDING * np.linalg.norm(self.weights, axis=1).max()] = 0.0
        return found

    def logits(self, points: DoubleArray) -> DoubleArray:
        """z ``(N, C)`` of ``points (N, D)``."""
        return np.asarray(points, np.float64) @ self.weights.T + self.bias

    def assign(self, points: DoubleArray) -> IntArray:
        """Region of each of ``points (N, D)``, ``(N,)``: a row of W."""
        return self.logits(points).argmax(axis=1)

    def distances(self, points: DoubleArray) -> DoubleArray:
        """Distance of ``points (N, D)`` to the hyperplane between their own region and every other, ``(N, C)``.

        ``(z_c - z_k) / |w_c - w_k|`` for a point of region c: infinite for c itself and where no hyperplane parts the
        two. The smallest is the exact distance to the boundary of the region, for a straight way to a hyperplane
        that lies behind another one crosses that one first.
        """
        logits = self.logits(points)
        own = logits.argmax(axis=1)
        apart = self.separations[own]
        lead = np.take_along_axis(logits, own[:, None], axis=1) - logits
        return np.divide(lead, apart, out=np.full(logits.shape, np.inf), where=apart > 0)


def probe_regions(probe: LinearProbe) -> Regions:
    """The regions of a probe, in its standardised features."""
    return Regions(probe.weights, probe.bias)
