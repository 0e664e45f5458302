"""The best assignment within windows of tokens sorted by norm."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment

from eqae.evaluation.evidence import FloatArray, IntArray
from eqae.evaluation.semantic.assignment import Match
from eqae.evaluation.semantic.tokens import TokenSets


def match_in_windows(window: int) -> Match:
    """A solver that sorts both images' tokens by norm, cuts them into windows, and solves window by window.

    Like the batch-optimal approximation of Wald et al. (NeurIPS 2024), whose windows are larger.

    Args:
        window: tokens in a window; the last may hold fewer.
    """

    def match(affinity: FloatArray, tokens: TokenSets, left: IntArray, right: IntArray) -> IntArray:
        by_norm = tokens.rankings[0]
        rows, columns = by_norm[left], by_norm[right]
        assignment = np.empty_like(rows)
        for b, matrix in enumerate(affinity):
            for start in range(0, rows.shape[1], window):
                here, there = rows[b, start : start + window], columns[b, start : start + window]
                chosen = linear_sum_assignment(matrix[np.ix_(here, there)], maximize=True)[1]
                assignment[b, here] = there[chosen]
        return assignment

    return match
