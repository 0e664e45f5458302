"""Upsampling that is exact on the lattice at any pair of sizes."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class BilinearUpsample(nn.Module):
    """Bilinear resize to ``size``; unlike nearest-neighbour it commutes with the lattice group for every pair of
    sizes, because both grids are sampled symmetrically about their common centre.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, fields: Tensor) -> Tensor:
        """``(B, F·n, h, w)`` to ``(B, F·n, size, size)``."""
        return F.interpolate(fields, size=(self.size, self.size), mode="bilinear", align_corners=False)
