"""Normalisation that respects fields: one mean, variance, scale and shift for all elements of a field."""

from __future__ import annotations

from torch import Tensor, nn


class FieldBatchNorm(nn.BatchNorm2d):
    """Batch normalisation with statistics shared over the elements of each field.

    Ordinary ``BatchNorm2d`` keeps numbers a channel; the group permutes channels within a field, so it breaks
    equivariance (relative error near 1). Here a field's n channels are seen as one tall image.
    """

    def __init__(self, fields: int, order: int) -> None:
        super().__init__(fields)
        self.order = order

    def forward(self, input: Tensor) -> Tensor:
        """``(B, F·n, H, W)`` to the same shape."""
        batch, channels, height, width = input.shape
        tall = input.reshape(batch, channels // self.order, self.order * height, width)
        return super().forward(tall).reshape(batch, channels, height, width)
