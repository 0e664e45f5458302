"""Mean and maximum of V over the group, side by side."""

from __future__ import annotations

import torch
from torch import Tensor

from eqae.groups import Group
from eqae.heads.base import Head


class MeanMaxHead(Head):
    """``f = (mean_g V[g], max_g V[g])``: 2m features, the pooling of contrastive training; linear in the size of V."""

    complete_up_to = "everything but the mean and the maximum of each channel"

    def __init__(self, group: Group, channels: int) -> None:
        super().__init__(group, channels, 2 * channels)

    def forward(self, embedding: Tensor) -> Tensor:
        """V ``(B, |G|, m)`` to ``(B, 2m)``."""
        return torch.cat([embedding.mean(1), embedding.amax(1)], 1)
