"""The same question for turns and mirrors, from features that are known already."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eqae.evaluation.evidence import Evidence, Features, Findings, Score
from eqae.evaluation.feature_space import unit_rows
from eqae.evaluation.pairs import pair_score
from eqae.evaluation.sampling import spread_evenly
from eqae.evaluation.scores import mean_score, unavailable

DoubleArray = NDArray[np.float64]

_BLOCK = 32  # images, in all their poses
_CONTROL = 1000  # images compared with each other, at most


def orbit_findings(evidence: Evidence) -> Findings:
    """``orbit_cosine`` by condition, ``orbit_cosine_floor``, and the drawing ``"orbit_polar"``; empty where no image
    was turned.
    """
    if not evidence.turned:
        return Findings(())
    cosines = {condition: orbit_cosines(features) for condition, features in evidence.turned.items()}
    scores = [
        mean_score("orbit_cosine", c[:, 1:].mean(axis=1), seed=evidence.seed, higher_is_better=True, condition=name)
        for name, c in cosines.items()
    ]
    floor = between_images(next(iter(evidence.turned.values())), evidence.seed)
    return Findings((*scores, floor), {"orbit_polar": _polar(evidence, cosines, floor.value)})


def orbit_cosines(features: Features) -> DoubleArray:
    """Cosine of ``f(x)`` and ``f(gx)``, ``(N, O)``; 0 where either is zero, and 1 for the identity all the same."""
    blocks = []
    for start in range(0, len(features.values), _BLOCK):
        block = features.values[start : start + _BLOCK]
        unit = unit_rows(block.reshape(-1, block.shape[2])).reshape(block.shape)
        blocks.append(np.einsum("nd,nod->no", unit[:, 0], unit, dtype=np.float64))
    cosines = np.clip(np.concatenate(blocks), -1, 1)
    cosines[:, 0] = 1
    return cosines


def between_images(features: Features, seed: int) -> Score:
    """``orbit_cosine_floor``: mean cosine between different images, at most 1,000 of them, spread evenly.

    What a cosine is worth shows above this level only: a constant extractor has both at 1.
    """
    upright = features.upright
    count = min(len(upright), _CONTROL)
    if count < 2:
        return unavailable("orbit_cosine_floor", "a single image", higher_is_better=False, n=count)
    unit = unit_rows(upright[spread_evenly(len(upright), count)])
    return pair_score("orbit_cosine_floor", unit @ unit.T, seed, most=1.0)


def _polar(evidence: Evidence, cosines: dict[str, DoubleArray], floor: float) -> dict[str, Any]:
    """Mean cosine by angle, of the condition with the most turns, and of whatever reverses the image first."""
    turned = {name: ~evidence.turned[name].mirrored for name in cosines}
    finest = max(turned, key=lambda name: int(turned[name].sum()))
    curve = dict(_by_angle(evidence.turned[finest], cosines[finest], turned[finest]))
    mirrored: dict[float, float] = {}
    for name, c in cosines.items():
        mirrored |= dict(_by_angle(evidence.turned[name], c, ~turned[name]))
    return {
        "angles": list(curve),
        "cosine": list(curve.values()),
        "mirrored_angles": list(mirrored),
        "mirrored_cosine": list(mirrored.values()),
        "floor": floor if np.isfinite(floor) else None,
    }


def _by_angle(features: Features, cosines: DoubleArray, chosen: NDArray[np.bool_]) -> Iterator[tuple[float, float]]:
    for o in sorted(np.flatnonzero(chosen), key=lambda o: features.angles[o] % 360):
        yield float(features.angles[o] % 360), float(cosines[:, o].mean())
