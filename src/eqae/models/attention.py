"""Equivariant attention over the rows of V, and its inverse (Kuzminykh et al. 2018, section on attention)."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from annotated_types import Ge, Le
from torch import Tensor, nn

from eqae.groups import Group
from eqae.nn.fibre import GroupAxisLinear

AttentionMode = Literal["soft", "hard"]
Temperature = Annotated[float, Ge(1e-3), Le(1e3)]
"""What scores are divided by; bounded so that the quotient of any sane score is finite."""


class EquivariantAttention(nn.Module):
    """Turns V into a standard pose by a soft or hard choice of row, and back.

    The score is an equivariant map with one output channel, so its softmax ``w`` moves with the rows of V, and
    ``Q[g] = Σ_s w[s] V[sg]`` does not move at all: Q is the group correlation of the weights with every channel.
    The inverse ``V[g] = Σ_t w[t] Q[t⁻¹g]`` is exact where ``w`` is one-hot; the entropy of ``w`` says how far from
    that it is.

    Hard attention applies the one-hot of the largest weight instead and passes gradients as if it were the softmax
    (straight-through, Bengio et al. 2013, arXiv:1308.3432). Then Q is V of the image turned into its standard pose
    (canonicalisation) and the inverse is always exact; in return Q jumps where two largest weights trade places. Rows
    that tie because the image is symmetric lead to the same Q, so that which of them is chosen does not matter.

    Args:
        group: any group; only rows move.
        channels: m, the number of columns of V.
        mode: what is applied: the softmax, or the one-hot of its largest entry.
        temperature: divides the scores before the softmax; below one it sharpens.
    """

    cayley: Tensor
    quotient: Tensor

    def __init__(self, group: Group, channels: int, *, mode: AttentionMode = "soft", temperature: float = 1.0) -> None:
        super().__init__()
        self.order = group.order
        self.mode = mode
        self.temperature = temperature
        self.score = nn.Sequential(
            GroupAxisLinear(group, channels, channels, gain=2.0),
            nn.ReLU(),
            GroupAxisLinear(group, channels, 1),
        )
        self.register_buffer("cayley", torch.tensor(group.cayley).flatten(), persistent=False)
        self.register_buffer("quotient", torch.tensor(group.left_quotient).flatten(), persistent=False)

    def weights(self, embedding: Tensor) -> Tensor:
        """V ``(B, n, m)`` to the softmax over rows ``(B, n)``, in either mode: it says how decided the choice is."""
        return (self.score(embedding).squeeze(-1) / self.temperature).softmax(-1)

    def choice(self, weights: Tensor) -> Tensor:
        """Weights ``(B, n)`` to what is applied, ``(B, n)``: themselves, or exactly one-hot with their gradient."""
        if self.mode == "soft":
            return weights
        one_hot = torch.zeros_like(weights).scatter(-1, weights.argmax(-1, keepdim=True), 1.0)
        return one_hot + (weights - weights.detach())  # the bracket is exactly zero

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
    """Attention, a dense invariant code, and inverse attention: the middle of the attention autoencoder (Fig. 6).

    Args:
        group: any group.
        channels: m, the number of columns of V.
        code: size of the dense code.
        mode: see :class:`EquivariantAttention`.
        temperature: see :class:`EquivariantAttention`.
    """

    def __init__(
        self, group: Group, channels: int, code: int, *, mode: AttentionMode = "soft", temperature: float = 1.0
    ) -> None:
        super().__init__()
        self.code_size = code
        self.attention = EquivariantAttention(group, channels, mode=mode, temperature=temperature)
        self.encoder = nn.Sequential(nn.Flatten(1), nn.Linear(group.order * channels, code))
        self.decoder = nn.Sequential(nn.Linear(code, group.order * channels), nn.Unflatten(1, (group.order, channels)))

    def code(self, embedding: Tensor) -> Tensor:
        """V ``(B, n, m)`` to the invariant code ``(B, code)``."""
        return self._encode(self.attention.choice(self.attention.weights(embedding)), embedding)

    def forward(self, embedding: Tensor) -> tuple[Tensor, Tensor]:
        """V ``(B, n, m)`` to its reconstruction through the code ``(B, n, m)``, and the softmax ``(B, n)``."""
        weights = self.attention.weights(embedding)
        chosen = self.attention.choice(weights)
        standard = self.decoder(self._encode(chosen, embedding))
        return self.attention.invert(chosen, standard), weights

    def _encode(self, chosen: Tensor, embedding: Tensor) -> Tensor:
        code: Tensor = self.encoder(self.attention.apply_weights(chosen, embedding))
        return code
