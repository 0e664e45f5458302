"""Group convolutions over plain tensors, for any cyclic or dihedral group.

Channels are field-major: a layer with F regular fields is a tensor ``(B, F·n, H, W)`` with ``channel = field·n +
element``. Bias is one number a field. Only base weights are parameters, expanded at each pass by
:mod:`eqae.nn.filters` (but see :func:`eqae.nn.expanding.expanded_once`); index tables are non-persistent buffers, so
the state dict is the same in every mode, on every device and after ``deepcopy`` or pickling.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from eqae.groups import Group
from eqae.nn.expanding import ExpandingLayer
from eqae.nn.filters import filters_of
from eqae.nn.sizes import Window

RELU_GAIN = 2.0
"""Variance gain that undoes a rectifier (He et al. 2015, arXiv:1502.01852)."""


class GroupConv(ExpandingLayer):
    """What all group convolutions share: a flat base weight, its expansion, a bias a field.

    ``shape`` counts kernels: ``(a, b, kernels a pair)``; each holds as many numbers as its group's filters need.

    ``window.check`` is called with the input's side where the model is built; the forward pass has no checks.
    """

    def __init__(
        self, group: Group, shape: tuple[int, int, int], outputs: int, window: Window, std: float, bias: bool
    ) -> None:
        super().__init__()
        self.order = group.order
        self.window = window
        self.filters = filters_of(group, window.kernel, pairs=shape[2] > 1)
        self.weight = nn.Parameter(torch.randn(*shape[:2], shape[2] * self.filters.numbers) * std)
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None

    def field_bias(self) -> Tensor | None:
        """The bias spread over the elements of each output field, ``(F·n,)``."""
        return None if self.bias is None else self.bias.repeat_interleave(self.order)

    def extra_repr(self) -> str:
        """Shape of the base weight and the window, for ``print(model)``."""
        return f"weight={tuple(self.weight.shape)}, {self.window}"


class LiftingConv(GroupConv):
    """Image ``(B, C, H, W)`` to regular fields ``(B, F·n, H', W')``: out[g] = conv(x, g·w)."""

    def __init__(self, group: Group, in_channels: int, fields: int, window: Window, *, bias: bool = False) -> None:
        k = window.kernel
        std = math.sqrt(RELU_GAIN / (in_channels * k * k))
        super().__init__(group, (fields, in_channels, 1), fields, window, std, bias)

    def expanded(self) -> Tensor:
        """``(F·n, C, k, k)``."""
        return self.filters.lifting(self.weight)

    def forward(self, images: Tensor) -> Tensor:
        """``(B, C, H, W)`` to ``(B, F·n, H', W')``."""
        window = self.window
        return F.conv2d(images, self.filter(), self.field_bias(), window.stride, window.padding)


class RegularConv(GroupConv):
    """Regular fields to regular fields; kernel 1 mixes fields and elements pixel by pixel."""

    def __init__(
        self,
        group: Group,
        in_fields: int,
        out_fields: int,
        window: Window,
        *,
        bias: bool = False,
        gain: float = RELU_GAIN,
    ) -> None:
        fan_in = in_fields * group.order * window.kernel**2
        shape = (out_fields, in_fields, group.order)
        super().__init__(group, shape, out_fields, window, math.sqrt(gain / fan_in), bias)

    def expanded(self) -> Tensor:
        """``(O·n, I·n, k, k)``."""
        return self.filters.regular(self.weight)

    def forward(self, fields: Tensor) -> Tensor:
        """``(B, I·n, H, W)`` to ``(B, O·n, H', W')``."""
        window = self.window
        return F.conv2d(fields, self.filter(), self.field_bias(), window.stride, window.padding)


class RegularConvTranspose(GroupConv):
    """Regular fields to regular fields, upsampling by the stride.

    The base weight reads as that of the reverse convolution, ``(I, O, n·k·k)``: the adjoint of an equivariant map is
    equivariant, so no spatial flip is needed. There is no output padding, which would break the symmetry.
    """

    def __init__(self, group: Group, in_fields: int, out_fields: int, window: Window, *, bias: bool = False) -> None:
        # Each output pixel is reached by k²/s² taps of the kernel, not k².
        fan_in = in_fields * group.order * window.kernel**2 / window.stride**2
        shape = (in_fields, out_fields, group.order)
        super().__init__(group, shape, out_fields, window, math.sqrt(RELU_GAIN / fan_in), bias)

    def expanded(self) -> Tensor:
        """``(I·n, O·n, k, k)``, as ``conv_transpose2d`` expects it."""
        return self.filters.regular(self.weight)

    def forward(self, fields: Tensor) -> Tensor:
        """``(B, I·n, H, W)`` to ``(B, O·n, H', W')`` with ``H' = window.transposed_size(H)``."""
        window = self.window
        if fields.shape[-2:] == (1, 1) and window.padding == 0:
            return self._from_one_pixel(fields)
        return F.conv_transpose2d(fields, self.filter(), self.field_bias(), window.stride, window.padding)

    def _from_one_pixel(self, fields: Tensor) -> Tensor:
        """The same as a matrix product: on CPUs the convolution routines are ten times slower at this shape."""
        filters, bias = self.filter(), self.field_bias()
        grown = (fields.flatten(1) @ filters.flatten(1)).unflatten(1, filters.shape[1:])
        return grown if bias is None else grown + bias.view(-1, 1, 1)


class ProjectionConv(GroupConv):
    """Regular fields to an image: every element's copy of the kernel is moved back and summed.

    ``gain`` is the variance of the output for inputs of unit second moment.
    """

    def __init__(
        self,
        group: Group,
        fields: int,
        out_channels: int,
        window: Window,
        *,
        bias: bool = True,
        gain: float = 1.0,
    ) -> None:
        std = math.sqrt(gain / (fields * group.order * window.kernel**2))
        super().__init__(group, (out_channels, fields, 1), out_channels, window, std, bias)

    def expanded(self) -> Tensor:
        """``(C, F·n, k, k)``."""
        return self.filters.projection(self.weight)

    def forward(self, fields: Tensor) -> Tensor:
        """``(B, F·n, H, W)`` to ``(B, C, H', W')``."""
        return F.conv2d(fields, self.filter(), self.bias, self.window.stride, self.window.padding)


class ProjectionConvTranspose(GroupConv):
    """Regular fields to an image, upsampling by the stride: the adjoint of a lifting convolution.

    ``gain`` is the variance of the output for inputs of unit second moment.
    """

    def __init__(
        self,
        group: Group,
        fields: int,
        out_channels: int,
        window: Window,
        *,
        bias: bool = True,
        gain: float = 1.0,
    ) -> None:
        std = math.sqrt(gain * window.stride**2 / (fields * group.order * window.kernel**2))
        super().__init__(group, (fields, out_channels, 1), out_channels, window, std, bias)

    def expanded(self) -> Tensor:
        """``(F·n, C, k, k)``, as ``conv_transpose2d`` expects it."""
        return self.filters.lifting(self.weight)

    def forward(self, fields: Tensor) -> Tensor:
        """``(B, F·n, H, W)`` to ``(B, C, H', W')`` with ``H' = window.transposed_size(H)``."""
        return F.conv_transpose2d(fields, self.filter(), self.bias, self.window.stride, self.window.padding)
