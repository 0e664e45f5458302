"""Mean cosine between features at neighbouring positions, from rows that pass by once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class LocalCosine:
    """Mean of ``u(p) · u(q)`` over pairs of positions with ``0 < max|p − q| <= r``, for several radii r at once.

    Keeps the last rows only, as many as the largest radius.
    """

    def __init__(self, radii: Sequence[int], columns: int) -> None:
        """``radii`` in grid steps; ``columns`` of the grid."""
        self._radii = tuple(radii)
        self._reach = max(radii, default=0)
        self._past: Tensor | None = None
        across = torch.arange(columns)
        self._gap = (across[None, :] - across[:, None]).abs()
        # By how many rows a pair is apart, what all pairs of two such rows sum up to, (columns, columns).
        self._sums = [torch.zeros(columns, columns, dtype=torch.float64) for _ in range(self._reach + 1)]
        self._rows = [0] * (self._reach + 1)

    def add(self, units: Tensor) -> None:
        """Take the next rows of unit features ``(rows, columns, D)``, from top to bottom."""
        if not self._radii:
            return
        known = units if self._past is None else torch.cat([self._past, units])
        new = len(known) - len(units)
        for apart in range(self._reach + 1):
            first = max(new, apart)
            if first < len(known):
                products = known[first:] @ known[first - apart : len(known) - apart].transpose(1, 2)
                self._sums[apart] += products.sum(0, dtype=torch.float64).cpu()
                self._rows[apart] += len(products)
        self._past = known[len(known) - min(len(known), self._reach) :]

    def means(self) -> NDArray[np.float64]:
        """One mean a radius, ``(R,)``; NaN where no two positions are so close."""
        return np.array([self._mean(radius) for radius in self._radii])

    def _mean(self, radius: int) -> float:
        total, pairs = 0.0, 0
        for apart in range(radius + 1):
            near = self._gap <= radius
            if apart == 0:  # within a row every pair would count twice, and every position with itself
                near = near.triu(1)
            total += float(self._sums[apart][near].sum())
            pairs += self._rows[apart] * int(near.sum())
        return total / pairs if pairs else float("nan")
