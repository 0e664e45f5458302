"""The invariant code of a model that was trained with attention in its reconstruction path."""

from __future__ import annotations

from torch import Tensor

from eqae.errors import ConfigError
from eqae.groups import Group
from eqae.heads.base import Head
from eqae.models.attention import AttentionBottleneck


class AttentionHead(Head):
    """The dense code behind equivariant attention; learned with the model, not added afterwards.

    Raises:
        ConfigError: the model was built without an attention bottleneck.
    """

    complete_up_to = "pose, as far as attention is one-hot and the code is wide enough"

    def __init__(self, group: Group, channels: int, bottleneck: AttentionBottleneck | None) -> None:
        if bottleneck is None:
            raise ConfigError(
                "head", "'attention' needs a model trained with attention", "model.attention set to a code size",
                "set model.attention: 64 and train, or choose mean, max, gram or correlation, which need no training",
            )  # fmt: skip
        super().__init__(group, channels, bottleneck.code_size)
        # Shared with the model, so that the head follows it to other devices and precisions; heads are not saved.
        self.bottleneck = bottleneck

    def forward(self, embedding: Tensor) -> Tensor:
        """V ``(B, |G|, m)`` to ``(B, code)``."""
        return self.bottleneck.code(embedding)
