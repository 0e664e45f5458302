"""Figures of a shift study, one value a sprite."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from eqae.evaluation.bootstrap import bootstrap_statistic
from eqae.evaluation.evidence import IntArray, Score
from eqae.evaluation.pairs import pair_mean, pair_score
from eqae.evaluation.preprocessing import ROUNDING
from eqae.evaluation.scores import mean_score, unavailable
from eqae.evaluation.shift.artefact import LEAST_PERIODS, stride_artefact
from eqae.evaluation.shift.canvas import ANCHORS
from eqae.evaluation.shift.consistency import local_consistency, placewise_agreement, prediction_consistency
from eqae.evaluation.shift.decodability import Folds, position_auc, position_r2, readable
from eqae.evaluation.shift.maps import ShiftMaps

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
        yield pair_score("shift_cosine_floor", maps.between, seed, most=1.0)
    yield _invariance_ratio(maps, seed)


def global_cosines(maps: ShiftMaps) -> NDArray[np.float64]:
    """Mean over positions of the cosine with each anchor, ``(K, 5)``."""
    means: NDArray[np.float64] = maps.cosine.mean(axis=(2, 3), dtype=np.float64)
    return means


def interior_score(maps: ShiftMaps, interior: NDArray[np.bool_], seed: int) -> Score:
    """Mean cosine with the centre over the positions of ``interior (rows, columns)``, away from the frame."""
    metric = "shift_interior_cosine"
    if interior.sum() < 2:
        return unavailable(metric, "too few positions away from the frame", n=len(maps.cosine))
    samples = maps.cosine[:, ANCHORS.index("C"), interior].mean(axis=1, dtype=np.float64)
    return mean_score(metric, samples, seed=seed, higher_is_better=True)


def artefact_scores(maps: ShiftMaps, stride: int, seed: int) -> Iterator[Score]:
    """:func:`stride_artefact` of each sprite's five maps, for periods that every axis of the grid holds thrice."""
    steps = min(maps.cosine.shape[2:])
    for period in PERIODS:
        if period % stride or period // stride < 2 or (steps - 1) // (period // stride) < LEAST_PERIODS:
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
    """Agreement of decisions over the whole frame, over small shifts, and of different objects."""
    if maps.predictions is None:
        return
    metric = "shift_prediction_consistency"
    anywhere = prediction_consistency(maps.predictions)
    yield mean_score(metric, anywhere, seed=seed, higher_is_better=True, condition="any shift")
    if stride <= NEAR:
        near = local_consistency(maps.predictions, NEAR // stride)
        yield mean_score(metric, near, seed=seed, higher_is_better=True, condition=f"up to {NEAR} px")
    if len(maps.predictions) < 2:
        yield unavailable("shift_prediction_floor", "a single object", higher_is_better=False, n=1)
    else:
        yield pair_score("shift_prediction_floor", placewise_agreement(maps.predictions), seed, most=1.0)


def _invariance_ratio(maps: ShiftMaps, seed: int) -> Score:
    """Mean cosine distance of one object to itself elsewhere, over that of different objects at one place.

    Both vary with the objects, so the interval resamples both.
    """
    metric, count = "shift_invariance_ratio", len(maps.between)
    if count < 2:
        return unavailable(metric, "a single object", higher_is_better=False, n=count)
    within = np.maximum(1 - maps.within, 0)

    def ratio(drawn: IntArray) -> float:
        between = 1 - pair_mean(maps.between, drawn)
        return float(within[drawn].mean() / between) if between > ROUNDING else float("nan")

    value = ratio(np.arange(count))
    if not np.isfinite(value) or maps.undefined == maps.cosine[:, 0].size:
        return unavailable(metric, "no feature tells the objects apart", higher_is_better=False, n=count)
    low, high = bootstrap_statistic(ratio, value, count, seed)
    return Score(metric, value, low, high, False, count)
