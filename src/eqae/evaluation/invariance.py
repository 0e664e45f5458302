"""How far features move when the image is turned."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import pdist

from eqae.evaluation.declaration import evaluator
from eqae.evaluation.evidence import Evidence, Features, Findings, FloatArray, NotAvailable, Score
from eqae.evaluation.preprocessing import ROUNDING
from eqae.evaluation.sampling import spread_evenly
from eqae.evaluation.scores import mean_score

DoubleArray = NDArray[np.float64]

DISTANCE_IMAGES = 2_000


@evaluator(needs={"orbits", "untrained"}, cost=lambda scale: 1e-7 * 80 * scale.turned * scale.width)
def evaluate_invariance(evidence: Evidence) -> Findings:
    """``relative_invariance_error``, ``invariance_ratio`` and ``relative_interpolation_floor``, by condition.

    The error is the mean over images and transforms other than the identity of ``|f(gx) - f(x)| / |f(x)|``, for the
    trained and the initial weights. The ratio has the mean distance between different images below the same
    numerator, so that an extractor which maps all images to nearly one point does not pass for invariant; a constant
    one gets NaN. The floor is the error's formula for images turned and turned back: what interpolation does to the
    pixels before any network sees them. Images whose features are all zero have no relative error and are left out.

    Drawing ``"angle_curve"``: relative error by angle, from 0 to 360 degrees, ``floor`` and ``untrained`` beside it.
    """
    if not evidence.turned:
        raise NotAvailable("no image was turned")
    scores: list[Score] = []
    for condition, features in evidence.turned.items():
        scores += _movement_scores(features, condition, evidence.seed, untrained=False)
        if condition in evidence.there_and_back:
            moved = _relative_samples(evidence.there_and_back[condition])
            scores.append(
                mean_score("relative_interpolation_floor", moved, seed=evidence.seed, higher_is_better=False,
                           condition=condition, why="the features are zero")
            )  # fmt: skip
    for condition, features in evidence.untrained.items():
        scores += _movement_scores(features, condition, evidence.seed, untrained=True)
    return Findings(tuple(scores), _angle_curve(evidence))


def relative_movement(features: Features) -> DoubleArray:
    """``|f(gx) - f(x)| / |f(x)|`` of the n images whose features are not all zero, ``(n, O - 1)``: no identity."""
    size = _norm(features.upright)
    return (_movement(features) / np.where(size > 0, size, np.nan)[:, None])[size > 0]


def mean_distance(features: FloatArray) -> float:
    """Mean distance between different images of ``features (N, D)``, of at most 2,000 of them, evenly spread.

    NaN where there is none: a single image, or features that differ between images by rounding alone.
    """
    if len(features) < 2:
        return float("nan")
    features = features[spread_evenly(len(features), DISTANCE_IMAGES)]
    distance = float(pdist(features.astype(np.float64)).mean())
    return distance if distance > ROUNDING * float(_norm(features).mean()) else float("nan")


def _movement_scores(features: Features, condition: str, seed: int, untrained: bool) -> Iterator[Score]:
    ratio = (_movement(features) / mean_distance(features.upright)).mean(axis=1)
    figures = {
        "relative_invariance_error": (_relative_samples(features), "the features are zero"),
        "invariance_ratio": (ratio, "the features do not differ between images"),
    }
    for metric, (samples, why) in figures.items():
        yield mean_score(
            metric, samples, seed=seed, higher_is_better=False, condition=condition, untrained=untrained, why=why
        )


def _relative_samples(features: Features) -> DoubleArray:
    """Mean over transforms of the relative movement of each image, ``(N,)``; NaN for those without features."""
    samples = np.full(len(features.values), np.nan)
    samples[_norm(features.upright) > 0] = relative_movement(features).mean(axis=1)
    return samples


def _movement(features: Features) -> DoubleArray:
    """``|f(gx) - f(x)|``, ``(N, O - 1)``; one transform at a time, which keeps the doubles small."""
    upright = features.upright
    columns = range(1, features.values.shape[1])
    return np.stack([_norm(features.values[:, o].astype(np.float64) - upright) for o in columns], axis=1)


def _norm(values: NDArray[Any]) -> DoubleArray:
    return np.linalg.norm(values.astype(np.float64), axis=-1)


def _angle_curve(evidence: Evidence) -> dict[str, Any]:
    turned = evidence.turned.get("any-angle")
    if turned is None:
        return {}
    untrained = evidence.untrained.get("any-angle")
    floor = evidence.there_and_back.get("any-angle")
    return {
        "angle_curve": {
            "angles": [*turned.angles.tolist(), 360.0],
            "error": _curve(turned),
            "floor": _curve(floor) if floor else None,
            "untrained": _curve(untrained) if untrained else None,
        }
    }


def _curve(features: Features) -> list[float]:
    """Mean relative movement by angle; no turn and the full turn, at both ends, are the image itself."""
    moved = relative_movement(features)
    inner = moved.mean(axis=0) if len(moved) else np.full(moved.shape[1], np.nan)
    return [0.0, *inner.tolist(), 0.0]
