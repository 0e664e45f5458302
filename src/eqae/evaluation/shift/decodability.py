"""Whether simple readers can tell from features where the object stands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score, roc_auc_score
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_predict

from eqae.evaluation.evidence import FloatArray, IntArray
from eqae.evaluation.preprocessing import ROUNDING, compress
from eqae.evaluation.probes import fit_linear_probe

Folds = Literal["shuffled", "ordered"]
Split = tuple[IntArray, IntArray]

_DIMENSIONS = 32
_FOLDS = 5


def readable(features: FloatArray, seed: int) -> FloatArray:
    """Features ``(rows, columns, D)`` of one object as probes see them: standardised, in at most 32 principal
    components, without those that vary by rounding alone: ``(rows, columns, d)``, d = 0 where nothing varies.
    """
    rows, columns, width = features.shape
    flat = features.reshape(-1, width)
    scale = np.maximum(np.abs(flat.mean(axis=0)), np.sqrt(np.square(flat, dtype=np.float64).mean()))
    flat = flat[:, flat.std(axis=0, dtype=np.float64) > ROUNDING * scale]
    if not flat.shape[1]:
        return np.zeros((rows, columns, 0), np.float32)
    return compress(flat, _DIMENSIONS, seed)[0].reshape(rows, columns, -1)


def position_auc(features: FloatArray, folds: Folds, seed: int) -> float:
    """How well a linear probe tells top from bottom and left from right: mean area under the ROC curve.

    Each is cross-validated five-fold (after Lee et al. 2020, who report accuracies of a linear SVM). ``"shuffled"``
    folds hold positions drawn at random, whose neighbours the probe knows; ``"ordered"`` ones hold a band of columns
    to be told top from bottom, of rows to be told left from right, where it has to extrapolate. 0.5 is chance.

    Args:
        features: ``(rows, columns, d)`` of :func:`readable`.
        folds: which positions are left out together.
        seed: of shuffled folds.
    """
    if not features.shape[-1]:
        return 0.5
    tasks = (features, features.swapaxes(0, 1))
    return float(np.mean([_lower_half_auc(task, folds, seed) for task in tasks]))


def position_r2(features: FloatArray, seed: int) -> float:
    """Share of the variance of row and column that ridge regression (penalty 1) explains; five shuffled folds.

    0 where nothing varies; a little below 0 where what varies says nothing of the position.
    """
    rows, columns, width = features.shape
    if not width:
        return 0.0
    places = np.stack(np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij"), axis=-1).reshape(-1, 2)
    folds = KFold(min(_FOLDS, len(places)), shuffle=True, random_state=seed)
    flat = features.reshape(-1, width).astype(np.float64)
    return float(r2_score(places, cross_val_predict(Ridge(1.0), flat, places, cv=folds)))


def _lower_half_auc(features: FloatArray, folds: Folds, seed: int) -> float:
    rows, columns, width = features.shape
    lower = np.repeat(np.arange(rows) >= rows / 2, columns).astype(np.int64)
    flat = features.reshape(-1, width)
    scores = [
        roc_auc_score(lower[held], fit_linear_probe(flat[fitted], lower[fitted], seed).decision_function(flat[held]))
        for fitted, held in _splits(lower, rows, columns, folds, seed)
    ]
    return float(np.mean(scores))


def _splits(lower: IntArray, rows: int, columns: int, folds: Folds, seed: int) -> Iterator[Split]:
    """Positions to fit on and positions to judge on; both hold both halves."""
    count = min(_FOLDS, rows, columns)
    if folds == "shuffled":
        yield from StratifiedKFold(count, shuffle=True, random_state=seed).split(lower, lower)
        return
    band: NDArray[np.int64] = np.tile(np.arange(columns) * count // columns, rows)
    for held in range(count):
        yield np.flatnonzero(band != held), np.flatnonzero(band == held)
