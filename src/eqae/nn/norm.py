"""Normalisation that respects fields: one mean, variance, scale and shift for all elements of a field."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, distributed, nn
from torch.autograd.function import FunctionCtx

MOMENTUM = 0.1


class FieldBatchNorm(nn.BatchNorm2d):
    """Batch normalisation with statistics shared over the elements of each field.

    Ordinary ``BatchNorm2d`` keeps numbers a channel; the group permutes channels within a field, so it breaks
    equivariance (relative error near 1). Parameters, statistics and their meaning are otherwise the same. Where several
    processes share a batch, statistics are those of the whole batch.
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
        if torch.compiler.is_compiling() or not input.is_contiguous() or _processes() > 1:
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
        mean, variance, count = self._moments(values) if _processes() == 1 else self._shared_moments(values)
        self._remember(mean.detach(), variance.detach(), count)
        scale = self.weight * (variance + self.eps).rsqrt()
        shift = self.bias - mean * scale
        return (values * self._spread(scale).view(-1, 1, 1) + self._spread(shift).view(-1, 1, 1)).to(input.dtype)

    def _moments(self, values: Tensor) -> tuple[Tensor, Tensor, float | Tensor]:
        """Mean and variance ``(F,)`` of each field, and of how many numbers."""
        variances, means = torch.var_mean(values, (0, 2, 3), correction=0)
        means = means.unflatten(0, (-1, self.order))
        variance = variances.unflatten(0, (-1, self.order)).mean(1) + means.var(1, correction=0)
        return means.mean(1), variance, values.numel() // self.num_features

    def _shared_moments(self, values: Tensor) -> tuple[Tensor, Tensor, float | Tensor]:
        """The same over the shares of all processes, in two passes: squares of large means would cancel."""
        fields = values.unflatten(1, (-1, self.order))
        count: Tensor = SumOverProcesses.apply(values.new_tensor(values.numel() // self.num_features))
        mean = SumOverProcesses.apply(fields.sum((0, 2, 3, 4))) / count
        deviations = fields - mean.view(-1, 1, 1, 1)
        return mean, SumOverProcesses.apply(deviations.square().sum((0, 2, 3, 4))) / count, count

    def _remember(self, mean: Tensor, variance: Tensor, count: float | Tensor) -> None:
        self.running_mean.lerp_(mean, MOMENTUM)
        self.running_var.lerp_(variance * (count / (count - 1)), MOMENTUM)
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)

    def _spread(self, per_field: Tensor) -> Tensor:
        return per_field.repeat_interleave(self.order)


class SumOverProcesses(torch.autograd.Function):
    """The sum of what all processes give; each loss depends on every summand, so gradients are summed as well."""

    @staticmethod
    def forward(ctx: FunctionCtx, summand: Tensor) -> Tensor:
        """Any shape, the same in all processes."""
        total = summand.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: FunctionCtx, gradient: Tensor) -> Tensor:
        """The gradients of all processes, summed."""
        total = gradient.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(total)
        return total


def _processes() -> int:
    """How many processes share each batch."""
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1
