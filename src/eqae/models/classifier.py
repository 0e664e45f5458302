"""A classifier on V, for models that are trained with labels."""

from __future__ import annotations

from torch import Tensor, nn

DROPOUT = 0.3
"""Share of the invariant features that is left out in each step."""


class InvariantClassifier(nn.Module):
    """V ``(B, |G|, m)`` to logits ``(B, K)``: the maximum over the group, dropout, and one dense layer.

    Args:
        channels: m.
        classes: K.
    """

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Dropout(DROPOUT), nn.Linear(channels, classes))

    def forward(self, embedding: Tensor) -> Tensor:
        """A logit a class."""
        logits: Tensor = self.layers(embedding.amax(1))
        return logits
