"""How many directions the features use."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eqae.evaluation.bootstrap import centred_interval
from eqae.evaluation.declaration import Scale, evaluator
from eqae.evaluation.evidence import Evidence, Findings, FloatArray, NotAvailable, Score
from eqae.evaluation.feature_space import multiplicity
from eqae.evaluation.intervals import within
from eqae.evaluation.preprocessing import ROUNDING
from eqae.evaluation.sampling import spread_evenly

IMAGES = 2_000
SHARES = (0.9, 0.95, 0.99)
_POINTS = 80
_RESAMPLES = 200

DoubleArray = NDArray[np.float64]


def _seconds(scale: Scale) -> float:
    side = min(scale.train, IMAGES, scale.width)
    return 0.2 + 6e-10 * side**3 + 1e-10 * side * IMAGES * scale.width / 10


@evaluator(cost=_seconds)
def evaluate_spectrum(evidence: Evidence) -> Findings:
    """Eigenvalues of the covariance of at most 2,000 training images, spread evenly, features as they are.

    ``effective_rank``: exponential of the entropy of the eigenvalues as shares (Roy & Vetterli 2007), between 1 and
    the rank. ``participation_ratio``: ``(sum λ)² / sum λ²``, which counts weak directions less.
    ``components_for_90``, ``_95``, ``_99``: principal components that explain so much of the variance. No figure can
    exceed the number of images less one. Intervals resample images with the principal axes held fixed, which is right
    to first order: images repeated in a resample would lower the rank of axes of its own.

    Drawing ``"explained_variance"``: ``components`` and the ``share`` of the variance that so many explain, at up to
    80 places spread over a logarithmic axis; ``width`` is D.

    Raises:
        NotAvailable: the features are constant.
    """
    train = evidence.train.upright
    features = train[spread_evenly(len(train), IMAGES)]
    values, coordinates = principal_coordinates(features)
    if values.sum() <= (ROUNDING * float(np.linalg.norm(features.mean(axis=0, dtype=np.float64)))) ** 2:
        raise NotAvailable("the features are constant")
    cumulative = np.cumsum(values) / values.sum()
    resampled = resampled_variances(coordinates, evidence.seed)
    scores = (_score(name, figure, values, resampled, len(features)) for name, figure in FIGURES.items())
    return Findings(tuple(scores), {"explained_variance": _curve(cumulative, train.shape[1])})


def _score(
    name: str, figure: Callable[[DoubleArray], float], values: DoubleArray, resampled: DoubleArray, images: int
) -> Score:
    value = figure(values)
    varied = [figure(variances) for variances in resampled if variances.any()]
    interval = centred_interval(value, varied) if images > 1 else (None, None)
    return Score(name, value, *within(interval, 1, len(values)), True, images)


def principal_coordinates(features: FloatArray) -> tuple[DoubleArray, DoubleArray]:
    """Eigenvalues of the covariance of ``features (N, D)``, largest first, ``(min(N, D),)``, and the coordinates of
    the images along its axes, ``(N, min(N, D))``.

    The matrix of inner products of the centred images has the same eigenvalues apart from zeros; the smaller one is
    solved.
    """
    centred = features - features.mean(axis=0, dtype=np.float64)
    wide, degrees = features.shape[1] > len(features), max(len(features) - 1, 1)
    values, axes = np.linalg.eigh((centred @ centred.T if wide else centred.T @ centred) / degrees)
    values, axes = np.maximum(values[::-1], 0), axes[:, ::-1]
    return values, axes * np.sqrt(values * degrees) if wide else centred @ axes


def resampled_variances(coordinates: DoubleArray, seed: int) -> DoubleArray:
    """Variance of ``coordinates (N, r)`` along each axis in resamples of the images, largest first, ``(200, r)``."""
    images, rng = len(coordinates), np.random.default_rng(seed)
    draws = [multiplicity(rng.integers(images, size=images), images) for _ in range(_RESAMPLES)]
    shares = np.stack(draws).astype(np.float64) / images
    variances = shares @ np.square(coordinates) - np.square(shares @ coordinates)
    return np.sort(np.maximum(variances, 0), axis=1)[:, ::-1]


def effective_rank(eigenvalues: DoubleArray) -> float:
    """``exp(-sum p log p)`` with ``p = λ / sum λ`` (Roy & Vetterli 2007)."""
    shares = eigenvalues[eigenvalues > 0] / eigenvalues.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def participation_ratio(eigenvalues: DoubleArray) -> float:
    """``(sum λ)² / sum λ²``."""
    return float(eigenvalues.sum() ** 2 / np.square(eigenvalues).sum())


def components_for(eigenvalues: DoubleArray, share: float) -> float:
    """How many of the ``eigenvalues``, largest first, explain that share of the variance."""
    cumulative = np.cumsum(eigenvalues) / eigenvalues.sum()
    return float(np.count_nonzero(cumulative < share - 1e-12)) + 1


FIGURES: dict[str, Callable[[DoubleArray], float]] = {
    "effective_rank": effective_rank,
    "participation_ratio": participation_ratio,
    **{f"components_for_{100 * share:.0f}": partial(components_for, share=share) for share in SHARES},
}


def _curve(cumulative: DoubleArray, width: int) -> dict[str, Any]:
    places = np.unique(np.geomspace(1, len(cumulative), _POINTS).round().astype(int))
    return {"components": places.tolist(), "share": np.minimum(cumulative[places - 1], 1).tolist(), "width": width}
