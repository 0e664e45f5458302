"""Normalisation that respects fields: one mean, variance, scale and shift for all elements of a field."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MOMENTUM = 0.1


class FieldBatchNorm(nn.BatchNorm2d):
    """Batch normalisation with statistics shared over the elements of each field.

    Ordinary ``BatchNorm2d`` keeps numbers a channel; the group permutes channels within a field, so it breaks
    equivariance (relative error near 1). Parameters, statistics and their meaning are otherwise the same.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, fields: int, order: int) -> None:
        super().__init__(fields, momentum=MOMENTUM)
        self.order = order

    def forward(self, input: Tensor) -> Tensor:
        """``(B, F·n, H, W)`` to the same shape."""
        if not self.training:
            return self._with_running_statistics(input)
        # The compiler lays channels out last, where a view of fields as tall images would cost a shuffled copy.
        if torch.compiler.is_compiling() or not input.is_contiguous():
            return self._with_pooled_statistics(input)
        batch, channels, height, width = input.shape
        tall = input.view(batch, channels // self.order, self.order * height, width)
        return super().forward(tall).view(batch, channels, height, width)

    def _with_running_statistics(self, input: Tensor) -> Tensor:
        mean, variance, scale, shift = map(self._spread, (self.running_mean, self.running_var, self.weight, self.bias))
        return F.batch_norm(input, mean, variance, scale, shift, eps=self.eps)

    def _with_pooled_statistics(self, input: Tensor) -> Tensor:
        """Statistics a channel, pooled over fields: whatever the memory format, channels stay where they are."""
        values = input.to(self.weight.dtype)
        variances, means = torch.var_mean(values, (0, 2, 3), correction=0)
        means = means.unflatten(0, (-1, self.order))
        mean = means.mean(1)
        variance = variances.unflatten(0, (-1, self.order)).mean(1) + means.var(1, correction=0)
        self._remember(mean.detach(), variance.detach(), values.numel() // self.num_features)
        scale = self.weight * (variance + self.eps).rsqrt()
        shift = self.bias - mean * scale
        return (values * self._spread(scale).view(-1, 1, 1) + self._spread(shift).view(-1, 1, 1)).to(input.dtype)

    def _remember(self, mean: Tensor, variance: Tensor, count: int) -> None:
        self.running_mean.lerp_(mean, MOMENTUM)
        self.running_var.lerp_(variance * (count / (count - 1)), MOMENTUM)
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)

    def _spread(self, per_field: Tensor) -> Tensor:
        return per_field.repeat_interleave(self.order)
