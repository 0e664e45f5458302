"""Group cross-correlation: the Gram matrix over every permutation of rows that commutes with the group."""

from __future__ import annotations

import torch
from torch import Tensor

from eqae.groups import Group
from eqae.heads.base import Band, Head, check_size


class CorrelationHead(Head):
    """``f[i, j, h] = (1/|G|) Σ_g V[g, i] V[gh, j]``, the paper's extended Gram features, each once.

    The permutations that commute with the group's action are the right translations ``g -> gh``, |G| of them, so
    the "very large" set of the paper is built from the Cayley table. Since ``A_ij(h) = A_ji(h⁻¹)``, only i <= j are
    kept, and on the diagonal one of each pair h, h⁻¹: ``(|G|m² + I·m)/2`` features with I the number of elements
    that are their own inverse.

    Args:
        group: the group.
        channels: m.
        band: keep only ``j < i + band``; None keeps all. Two diagonals determine the others where V is generic.

    Raises:
        ConfigError: too many features for this m, or too many numbers on the way to them.
    """

    complete_up_to = "an orthogonal unit of the group algebra"
    cayley: Tensor
    kept: Tensor

    def __init__(self, group: Group, channels: int, *, band: Band | None = None) -> None:
        kept = min(band or channels, channels)
        once = sum(h <= inverse for h, inverse in enumerate(group.inverses))
        width = group.order * (kept - 1) * (2 * channels - kept) // 2 + once * channels
        fix = (f"keep a few diagonals, head: {{name: correlation, band: {group.order + 1}}}, "
               "or correlate with a few projections, head: selective_bispectrum")  # fmt: skip
        check_size("correlation", width, group.order * max(group.order * channels, channels**2), fix)
        i, j = torch.triu_indices(channels, channels)
        if band is not None:
            i, j = i[j - i < band], j[j - i < band]
        h, inverses = torch.arange(group.order), torch.tensor(group.inverses)
        once = (i != j)[:, None] | (h <= inverses)[None]
        flat = ((h * channels + i[:, None]) * channels + j[:, None])[once]
        super().__init__(group, channels, len(flat))
        if kept == 1:
            self.complete_up_to = "an orthogonal unit of the group algebra for each channel"
        self.register_buffer("cayley", torch.tensor(group.cayley).T.flatten(), persistent=False)
        self.register_buffer("kept", flat, persistent=False)

    def forward(self, embedding: Tensor) -> Tensor:
        """V ``(B, |G|, m)`` to ``(B, D)``."""
        n = self.group.order
        shifted = embedding.index_select(1, self.cayley).unflatten(1, (n, n))  # [b, h, g] = V[b, gh]
        products = torch.einsum("bgi,bhgj->bhij", embedding, shifted) / n
        return products.flatten(1)[:, self.kept]

    def feature_names(self) -> list[str]:
        """``correlation_i_j_h`` for columns i and j and the group element with index h."""
        pairs, j = self.kept // self.channels, self.kept % self.channels
        h, i = pairs // self.channels, pairs % self.channels
        return [f"correlation_{i}_{j}_{h}" for h, i, j in zip(h.tolist(), i.tolist(), j.tolist(), strict=True)]
