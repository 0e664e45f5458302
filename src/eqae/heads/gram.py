"""Gram pooling: inner products between the columns of V (Kuzminykh et al. 2018)."""

from __future__ import annotations

import torch
from torch import Tensor

from eqae.groups import Group
from eqae.heads.base import Band, Head, check_size


class GramHead(Head):
    """``f[i, j] = (1/|G|) Σ_g V[g, i] V[g, j]`` for ``i <= j``: m(m+1)/2 features, fewer with a band.

    Blind to any orthogonal mixing of the rows of V, of which the group's permutations are a few. Divided by |G|,
    so that groups of different order give features on one scale.

    Args:
        group: the group.
        channels: m.
        band: keep only ``j < i + band``; None keeps all. A band below |G| loses more than the row mixing.

    Raises:
        ConfigError: too many features for this m.
    """

    complete_up_to = "an orthogonal mixing of the rows"
    rows: Tensor
    columns: Tensor

    def __init__(self, group: Group, channels: int, *, band: Band | None = None) -> None:
        kept = min(band or channels, channels)
        width = kept * channels - kept * (kept - 1) // 2
        fix = f"keep a few diagonals, head: {{name: gram, band: {group.order + 1}}}, or choose 'mean'"
        check_size("gram", width, channels**2, fix)
        rows, columns = torch.triu_indices(channels, channels)
        if band is not None:
            inside = columns - rows < band
            rows, columns = rows[inside], columns[inside]
        super().__init__(group, channels, len(rows))
        self.register_buffer("rows", rows, persistent=False)
        self.register_buffer("columns", columns, persistent=False)

    def forward(self, embedding: Tensor) -> Tensor:
        """V ``(B, |G|, m)`` to ``(B, D)``."""
        gram = embedding.transpose(1, 2) @ embedding / self.group.order
        return gram[:, self.rows, self.columns]

    def feature_names(self) -> list[str]:
        """``gram_i_j`` for the columns i and j of V."""
        return [f"gram_{i}_{j}" for i, j in zip(self.rows.tolist(), self.columns.tolist(), strict=True)]


class BandedGramHead(GramHead):
    """Gram pooling with the paper's band for ``|G| < m``: |G| + 1 diagonals, which determine the rest generically.

    The full matrix has rank at most |G|, so its entries are algebraically dependent: |G| diagonals hold
    ``dim V − dim O(|G|)`` numbers and fix the others up to one two-fold choice a column, |G| + 1 fix them. The
    dependence is not linear, so a linear probe may still profit from the full matrix.
    """

    def __init__(self, group: Group, channels: int) -> None:
        super().__init__(group, channels, band=group.order + 1 if group.order < channels else None)
