"""Which images stand for all of them where all would cost too much."""

from __future__ import annotations

import numpy as np

from eqae.evaluation.evidence import IntArray


def spread_evenly(count: int, most: int) -> IntArray:
    """Indices of ``min(count, most)`` of ``count`` images, evenly spread: images of a folder may be sorted by class."""
    chosen = min(count, most)
    return np.arange(chosen, dtype=np.int64) * count // max(chosen, 1)
