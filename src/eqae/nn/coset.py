"""Rows of a group put together from rows of a subgroup, one block a coset."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from eqae.groups import Group


class CosetStack(nn.Module):
    """Blocks of V over a subgroup H to V over the group: row ``ch`` is row h of what was said of ``c⁻¹x``.

    Where the blocks follow the row rule under H, the whole does under the group. The representatives c are the first
    elements of their cosets ``cH`` in the group's order, so the identity comes first, and for rotations turns of less
    than the subgroup's smallest.

    Attributes:
        cosets: index of the representative of each coset.
    """

    place: Tensor
    source: Tensor

    def __init__(self, group: Group, subgroup: Group) -> None:
        super().__init__()
        self.order = subgroup.order
        inside = group.indices_of(subgroup)
        rows: list[int] = []
        cosets: list[int] = []
        for c in range(group.order):
            if c not in rows:
                cosets.append(c)
                rows += [group.cayley[c][h] for h in inside]
        self.cosets = tuple(cosets)
        self.register_buffer("place", torch.tensor(rows), persistent=False)
        self.register_buffer("source", torch.tensor(rows).argsort(), persistent=False)

    def stack(self, blocks: Tensor) -> Tensor:
        """``(B, cosets, |H|, m)`` to V ``(B, |G|, m)``."""
        return blocks.flatten(1, 2).index_select(1, self.source)

    def split(self, embedding: Tensor) -> Tensor:
        """V ``(B, |G|, m)`` to its blocks ``(B, cosets, |H|, m)``."""
        return embedding.index_select(1, self.place).unflatten(1, (-1, self.order))
