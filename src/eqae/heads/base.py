"""What a head is: an invariant map from V to a feature vector."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge
from torch import Tensor, nn

from eqae.groups import Group

Band = Annotated[int, Ge(1)]
"""How many diagonals of a matrix of features a head keeps, the main one included."""


class Head(nn.Module):
    """Base of all heads: V of shape ``(B, |G|, m)`` to features ``(B, width)``, unchanged when rows are permuted
    by the group.

    Attributes:
        group: the group whose action permutes the rows of V.
        channels: m.
        width: D, the number of features.
    """

    def __init__(self, group: Group, channels: int, width: int) -> None:
        super().__init__()
        self.group = group
        self.channels = channels
        self.width = width

    def forward(self, embedding: Tensor) -> Tensor:
        """V ``(B, |G|, m)`` to features ``(B, width)``."""
        raise NotImplementedError

    def feature_names(self) -> list[str]:
        """One name a feature, in order."""
        return [f"{type(self).__name__.removesuffix('Head').lower()}{i}" for i in range(self.width)]
