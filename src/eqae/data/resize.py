"""Resizing batches of square images."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

_AT_A_TIME = 2048


def resize(pixels: Tensor, size: int) -> Tensor:
    """Images ``(N, C, H, W)`` to ``(N, C, size, size)``: bilinear, antialiased, of the same type (uint8 is rounded)."""
    if pixels.shape[-2:] == (size, size):
        return pixels
    resized = pixels.new_empty(*pixels.shape[:2], size, size)
    for block, target in zip(pixels.split(_AT_A_TIME), resized.split(_AT_A_TIME), strict=True):
        values = F.interpolate(block.float(), size=(size, size), mode="bilinear", align_corners=False, antialias=True)
        target.copy_(values if resized.is_floating_point() else values.round_())
    return resized


def invert(pixels: Tensor) -> Tensor:
    """White to black: ``255 - x`` for uint8, ``1 - x`` for float images."""
    return 255 - pixels if pixels.dtype == torch.uint8 else 1 - pixels
