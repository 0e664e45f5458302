"""Subsampling behind a low-pass filter, so that small shifts of the input change little (Zhang 2019)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from eqae.nn.sizes import halving


class BlurPool(nn.Module):
    """Binomial blur and subsampling by two, with the kernel whose parity fits ``size`` (Zhang 2019, arXiv:1904.11486).

    The kernel is the outer product of [1, 3, 3, 1] / 8 with itself on even sizes and of [1, 2, 1] / 4 on odd ones:
    together with the same padding on all four sides the windows are symmetric about the grid's centre, so the layer
    commutes exactly with every lattice group. (The original pads an even kernel by one pixel more on one side, and
    leaves the parity to chance.) Padding reflects, so a constant image stays constant. Nothing is learnt, nothing is
    stored: each channel is blurred on its own.
    """

    kernel: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.window = halving(size)
        self.window.check("BlurPool", size)
        self.mode = "reflect" if size > self.window.padding else "replicate"  # a single pixel has no mirror image
        self.register_buffer("kernel", binomial(self.window.kernel), persistent=False)

    def forward(self, fields: Tensor) -> Tensor:
        """``(B, F·n, H, W)`` to ``(B, F·n, H', W')``."""
        window, channels = self.window, fields.shape[1]
        padded = F.pad(fields, (window.padding,) * 4, mode=self.mode)
        return F.conv2d(padded, self.kernel.expand(channels, 1, -1, -1), stride=window.stride, groups=channels)

    def extra_repr(self) -> str:
        """The window, for ``print(model)``."""
        return f"{self.window}"


def binomial(taps: int) -> Tensor:
    """The square filter ``(taps, taps)`` of binomial coefficients, summing to 1; exact in binary.

    Example:
        >>> binomial(3)[1]
        tensor([0.1250, 0.2500, 0.1250])
    """
    row = torch.tensor([float(math.comb(taps - 1, tap)) for tap in range(taps)])
    return torch.outer(row, row) / 4 ** (taps - 1)
