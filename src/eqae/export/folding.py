"""Group layers as ordinary ones: filters written out, normalisation folded into the layer before it.

Everything here works on modules in evaluation mode, in place, and keeps the names that layers have in the checkpoint.
Numbers are folded in float64 and rounded once.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from itertools import pairwise
from typing import TypeVar

from torch import Tensor, nn
from torch.fx.experimental.optimization import fuse
from torch.nn.utils import skip_init
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from eqae.models.backbone import Backbone
from eqae.nn import FieldBatchNorm, GroupAxisBlock, GroupAxisLinear, ProjectionConvTranspose, RegularConvTranspose
from eqae.nn.conv import GroupConv

TRANSPOSED = (RegularConvTranspose, ProjectionConvTranspose)
Convolution = nn.Conv2d | nn.ConvTranspose2d
Spread = Callable[[Tensor, int], Tensor]
"""Numbers of the fields ``(F,)`` to those of all channels ``(F·n,)``, given n."""
Plain = TypeVar("Plain", nn.Conv2d | nn.ConvTranspose2d, nn.Linear, nn.BatchNorm2d)


class RowsLinear(nn.Module):
    """A dense layer over all rows of V at once: ``(B, n, I)`` to ``(B, n, O)``."""

    def __init__(self, linear: nn.Linear, order: int) -> None:
        super().__init__()
        self.linear = linear
        self.order = order

    def forward(self, embedding: Tensor) -> Tensor:
        """``(B, n, I)`` to ``(B, n, O)``."""
        rows: Tensor = self.linear(embedding.flatten(1))
        return rows.unflatten(1, (self.order, -1))


def fold(module: nn.Module) -> None:
    """Replace every layer of :mod:`eqae.nn` in ``module`` by an ordinary one, and fold normalisation where it can be.

    A batch normalisation that follows a convolution in an ``nn.Sequential`` becomes part of it; any other one stays, as
    a scale and a shift a channel.
    """
    for name, child in module.named_children():
        replacement = plain_layer(child)
        setattr(module, name, replacement)
        if replacement is child:
            fold(child)
    if isinstance(module, nn.Sequential):
        _fold_neighbours(module)


def plain_layer(layer: nn.Module) -> nn.Module:
    """The ordinary layer that computes the same as ``layer``; ``layer`` itself where it is none of ours."""
    if isinstance(layer, GroupConv):
        return _convolution(layer)
    if isinstance(layer, FieldBatchNorm):
        return _norm(layer, Tensor.repeat_interleave)
    if isinstance(layer, GroupAxisLinear):
        return RowsLinear(_linear(layer), layer.order)
    if isinstance(layer, GroupAxisBlock):
        # Channels of fields are field-major, columns of the dense layer row by row.
        norm = _norm(layer.norm, Tensor.repeat).double()
        linear = fuse_linear_bn_eval(_linear(layer.linear).double(), norm).float()
        return nn.Sequential(RowsLinear(linear, layer.linear.order), nn.ReLU())
    if isinstance(layer, Backbone):
        layer.network = fuse(layer.network)  # torchvision's own, whose normalisation stands beside convolutions
    return layer


def _convolution(layer: GroupConv) -> Convolution:
    filters, window = layer.expanded(), layer.window
    transposed = isinstance(layer, TRANSPOSED)
    kind: type[Convolution] = nn.ConvTranspose2d if transposed else nn.Conv2d
    inputs, outputs = filters.shape[:2] if transposed else filters.shape[1::-1]
    plain: Convolution = skip_init(
        kind, inputs, outputs, window.kernel, window.stride, window.padding, bias=layer.bias is not None
    )
    bias = None if layer.bias is None else layer.bias.repeat_interleave(outputs // len(layer.bias))
    return _filled(plain, filters, bias)


def _linear(layer: GroupAxisLinear) -> nn.Linear:
    matrix = layer.expanded()
    plain: nn.Linear = skip_init(nn.Linear, matrix.shape[1], matrix.shape[0])
    return _filled(plain, matrix, layer.bias.repeat(layer.order))


def _norm(layer: FieldBatchNorm, spread: Spread) -> nn.BatchNorm2d:
    plain = nn.BatchNorm2d(layer.num_features * layer.order, eps=layer.eps)
    _filled(plain, spread(layer.weight, layer.order), spread(layer.bias, layer.order))
    plain.running_mean = spread(layer.running_mean, layer.order)
    plain.running_var = spread(layer.running_var, layer.order)
    return plain


def _filled(plain: Plain, weight: Tensor, bias: Tensor | None) -> Plain:
    """``plain`` with these numbers, in evaluation mode and not to be trained."""
    plain.weight = nn.Parameter(weight.detach(), requires_grad=False)
    if bias is not None:
        plain.bias = nn.Parameter(bias.detach(), requires_grad=False)
    return plain.eval()


def _fold_neighbours(layers: nn.Sequential) -> None:
    for place, (first, second) in enumerate(pairwise(layers)):
        if isinstance(first, Convolution) and isinstance(second, nn.BatchNorm2d) and second.running_mean is not None:
            convolution, norm = copy.deepcopy(first).double(), copy.deepcopy(second).double()
            transpose = isinstance(first, nn.ConvTranspose2d)
            layers[place] = fuse_conv_bn_eval(convolution, norm, transpose).float()
            layers[place + 1] = nn.Identity()
