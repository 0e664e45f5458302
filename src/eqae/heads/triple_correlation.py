"""Triple correlation over the group: third-order invariants that are complete up to the group (Kakarala 1992)."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eqae.groups import Group
from eqae.heads.base import check_size
from eqae.heads.cubic import FEWER_MIXES, CubicHead, Projections, Seed, mix_count


class TripleCorrelationHead(CubicHead):
    """``T[i, j, k, a, b] = (1/|G|) Σ_g U[g, i] U[ga, j] U[gb, k]`` of p fixed mixes U of the channels, each once, and
    the correlations ``A[i, j, h] = (1/|G|) Σ_g U[g, i] V[gh, j]`` of every mix with every channel.

    Permuting the three factors and moving them together by a group element leaves T as it is: of |G|² numbers for
    one mix 15 are different for D4 and 109 for D12. ``1 + p·|G|·m`` features, and those of T. With p >= m the mixes
    are the channels themselves. See :class:`eqae.heads.cubic.CubicHead` for the scale.

    Args:
        group: the group.
        channels: m.
        projections: p; one is complete for a generic V, more are surer where a mix happens to be weak.
        seed: of the mixes.

    Raises:
        ConfigError: too many features for these m and p, or too many numbers on the way to them.
    """

    translations: Tensor
    letters: Tensor

    def __init__(self, group: Group, channels: int, *, projections: Projections = 2, seed: Seed = 0) -> None:
        n, p = group.order, mix_count(channels, projections)
        pairs, triples = p * n * channels, math.comb(n * p + 2, 3) // n
        check_size("triple_correlation", 1 + pairs + triples, n * max(triples, n * p), FEWER_MIXES)
        letters = distinct_triples(group, p)
        super().__init__(group, channels, 1 + pairs + len(letters), projections, seed)
        self.register_buffer("translations", torch.tensor(group.cayley).T.flatten(), persistent=False)
        self.register_buffer("letters", torch.from_numpy(letters).T.contiguous(), persistent=False)

    def squares(self, rows: Tensor) -> Tensor:
        """``(B, |G|, m)`` to A ``(B, p·m·|G|)``."""
        # Summed over gh instead of g: the few mixes are moved by h⁻¹ in place of the many channels by h.
        shifted = self._shifted(self.mix(rows))[:, list(self.group.inverses)]
        return torch.einsum("bhgi,bgj->bijh", shifted, rows).flatten(1) / self.group.order

    def cubes(self, mixed: Tensor) -> Tensor:
        """``(B, |G|, p)`` to the different numbers of T ``(B, ...)``."""
        shifted = self._shifted(mixed).permute(0, 2, 3, 1).flatten(2)  # [b, g, (i, a)] = U[b, ga, i]
        first, second, third = (shifted[:, :, letter] for letter in self.letters.unbind())
        return (first * second * third).mean(1)

    def feature_names(self) -> list[str]:
        """``scale``, ``correlation_i_j_h`` and ``triple_i_j_k_a_b``; i and k count mixes, j channels, then mixes."""
        n, p = self.group.order, self.mixes.shape[1]
        pairs = [f"correlation_{i}_{j}_{h}" for i in range(p) for j in range(self.channels) for h in range(n)]
        triples = []
        for first, second, third in self.letters.T.tolist():
            (j, a), (k, b) = divmod(second, n), divmod(third, n)
            triples.append(f"triple_{first // n}_{j}_{k}_{a}_{b}")
        return ["scale", *pairs, *triples]

    def _shifted(self, mixed: Tensor) -> Tensor:
        """``[b, h, g] = U[b, gh]``."""
        n = self.group.order
        return mixed.index_select(1, self.translations).unflatten(1, (n, n))


def distinct_triples(group: Group, mixes: int) -> NDArray[np.int64]:
    """One representative ``(F, 3)`` of every class of triples of letters ``i·|G| + a``, mix i at element a.

    Two triples are of one class where the sums over g of their products are the same: factors in another order, or
    all three moved by one group element. The first letter of a representative stands at the identity.
    """
    n = group.order
    letters = np.arange(n * mixes)
    first, second, third = np.meshgrid(np.arange(mixes) * n, letters, letters, indexing="ij")
    triples = np.stack([first, second, third], -1).reshape(-1, 3)
    triples = triples[(triples[:, 0] <= triples[:, 1]) & (triples[:, 1] <= triples[:, 2])]
    quotient = np.array(group.left_quotient)
    codes = np.full(len(triples), (n * mixes) ** 3)
    for base in range(3):
        mix, element = divmod(triples, n)
        moved = np.sort(mix * n + quotient[element[:, [base]], element], 1)
        code = (moved[:, 0] * n * mixes + moved[:, 1]) * n * mixes + moved[:, 2]
        leads = mix[:, base] == mix[:, 0]  # only then the letter at the identity sorts to the front
        codes = np.minimum(codes, np.where(leads, code, codes))
    kept = np.unique(codes)
    return np.stack([kept // (n * mixes) ** 2, kept // (n * mixes) % (n * mixes), kept % (n * mixes)], 1)
