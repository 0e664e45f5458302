"""What the complete heads share: a few generic mixes of the channels, one scale, and features of degree 2 and 3.

Degree 2 alone cannot be complete: all correlations of all channels leave V open up to a unit u of the group algebra,
``V -> uV`` with ``u uᵀ = 1``, of which the group's own elements are a few. Degree 3 of one generic channel closes
this: its triple correlation changes under every unit but those. A whole channel in turn is known from its
correlation with a known generic one. So one fixed mix of the channels, known up to the group by its degree-3
invariants, and its correlation with every channel determine a generic V up to the group: it is enough to be cubic
in the mixes and linear in the channels.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
import torch
from annotated_types import Ge, Le
from torch import Tensor

from eqae.groups import Group
from eqae.heads.base import Head

Projections = Annotated[int, Ge(1), Le(2**10)]
"""How many mixes of the channels, p; m or more: the channels themselves."""
Seed = Annotated[int, Ge(0), Le(2**20)]
FLOOR = 1e-12
"""Added to the mean square of V: an embedding of zeros has finite gradients, and features all zero but the
scale, 1e-6."""
FEWER_MIXES = "lower head.projections; 1 is enough for a generic V"


class CubicHead(Head):
    """The scale ``s`` of V (its root mean square), then features of degree 2 and of degree 3.

    The features are computed from ``V/s`` and multiplied by ``s``, so that all of them are in the units of V, change no
    faster than V does, and stay in proportion where an image is fainter. Tables are kept in float64 and rounded to
    V's precision in use: rounded earlier, they would leave a head that is cast to float64 invariant to 1e-8 only.

    Args:
        group: the group.
        channels: m.
        width: D.
        projections: p, how many mixes of the channels.
        seed: of the mixes.
    """

    complete_up_to = "pose"
    mixes: Tensor

    def __init__(self, group: Group, channels: int, width: int, projections: int, seed: int) -> None:
        super().__init__(group, channels, width)
        self.register_buffer("mixes", generic_mixes(channels, projections, seed), persistent=False)

    def forward(self, embedding: Tensor) -> Tensor:
        """V ``(B, |G|, m)`` to ``(B, D)``."""
        scale = (embedding.square().mean((1, 2)) + FLOOR).sqrt()[:, None]
        rows = embedding / scale[..., None]
        return torch.cat([scale, scale * self.squares(rows), scale * self.cubes(self.mix(rows))], 1)

    def mix(self, rows: Tensor) -> Tensor:
        """``(B, |G|, m)`` to the mixes of the channels ``(B, |G|, p)``."""
        return rows @ self.mixes.to(rows.dtype)

    def squares(self, rows: Tensor) -> Tensor:
        """V of unit scale ``(B, |G|, m)`` to the correlations of its mixes with its channels ``(B, ...)``."""
        raise NotImplementedError

    def cubes(self, mixed: Tensor) -> Tensor:
        """Mixes ``(B, |G|, p)`` to their invariants of degree 3 ``(B, ...)``."""
        raise NotImplementedError


def mix_count(channels: int, projections: int) -> int:
    """p: never more mixes than there are channels."""
    return min(channels, projections)


def generic_mixes(channels: int, projections: int, seed: int) -> Tensor:
    """Columns of length 1, ``(m, p)``: Gaussian directions, which miss every special one; the identity where p = m.

    Drawn by the generator that numpy promises never to change: a checkpoint does not store them.
    """
    count = mix_count(channels, projections)
    if count == channels:
        return torch.eye(channels, dtype=torch.float64)
    drawn = np.random.RandomState(seed).standard_normal((channels, count))
    return torch.from_numpy(drawn / np.linalg.norm(drawn, axis=0))
