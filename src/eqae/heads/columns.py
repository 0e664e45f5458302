"""Heads that read some columns of V and not the others."""

from __future__ import annotations

from torch import Tensor

from eqae.errors import ConfigError
from eqae.heads.base import Head
from eqae.models.base import Autoencoder


class OfColumns(Head):
    """A head of some columns of V.

    Args:
        head: reads those columns.
        columns: which they are.
        channels: m of the whole V.
        part: what the model calls them.
    """

    def __init__(self, head: Head, columns: slice, channels: int, part: str) -> None:
        super().__init__(head.group, channels, head.width)
        self.head = head
        self.columns = columns
        self.part = part
        self.needs_fit = head.needs_fit
        self.complete_up_to = f"{head.complete_up_to}, of {part!r} alone"

    def forward(self, embedding: Tensor) -> Tensor:
        """V ``(B, |G|, m)`` to ``(B, D)``."""
        features: Tensor = self.head(embedding[..., self.columns])
        return features

    def feature_names(self) -> list[str]:
        """The head's own, after the part's name."""
        return [f"{self.part}_{name}" for name in self.head.feature_names()]

    def fit(self, embedding: Tensor) -> None:
        """Fit the head to its columns of V ``(N, |G|, m)``."""
        self.head.fit(embedding[..., self.columns])
        self.needs_fit = self.head.needs_fit

    def statistics(self) -> dict[str, Tensor]:
        """The head's own."""
        return self.head.statistics()

    def restore(self, statistics: dict[str, Tensor]) -> None:
        """Hand them to the head."""
        self.head.restore(statistics)
        self.needs_fit = False


def chosen_columns(model: Autoencoder, *, of: str | None = None) -> tuple[str, slice] | None:
    """The part of ``model``'s V that a head is to read.

    Args:
        model: says how its V is divided.
        of: name of a part, such as ``code`` or ``stages``; None for all of V.

    Returns:
        Name and columns, or None for all of V.

    Raises:
        ConfigError: the model has no such part.
    """
    if of is None:
        return None
    if of not in model.columns:
        more = "" if "stages" in model.columns else "; 'stages' needs model.stage_statistics: true"
        raise ConfigError("head.of", f"{of!r}", f"a part of V: {', '.join(map(repr, model.columns))}{more}")
    return of, model.columns[of]
