"""Pooling that keeps or removes the group axis."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from eqae.nn.sizes import Window, halving


class FieldAvgPool(nn.Module):
    """Average pooling by two, with the window whose parity fits ``size``: 2x2 on even sizes, 3x3 on odd ones.

    Both windows are symmetric about the grid's centre, so the layer is exact for every lattice group.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.window = halving(size) if size % 2 else Window(2, 2)

    def forward(self, fields: Tensor) -> Tensor:
        """``(B, F·n, H, W)`` to ``(B, F·n, H', W')``."""
        window = self.window
        return F.avg_pool2d(fields, window.kernel, window.stride, window.padding, count_include_pad=False)


class FieldMaxPool(nn.Module):
    """Maximum pooling by two, with the window whose parity fits ``size``."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.window = halving(size) if size % 2 else Window(2, 2)

    def forward(self, fields: Tensor) -> Tensor:
        """``(B, F·n, H, W)`` to ``(B, F·n, H', W')``."""
        return F.max_pool2d(fields, self.window.kernel, self.window.stride, self.window.padding)


class GroupMaxPool(nn.Module):
    """Maximum over the elements of each field: regular ``(B, F·n, H, W)`` to trivial fields ``(B, F, H, W)``."""

    def __init__(self, order: int) -> None:
        super().__init__()
        self.order = order

    def forward(self, fields: Tensor) -> Tensor:
        """``(B, F·n, H, W)`` to ``(B, F, H, W)``."""
        return fields.unflatten(1, (-1, self.order)).amax(2)


class GroupMeanPool(nn.Module):
    """Mean over the elements of each field: regular ``(B, F·n, H, W)`` to trivial fields ``(B, F, H, W)``."""

    def __init__(self, order: int) -> None:
        super().__init__()
        self.order = order

    def forward(self, fields: Tensor) -> Tensor:
        """``(B, F·n, H, W)`` to ``(B, F, H, W)``."""
        return fields.unflatten(1, (-1, self.order)).mean(2)
