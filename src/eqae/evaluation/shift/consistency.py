"""How often two placements of one object get the same decision (Zhang 2019)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from eqae.evaluation.evidence import IntArray


def prediction_consistency(predictions: IntArray) -> NDArray[np.float64]:
    """Probability that two different positions, drawn at random, get the same label; exact, from class counts.

    Args:
        predictions: ``(K, rows, columns)`` labels.

    Returns:
        ``(K,)``: ``Σ_c n_c (n_c − 1) / (n (n − 1))`` of each sprite.
    """
    positions = predictions[0].size
    same = [int((counts * (counts - 1)).sum()) for counts in (_counts(labels) for labels in predictions)]
    return np.array(same) / (positions * (positions - 1))


def local_consistency(predictions: IntArray, radius: int) -> NDArray[np.float64]:
    """The same over pairs of positions with ``0 < max|p − q| <= radius`` grid steps, ``(K,)``."""
    _, rows, columns = predictions.shape
    same, pairs = np.zeros(len(predictions), np.int64), 0
    for down in range(min(radius, rows - 1) + 1):
        for across in range(-min(radius, columns - 1), min(radius, columns - 1) + 1):
            if down == 0 and across <= 0:
                continue  # each pair once
            here = predictions[:, : rows - down, max(0, -across) : columns - max(0, across)]
            there = predictions[:, down:, max(0, across) : columns + min(0, across)]
            same += (here == there).sum(axis=(1, 2))
            pairs += here[0].size
    return same / pairs


def placewise_agreement(predictions: IntArray) -> NDArray[np.float64]:
    """Share of positions at which two sprites get the same label, ``(K, K)``."""
    flat = predictions.reshape(len(predictions), -1)
    return np.stack([(labels == flat).mean(axis=1) for labels in flat])


def _counts(labels: IntArray) -> IntArray:
    return np.unique(labels, return_counts=True)[1].astype(np.int64)
