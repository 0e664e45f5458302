"""What a head is: an invariant map from V to a feature vector."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor, nn

from eqae.errors import ConfigError
from eqae.groups import Group

Band = Annotated[int, Ge(1)]
"""How many diagonals of a matrix of features a head keeps, the main one included."""
MAX_WIDTH = 2**16
"""Features of one image beyond which a head is refused."""
MAX_NUMBERS = 2**20
"""Numbers a head may hold for one image on the way to its features: 128 MB of float32 for a block of 32 images."""


class Head(nn.Module):
    """Base of all heads: V of shape ``(B, |G|, m)`` to features ``(B, width)``, unchanged when rows are permuted
    by the group.

    Attributes:
        group: the group whose action permutes the rows of V.
        channels: m.
        width: D, the number of features.
        complete_up_to: what a generic V is determined up to by its features; ``"pose"`` is all that an invariant
            map can keep.
        needs_fit: whether :meth:`fit` must be called before the first features; False for most heads.
    """

    complete_up_to: str = "what its author has not declared"
    needs_fit: bool = False

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

    def fit(self, embedding: Tensor) -> None:
        """Learn from V ``(N, |G|, m)`` of training images, without labels; most heads have nothing to learn.

        Called in evaluation mode and full float32, on the CPU, with gradients enabled: a head may learn by them. V
        itself wants none, and other heads are fitted to it too: it must not be changed.
        """

    def statistics(self) -> dict[str, Tensor]:
        """What :meth:`fit` finds, by name: the tensors themselves, in their places and shapes before as after it."""
        return {}

    def restore(self, statistics: dict[str, Tensor]) -> None:
        """Take over what :meth:`statistics` gave of a fitted head; then there is nothing to fit any more."""
        with torch.no_grad():  # they may be parameters
            for name, tensor in self.statistics().items():
                tensor.copy_(statistics[name])
        self.needs_fit = False


def check_size(head: str, width: int, numbers: int, fix: str) -> None:
    """Refuse a head that would be too large for its m, before anything of that size is allocated.

    Args:
        head: its registered name.
        width: its number of features.
        numbers: the most numbers it holds at a time for one image.
        fix: what to choose instead.

    Raises:
        ConfigError: more than ``MAX_WIDTH`` features or ``MAX_NUMBERS`` numbers.
    """
    if width > MAX_WIDTH:
        raise ConfigError("head", f"{head!r} has {width:,} features here", f"at most {MAX_WIDTH:,}", fix)
    if numbers > MAX_NUMBERS:
        found = f"{head!r} would hold {numbers:,} numbers for every image"
        raise ConfigError("head", found, f"at most {MAX_NUMBERS:,}", fix)
