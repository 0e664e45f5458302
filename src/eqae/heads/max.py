"""The maximum of V over the group."""

from __future__ import annotations

from torch import Tensor

from eqae.groups import Group
from eqae.heads.base import Head


class MaxHead(Head):
    """``f[i] = max_g V[g, i]``: m features. Blind to the relative pose of channels."""

    complete_up_to = "everything but the maximum of each channel"

    def __init__(self, group: Group, channels: int) -> None:
        super().__init__(group, channels, channels)

    def forward(self, embedding: Tensor) -> Tensor:
        """V ``(B, |G|, m)`` to ``(B, m)``."""
        return embedding.amax(1)
