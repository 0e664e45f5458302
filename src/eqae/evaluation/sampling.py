"""Which images stand for all of them where all would cost too much."""

from __future__ import annotations

import numpy as np

from eqae.evaluation.evidence import IntArray


def spread_evenly(count: int, most: int) -> IntArray:
    """Ascending indices of ``min(count, most)`` of ``count`` images, one at random from each of as many equal parts.

    Parts, because the images of a folder may be sorted by class; at random within them, because labels may repeat
    with a period, which equal steps would fall into. The same whenever the numbers are.
    """
    chosen = min(count, most)
    edges = np.arange(chosen + 1, dtype=np.int64) * count // max(chosen, 1)
    inside = np.random.default_rng([count, chosen]).random(chosen) * np.diff(edges)
    return edges[:-1] + inside.astype(np.int64)
