"""One pass over all placements of all sprites: what is kept of it fits in memory at any size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eqae.evaluation.evidence import FloatArray, IntArray
from eqae.evaluation.shift.canvas import Stage
from eqae.evaluation.shift.local_cosine import LocalCosine

Encode = Callable[[Tensor], Tensor]
Predict = Callable[[FloatArray], IntArray]

_CONTROL = 5  # positions along each axis at which different sprites are compared
_PROBED = 24  # positions along each axis, at most, whose features are kept for the probes of position


@dataclass(frozen=True, eq=False)
class ShiftMaps:
    """What K sprites at the positions of a grid gave.

    Attributes:
        cosine: ``(K, 5, rows, columns)`` float32, between the features at a position and at each anchor.
        local: ``(K, R)`` mean cosine between positions at most r apart, one column a radius.
        within: ``(K,)`` mean cosine over all pairs of different positions.
        between: ``(K, K)`` mean cosine of two sprites at equal positions.
        predictions: ``(K, rows, columns)`` labels; None without a classifier.
        probed: ``(k, rows', columns', D)`` features of the probed sprites at positions spread over the grid.
        undefined: placements with no feature but zeros, whose cosines count as 0.
    """

    cosine: FloatArray
    local: NDArray[np.float64]
    within: NDArray[np.float64]
    between: NDArray[np.float64]
    predictions: IntArray | None
    probed: FloatArray
    undefined: int


@dataclass(frozen=True, eq=False)
class _SpriteMaps:
    """The same for one sprite; ``control``: unit features where sprites are compared."""

    cosine: FloatArray
    local: NDArray[np.float64]
    within: float
    control: Tensor
    predictions: IntArray
    probed: FloatArray
    undefined: int


def shift_maps(
    encode: Encode,
    stage: Stage,
    *,
    batch_size: int,
    radii: Sequence[int] = (),
    predict: Predict | None = None,
    probed: Sequence[int] = (),
) -> ShiftMaps:
    """Features of every sprite at every position, and their cosines with those at the five anchors.

    Features stream by: beyond the maps themselves no more is held than a batch, the rows within the largest radius
    and the features at 25 positions a sprite, which ``between`` is the mean over.

    Args:
        encode: images ``(B, C, H, W)`` to features ``(B, D)``.
        stage: sprites and positions.
        batch_size: images encoded at once; changes no figure.
        radii: of ``local``, in grid steps.
        predict: labels ``(B,)`` of features ``(B, D)``.
        probed: sprites whose features are kept, at no more than 24 x 24 positions.
    """
    lattice = _spread(stage, _PROBED)
    passes = [
        _sprite_maps(encode, stage, k, batch_size, radii, predict, _numbers(stage, lattice) if k in probed else None)
        for k in range(len(stage.sprites))
    ]
    kept = [one.probed.reshape(len(lattice[0]), len(lattice[1]), -1) for one in passes if len(one.probed)]
    control = torch.stack([one.control for one in passes]).flatten(1)
    return ShiftMaps(
        cosine=np.stack([one.cosine for one in passes]),
        local=np.stack([one.local for one in passes]),
        within=np.array([one.within for one in passes]),
        between=(control @ control.T).double().cpu().numpy() / len(passes[0].control),
        predictions=np.stack([one.predictions for one in passes]) if predict else None,
        probed=np.stack(kept) if kept else np.zeros((0, 0, 0, 0), np.float32),
        undefined=sum(one.undefined for one in passes),
    )


def unit_rows(features: Tensor) -> Tensor:
    """Rows ``(B, D)`` scaled to length 1; rows of zeros stay, so that their cosine with anything is 0."""
    length = torch.linalg.vector_norm(features, dim=1, keepdim=True, dtype=torch.float64)
    return (features / torch.where(length > 0, length, 1.0)).float()


def _sprite_maps(
    encode: Encode,
    stage: Stage,
    sprite: int,
    batch_size: int,
    radii: Sequence[int],
    predict: Predict | None,
    probed: Tensor | None,
) -> _SpriteMaps:
    anchors = unit_rows(encode(stage.canvases(sprite, stage.anchors)))
    local = LocalCosine(radii, stage.columns)
    control = _Picked(_numbers(stage, _spread(stage, _CONTROL)))
    kept = _Picked(torch.zeros(0, dtype=torch.int64) if probed is None else probed)
    total = torch.zeros(anchors.shape[1], dtype=torch.float64, device=anchors.device)
    cosine: list[Tensor] = []
    predictions: list[IntArray] = []
    defined = 0
    for block in torch.arange(len(stage)).split(max(1, batch_size // stage.columns) * stage.columns):
        features = torch.cat([encode(stage.canvases(sprite, part)) for part in block.split(batch_size)])
        units = unit_rows(features)
        cosine.append(anchors @ units.T)
        local.add(units.unflatten(0, (-1, stage.columns)))
        total = total + units.sum(0, dtype=torch.float64)
        defined += int(units.any(1).sum())
        control.add(block, units)
        kept.add(block, features)
        if predict:
            predictions.append(predict(_numpy(features)))
    pairs = len(stage) * (len(stage) - 1)
    grid = (stage.rows, stage.columns)
    return _SpriteMaps(
        cosine=_numpy(torch.cat(cosine, 1).clamp(-1, 1)).reshape(-1, *grid),
        local=local.means(),
        # |Σu|² holds every pair twice, and each position with itself once.
        within=(float(total.square().sum()) - defined) / pairs,
        control=control.rows(),
        predictions=np.concatenate(predictions).reshape(grid) if predict else np.zeros(grid, np.int64),
        probed=_numpy(kept.rows()),
        undefined=len(stage) - defined,
    )


class _Picked:
    """Rows at chosen positions, taken while blocks of consecutive positions pass."""

    def __init__(self, positions: Tensor) -> None:
        self._positions = positions
        self._rows: list[Tensor] = []

    def add(self, block: Tensor, rows: Tensor) -> None:
        inside = (self._positions >= block[0]) & (self._positions <= block[-1])
        self._rows.append(rows[(self._positions[inside] - block[0]).to(rows.device)])

    def rows(self) -> Tensor:
        return torch.cat(self._rows)


def _spread(stage: Stage, most: int) -> tuple[Tensor, Tensor]:
    """Rows and columns of a coarser grid from edge to edge, no more than ``most`` of each."""

    def along(count: int) -> Tensor:
        places = min(count, most)
        return torch.arange(places) * (count - 1) // (places - 1)

    return along(stage.rows), along(stage.columns)


def _numbers(stage: Stage, grid: tuple[Tensor, Tensor]) -> Tensor:
    """Position numbers of all pairs of the rows and columns, in rising order."""
    rows, columns = grid
    return (rows[:, None] * stage.columns + columns).flatten()


def _numpy(values: Tensor) -> FloatArray:
    array: FloatArray = values.float().cpu().numpy()
    return array
