"""The best one-to-one assignment of two images' tokens, exactly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from scipy.optimize import linear_sum_assignment

from eqae.evaluation.evidence import FloatArray, IntArray
from eqae.evaluation.semantic.tokens import TokenSets

Method = Literal["exact", "swaps", "windowed"]
"""Solvers of the assignment: the optimum; pairwise exchanges after sorting; the optimum within windows of sorted
tokens."""

Match = Callable[[FloatArray, TokenSets, IntArray, IntArray], IntArray]
"""From affinities ``(B, S, S)`` of images ``left (B,)`` and ``right (B,)`` to a permutation a pair ``(B, S)``."""


def match_exactly(affinity: FloatArray, tokens: TokenSets, left: IntArray, right: IntArray) -> IntArray:
    """The permutation of each pair that maximises ``sum_s A[s, P(s)]``, a linear assignment problem.

    Half the squared distance of the tokens is minimised instead, which is the same less a constant, and rows and
    columns are reduced by their minima: dual variables close to the optimal ones, from which the search for
    augmenting paths is about half as long (own formulation).
    """
    costs = reduced_costs(affinity, tokens, left, right)[0]
    return np.stack([linear_sum_assignment(cost)[1] for cost in costs]).astype(np.int64)


def reduced_costs(
    affinity: FloatArray, tokens: TokenSets, left: IntArray, right: IntArray
) -> tuple[FloatArray, FloatArray]:
    """Costs ``(B, S, S)`` that are nowhere negative and zero somewhere in every column, of the same best assignment.

    Returns:
        The costs, and the value ``(B,)`` of the dual variables taken off: no assignment has more affinity.
    """
    rows, columns = tokens.half_squares[left], tokens.half_squares[right]
    costs = (rows[:, :, None] + columns[:, None, :]) - affinity
    nearest = costs.min(axis=2, keepdims=True)
    costs -= nearest
    rest = costs.min(axis=1, keepdims=True)
    costs -= rest
    taken = nearest[:, :, 0].sum(1, dtype=np.float64) + rest[:, 0].sum(1, dtype=np.float64)
    return costs, rows.sum(1, dtype=np.float64) + columns.sum(1, dtype=np.float64) - taken
