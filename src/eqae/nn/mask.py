"""The disc that every rotation maps onto itself: outside it, a turned image shows what was not in the picture."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

EDGE = 2.0
"""Pixels over which the disc fades out."""


class DiscMask(nn.Module):
    """Replaces what lies outside the largest disc by the image's own mean over the disc's rim.

    The disc has radius ``(size - 1) / 2`` about the centre of the grid and a soft edge of two pixels, so it commutes
    exactly with the lattice's symmetries and, up to interpolation, with every rotation. The mean over the rim keeps
    bright backgrounds bright: a black frame would put the strongest edge of the picture where nothing is.
    """

    inside: Tensor
    rim: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        inside, rim = disc(size)
        self.register_buffer("inside", inside, persistent=False)
        self.register_buffer("rim", rim, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """``(B, C, H, W)`` to the same shape."""
        background = (images * self.rim).sum((-2, -1), keepdim=True)
        return background + (images - background) * self.inside


def disc(size: int) -> tuple[Tensor, Tensor]:
    """Weights ``(size, size)`` of the inside, 0 to 1, and of the rim, which sum to 1.

    Example:
        >>> inside, rim = disc(9)
        >>> inside[4, 4].item(), inside[0, 0].item(), round(rim.sum().item(), 4)
        (1.0, 0.0, 1.0)
    """
    axis = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    depth = (size - 1) / 2 - torch.hypot(axis[:, None], axis[None, :])
    inside = (1 - torch.cos(math.pi * (depth / EDGE).clamp(0, 1))) / 2
    rim = inside * (1 - inside) + (depth.abs() <= 0.5)
    return inside.float(), (rim / rim.sum()).float()
