"""The mean of V over the group: the paper's average pooling."""

from __future__ import annotations

from torch import Tensor

from eqae.groups import Group
from eqae.heads.base import Head


class MeanHead(Head):
    """``f[i] = (1/|G|) Σ_g V[g, i]``: m features. Blind to everything but the trivial part of each channel."""

    complete_up_to = "everything but the mean of each channel"

    def __init__(self, group: Group, channels: int) -> None:
        super().__init__(group, channels, channels)

    def forward(self, embedding: Tensor) -> Tensor:
        """V ``(B, |G|, m)`` to ``(B, m)``."""
        return embedding.mean(1)
