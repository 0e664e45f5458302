"""What a ranking by similarity is worth. Ties never help: members of a tie are ranked as one, irrelevant ones first."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

DoubleArray = NDArray[np.float64]


def precision_at_hits(relevant: NDArray[Any], irrelevant: NDArray[Any]) -> DoubleArray:
    """Precision of the ranking cut just below each relevant item.

    Its mean is the average precision: the area under the precision-recall curve as a sum of steps, without
    interpolation.

    Args:
        relevant: similarities ``(P,)`` of relevant items.
        irrelevant: similarities ``(M,)`` of all others.

    Returns:
        ``(P,)``, in the order of ``relevant``.
    """
    hits = _at_least(relevant, relevant)
    return hits / (hits + _at_least(irrelevant, relevant))


def rank_of_first(relevant: NDArray[Any], irrelevant: NDArray[Any]) -> int:
    """The place, from 1, of the most similar relevant item."""
    return 1 + int(np.count_nonzero(irrelevant >= relevant.max()))


def share_below(relevant: NDArray[Any], irrelevant: NDArray[Any]) -> DoubleArray:
    """The share of irrelevant items less similar than each relevant one, ties by half, ``(P,)``.

    Its mean is the area under the ROC curve (Mann & Whitney 1947).
    """
    ordered = np.sort(irrelevant)
    below = np.searchsorted(ordered, relevant, "left") + np.searchsorted(ordered, relevant, "right")
    return np.asarray(below / (2 * len(ordered)), np.float64)


def recall_threshold(relevant: NDArray[Any], irrelevant: NDArray[Any], precision: float) -> float:
    """The lowest similarity at which the ranking can be cut with at least ``precision``; infinite where none does."""
    enough = relevant[precision_at_hits(relevant, irrelevant) >= precision]
    return float(enough.min()) if len(enough) else float("inf")


def _at_least(values: NDArray[Any], bounds: NDArray[Any]) -> DoubleArray:
    """How many of ``values`` are not below each of ``bounds``."""
    return np.asarray(len(values) - np.searchsorted(np.sort(values), bounds, "left"), np.float64)
