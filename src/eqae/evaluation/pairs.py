"""Means over pairs of different objects, whose intervals resample objects."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from eqae.evaluation.bootstrap import bootstrap_statistic
from eqae.evaluation.evidence import IntArray, Score


def pair_mean(values: NDArray[np.floating[Any]], drawn: IntArray) -> float:
    """Mean of ``values (N, N)`` over pairs of different objects among the ``drawn (n,)``, which may repeat.

    A pair counts as often as the product of how often its two objects were drawn, and no object meets itself. NaN
    where a single object was drawn.
    """
    weights = np.bincount(drawn, minlength=len(values)).astype(values.dtype)
    doubles = np.square(weights, dtype=np.float64)
    pairs = len(drawn) ** 2 - doubles.sum()
    if not pairs:
        return float("nan")
    diagonal = np.diagonal(values).astype(np.float64)
    return float((float(weights @ values @ weights) - doubles @ diagonal) / pairs)


def pair_score(
    metric: str,
    values: NDArray[np.floating[Any]],
    seed: int,
    *,
    higher_is_better: bool = False,
    condition: str = "",
    most: float = np.inf,
) -> Score:
    """Mean of ``values (N, N)`` off the diagonal, no larger than ``most``; the interval resamples objects."""
    count = len(values)
    value = min(most, pair_mean(values, np.arange(count)))
    low, high = bootstrap_statistic(lambda drawn: pair_mean(values, drawn), value, count, seed)
    return Score(metric, value, low, high, higher_is_better, count, condition)
