"""What the best assignment cannot exceed, without solving it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from eqae.evaluation.evidence import FloatArray, IntArray
from eqae.evaluation.semantic.assignment import reduced_costs
from eqae.evaluation.semantic.tokens import TokenSets


def upper_bounds(affinity: FloatArray, tokens: TokenSets, left: IntArray, right: IntArray) -> NDArray[np.float64]:
    """The least of three bounds on ``max_P sum_s A[s, P(s)]`` of each pair, ``(B,)``.

    Every row takes its best column; every column takes its best row; and the value of a feasible dual solution (see
    :func:`reduced_costs`).
    """
    by_row = affinity.max(axis=2).sum(1, dtype=np.float64)
    by_column = affinity.max(axis=1).sum(1, dtype=np.float64)
    _, dual = reduced_costs(affinity, tokens, left, right)
    return np.minimum(np.minimum(by_row, by_column), dual)
