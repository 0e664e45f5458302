"""Figures of a shift study, one value a sprite."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from eqae.evaluation.evidence import Score
from eqae.evaluation.preprocessing import ROUNDING
from eqae.evaluation.scores import mean_score, unavailable
from eqae.evaluation.shift.artefact import stride_artefact
from eqae.evaluation.shift.canvas import ANCHORS
from eqae.evaluation.shift.consistency import local_consistency, prediction_consistency
from eqae.evaluation.shift.decodability import Folds, position_auc, position_r2, readable
from eqae.evaluation.shift.maps import ShiftMaps
from eqae.evaluation.shift.orbit import gram_floor

LOCAL = (1, 3, 5)
"""Pixels within which positions are neighbours."""

PERIODS = (2, 4, 8, 16)
"""Pixels between the samples of common strides."""

NEAR = 7
"""Pixels of a small shift of the object, for its decisions."""

_FOLDS: tuple[Folds, ...] = ("shuffled", "ordered")


def local_radii(stride: int, positions: int) -> dict[int, int]:
    """Radii of :data:`LOCAL` in pixels that hold a neighbour, with what they are in grid steps."""
    return {radius: radius // stride for radius in LOCAL if 1 <= radius // stride < positions}


def cosine_scores(maps: ShiftMaps, radii: dict[int, int], seed: int) -> Iterator[Score]:
    """Mean and worst cosine with the anchors, local cosine, the floor between objects, and the invariance ratio."""
    for anchor, samples in zip(ANCHORS, global_cosines(maps).T, strict=True):
        yield mean_score("shift_global_cosine", samples, seed=seed, higher_is_better=True, condition=anchor)
    worst = maps.cosine.min(axis=(1, 2, 3))
    yield mean_score("shift_worst_cosine", worst, seed=seed, higher_is_better=True)
    for radius, samples in zip(radii, maps.local.T, strict=True):
        yield mean_score("shift_local_cosine", samples, seed=seed, higher_is_better=True, condition=f"{radius} px")
    if len(maps.between) < 2:
        yield unavailable("shift_cosine_floor", "a single object", higher_is_better=False, n=1)
    else:
        yield gram_floor("shift_cosine_floor", maps.between, seed)
    yield _invariance_ratio(maps, seed)


def global_cosines(maps: ShiftMaps) -> NDArray[np.float64]:
    """Mean over positions of the cosine with each anchor, ``(K, 5)``."""
    means: NDArray[np.float64] = maps.cosine.mean(axis=(2, 3), dtype=np.float64)
    return means


def artefact_scores(maps: ShiftMaps, stride: int, seed: int) -> Iterator[Score]:
    """:func:`stride_artefact` of each sprite's five maps, for periods no longer than half an axis of the grid."""
    steps = min(maps.cosine.shape[2:])
    for period in PERIODS:
        if period % stride or not 2 <= period // stride <= steps / 2:
            continue
        samples = [stride_artefact(sprite, period // stride) for sprite in maps.cosine]
        condition = f"stride {period}"
        yield mean_score("shift_stride_artefact", samples, seed=seed, higher_is_better=False, condition=condition)


def position_scores(maps: ShiftMaps, seed: int) -> Iterator[Score]:
    """What linear readers know of the position, for the probed sprites."""
    probed = [readable(features, seed) for features in maps.probed]
    for folds in _FOLDS:
        samples = [position_auc(features, folds, seed) for features in probed]
        condition = f"{folds} folds"
        yield mean_score("shift_decodability", samples, seed=seed, higher_is_better=False, condition=condition)
    explained = [position_r2(features, seed) for features in probed]
    yield mean_score("shift_position_r2", explained, seed=seed, higher_is_better=False)


def consistency_scores(maps: ShiftMaps, stride: int, seed: int) -> Iterator[Score]:
    """Agreement of decisions over the whole frame, and over small shifts."""
    if maps.predictions is None:
        return
    metric = "shift_prediction_consistency"
    anywhere = prediction_consistency(maps.predictions)
    yield mean_score(metric, anywhere, seed=seed, higher_is_better=True, condition="any shift")
    if stride <= NEAR:
        near = local_consistency(maps.predictions, NEAR // stride)
        yield mean_score(metric, near, seed=seed, higher_is_better=True, condition=f"up to {NEAR} px")


def _invariance_ratio(maps: ShiftMaps, seed: int) -> Score:
    """Mean cosine distance of one object to itself elsewhere, over that of different objects at one place."""
    count = len(maps.between)
    if count < 2:
        return unavailable("shift_invariance_ratio", "a single object", higher_is_better=False, n=count)
    between = 1 - float(maps.between[~np.eye(count, dtype=bool)].mean())
    if between <= ROUNDING or maps.undefined == maps.cosine[:, 0].size:
        return unavailable(
            "shift_invariance_ratio", "no feature tells the objects apart", higher_is_better=False, n=count
        )
    within = np.maximum(1 - maps.within, 0)
    return mean_score("shift_invariance_ratio", within / between, seed=seed, higher_is_better=False)
