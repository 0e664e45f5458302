"""Layers along the group axis, after space has been collapsed: V is ``(B, |G|, m)``."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from eqae.groups import Group
from eqae.nn.expanding import ExpandingLayer
from eqae.nn.norm import FieldBatchNorm


class GroupAxisLinear(ExpandingLayer):
    """Group convolution over the rows of V: ``out[g, o] = b[o] + Σ_h Σ_i W[o, i, g⁻¹h] V[h, i]``.

    The most general linear map that commutes with every permutation of the rows by the group; at any group, lattice
    or not, because only rows move.
    """

    quotient: Tensor

    def __init__(self, group: Group, in_channels: int, out_channels: int, *, gain: float = 1.0) -> None:
        super().__init__()
        n = group.order
        self.order = n
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, n) * math.sqrt(gain / (in_channels * n)))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.register_buffer("quotient", torch.tensor(group.left_quotient).flatten(), persistent=False)

    def expanded(self) -> Tensor:
        """The matrix ``(|G|·O, |G|·I)`` of the ordinary dense layer that this layer runs on V, row after row."""
        outputs, inputs, n = self.weight.shape
        expanded = self.weight.index_select(2, self.quotient).view(outputs, inputs, n, n)
        return expanded.permute(2, 0, 3, 1).reshape(n * outputs, n * inputs)

    def forward(self, embedding: Tensor) -> Tensor:
        """V ``(B, |G|, I)`` to ``(B, |G|, O)``."""
        rows = F.linear(embedding.flatten(1), self.filter(), self.bias.repeat(self.order))
        return rows.unflatten(1, (self.order, -1))


class GroupAxisBlock(nn.Module):
    """Group convolution over the rows of V, field batch normalisation and a rectifier; ``(B, |G|, m)`` to the same."""

    def __init__(self, group: Group, channels: int) -> None:
        super().__init__()
        self.linear = GroupAxisLinear(group, channels, channels, gain=2.0)
        self.norm = FieldBatchNorm(channels, group.order)

    def forward(self, embedding: Tensor) -> Tensor:
        """V ``(B, |G|, m)`` to V ``(B, |G|, m)``."""
        fields = rows_to_fibre(self.linear(embedding))
        return fibre_to_rows(self.norm(fields), self.norm.order).relu()


def fibre_to_rows(fields: Tensor, order: int) -> Tensor:
    """Collapsed fields ``(B, m·n, 1, 1)`` to V ``(B, n, m)``."""
    return fields.reshape(fields.shape[0], -1, order).transpose(1, 2)


def rows_to_fibre(embedding: Tensor) -> Tensor:
    """V ``(B, n, m)`` to fields ``(B, m·n, 1, 1)``."""
    return embedding.transpose(1, 2).reshape(embedding.shape[0], -1, 1, 1)
