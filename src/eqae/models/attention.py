"""Equivariant attention over the rows of V, and its inverse (Kuzminykh et al. 2018, section on attention)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from eqae.groups import Group
from eqae.nn.fibre import GroupAxisLinear


class EquivariantAttention(nn.Module):
    """Turns V into a standard pose by a soft choice of row, and back.

    The score is an equivariant map with one output channel, so its softmax ``w`` moves with the rows of V, and
    ``Q[g] = Σ_s w[s] V[sg]`` does not move at all: Q is the group correlation of the weights with every channel.
    The inverse ``V[g] = Σ_t w[t] Q[t⁻¹g]`` is exact where ``w`` is one-hot; the entropy of ``w`` says how far from
    that it is.
    """

    cayley: Tensor
    quotient: Tensor

    def __init__(self, group: Group, channels: int) -> None:
        super().__init__()
        self.order = group.order
        self.score = nn.Sequential(
            GroupAxisLinear(group, channels, channels, gain=2.0),
            nn.ReLU(),
            GroupAxisLinear(group, channels, 1),
        )
        self.register_buffer("cayley", torch.tensor(group.cayley).flatten(), persistent=False)
        self.register_buffer("quotient", torch.tensor(group.left_quotient).flatten(), persistent=False)

    def weights(self, embedding: Tensor) -> Tensor:
        """V ``(B, n, m)`` to attention over rows ``(B, n)``, which sums to one."""
        return self.score(embedding).squeeze(-1).softmax(-1)

    def apply_weights(self, weights: Tensor, embedding: Tensor) -> Tensor:
        """``Q[g] = Σ_s w[s] V[sg]``: ``(B, n)`` and ``(B, n, m)`` to the invariant ``(B, n, m)``."""
        n = self.order
        shifted = embedding.index_select(1, self.cayley).unflatten(1, (n, n))
        return torch.einsum("bs,bsgi->bgi", weights, shifted)

    def invert(self, weights: Tensor, standard: Tensor) -> Tensor:
        """``V[g] = Σ_t w[t] Q[t⁻¹g]``: back from the standard pose to the image's own."""
        n = self.order
        shifted = standard.index_select(1, self.quotient).unflatten(1, (n, n))
        return torch.einsum("bt,btgi->bgi", weights, shifted)


class AttentionBottleneck(nn.Module):
    """Attention, a dense invariant code, and inverse attention: the middle of the attention autoencoder (Fig. 6)."""

    def __init__(self, group: Group, channels: int, code: int) -> None:
        super().__init__()
        self.code_size = code
        self.attention = EquivariantAttention(group, channels)
        self.encoder = nn.Sequential(nn.Flatten(1), nn.Linear(group.order * channels, code))
        self.decoder = nn.Sequential(nn.Linear(code, group.order * channels), nn.Unflatten(1, (group.order, channels)))

    def code(self, embedding: Tensor) -> Tensor:
        """V ``(B, n, m)`` to the invariant code ``(B, code)``."""
        return self._encode(self.attention.weights(embedding), embedding)

    def forward(self, embedding: Tensor) -> tuple[Tensor, Tensor]:
        """V ``(B, n, m)`` to its reconstruction through the code ``(B, n, m)``, and the weights ``(B, n)``."""
        weights = self.attention.weights(embedding)
        standard = self.decoder(self._encode(weights, embedding))
        return self.attention.invert(weights, standard), weights

    def _encode(self, weights: Tensor, embedding: Tensor) -> Tensor:
        code: Tensor = self.encoder(self.attention.apply_weights(weights, embedding))
        return code
