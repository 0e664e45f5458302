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

    Rows and columns are blurred by one small matrix each, which is several times faster than the same convolution of
    every channel by itself, forward and backward.
    """

    matrix: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.window = halving(size)
        self.window.check("BlurPool", size)
        self.register_buffer("matrix", blur_matrix(size), persistent=False)

    def forward(self, fields: Tensor) -> Tensor:
        """``(B, F·n, H, H)`` to ``(B, F·n, H', H')``."""
        return self.matrix @ (fields @ self.matrix.T)

    def extra_repr(self) -> str:
        """The window, for ``print(model)``."""
        return f"{self.window}"


def blur_matrix(size: int) -> Tensor:
    """``(size', size)``: each row the binomial weights about one pixel of the halved axis; exact in binary.

    Example:
        >>> blur_matrix(4)
        tensor([[0.3750, 0.5000, 0.1250, 0.0000],
                [0.0000, 0.1250, 0.5000, 0.3750]])
    """
    window = halving(size)
    taps = torch.tensor([float(math.comb(window.kernel - 1, tap)) for tap in range(window.kernel)])
    mode = "reflect" if size > window.padding else "replicate"  # a single pixel has no mirror image
    pixels = F.pad(torch.eye(size)[:, None], (window.padding,) * 2, mode=mode)  # every pixel alone
    return F.conv1d(pixels, taps.view(1, 1, -1) / taps.sum(), stride=window.stride).squeeze(1).T.contiguous()
