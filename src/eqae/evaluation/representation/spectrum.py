"""How many directions the features use."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from eqae.evaluation.declaration import Scale, evaluator
from eqae.evaluation.evidence import Evidence, Findings, FloatArray, NotAvailable, Score
from eqae.evaluation.preprocessing import ROUNDING
from eqae.evaluation.sampling import spread_evenly

IMAGES = 2_000
SHARES = (0.9, 0.95, 0.99)
_POINTS = 80

DoubleArray = NDArray[np.float64]


def _seconds(scale: Scale) -> float:
    side = min(scale.train, IMAGES, scale.width)
    return 0.1 + 2e-10 * side**3 + 1e-10 * side * IMAGES * scale.width / 10


@evaluator(cost=_seconds)
def evaluate_spectrum(evidence: Evidence) -> Findings:
    """Eigenvalues of the covariance of at most 2,000 training images, spread evenly, features as they are.

    ``effective_rank``: exponential of the entropy of the eigenvalues as shares (Roy & Vetterli 2007), between 1 and
    the rank. ``participation_ratio``: ``(sum λ)² / sum λ²``, which counts weak directions less.
    ``components_for_90``, ``_95``, ``_99``: principal components that explain so much of the variance. No figure can
    exceed the number of images less one, and none has an interval: images repeated in a resample lower the rank.

    Drawing ``"explained_variance"``: ``components`` and the ``share`` of the variance that so many explain, at up to
    80 places spread over a logarithmic axis; ``width`` is D.

    Raises:
        NotAvailable: the features are constant.
    """
    train = evidence.train.upright
    features = train[spread_evenly(len(train), IMAGES)]
    values = covariance_eigenvalues(features)
    if values.sum() <= (ROUNDING * float(np.linalg.norm(features.mean(axis=0, dtype=np.float64)))) ** 2:
        raise NotAvailable("the features are constant")
    cumulative = np.cumsum(values) / values.sum()
    needed = {f"components_for_{100 * share:.0f}": _components_for(cumulative, share) for share in SHARES}
    figures = {"effective_rank": effective_rank(values), "participation_ratio": participation_ratio(values), **needed}
    scores = (Score(name, float(value), None, None, True, len(features)) for name, value in figures.items())
    return Findings(tuple(scores), {"explained_variance": _curve(cumulative, train.shape[1])})


def covariance_eigenvalues(features: FloatArray) -> DoubleArray:
    """Eigenvalues of the covariance of ``features (N, D)``, largest first, ``(min(N, D),)``.

    The matrix of inner products of the centred images has the same ones apart from zeros; the smaller one is solved.
    """
    centred = features - features.mean(axis=0, dtype=np.float64)
    wide = features.shape[1] > len(features)
    matrix = centred @ centred.T if wide else centred.T @ centred
    values = np.linalg.eigvalsh(matrix / max(len(features) - 1, 1))[::-1]
    return np.asarray(np.maximum(values, 0), np.float64)


def effective_rank(eigenvalues: DoubleArray) -> float:
    """``exp(-sum p log p)`` with ``p = λ / sum λ`` (Roy & Vetterli 2007)."""
    shares = eigenvalues[eigenvalues > 0] / eigenvalues.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def participation_ratio(eigenvalues: DoubleArray) -> float:
    """``(sum λ)² / sum λ²``."""
    return float(eigenvalues.sum() ** 2 / np.square(eigenvalues).sum())


def _components_for(cumulative: DoubleArray, share: float) -> int:
    return int(np.count_nonzero(cumulative < share - 1e-12)) + 1


def _curve(cumulative: DoubleArray, width: int) -> dict[str, Any]:
    places = np.unique(np.geomspace(1, len(cumulative), _POINTS).round().astype(int))
    return {"components": places.tolist(), "share": np.minimum(cumulative[places - 1], 1).tolist(), "width": width}
