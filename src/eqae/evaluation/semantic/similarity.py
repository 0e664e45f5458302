"""Representational similarity matrices: with positions compared one to one, and matched."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eqae.evaluation.semantic.affinity import affinities, aligned, all_pairs, pair_blocks
from eqae.evaluation.semantic.assignment import Match
from eqae.evaluation.semantic.tokens import TokenSets

DoubleArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Similarities:
    """Inner products of the token sets of N images.

    Attributes:
        spatial: ``K_ss (N, N)``: every token meets the one at its own position.
        semantic: ``K_sem (N, N)``: every token meets the one it is assigned.
    """

    spatial: DoubleArray
    semantic: DoubleArray


def similarities(tokens: TokenSets, match: Match) -> Similarities:
    """``K_ss[i, j] = sum_s <v_is, v_js>`` and ``K_sem[i, j] = max_P sum_s <v_is, v_jP(s)>`` (Wald et al. 2024).

    One assignment a pair i < j serves every kernel, for norms do not depend on it. On the diagonal both are ``|V|²``.

    Args:
        tokens: of N images.
        match: finds the assignments; an approximate one gives a lower bound of ``K_sem``.
    """
    squares = np.square(tokens.values, dtype=np.float64).sum((1, 2))
    spatial, semantic = np.diag(squares), np.diag(squares)
    for left, right in pair_blocks(tokens, *all_pairs(len(tokens))):
        affinity = affinities(tokens, left, right)
        spatial[left, right] = np.trace(affinity, axis1=1, axis2=2, dtype=np.float64)
        semantic[left, right] = matched(affinity, tokens, match, left, right)
    return Similarities(_mirrored(spatial), _mirrored(semantic))


def matched(
    affinity: NDArray[np.float32], tokens: TokenSets, match: Match, left: NDArray[np.int64], right: NDArray[np.int64]
) -> DoubleArray:
    """``sum_s A[s, P(s)]`` of each pair with the assignment that ``match`` finds, ``(B,)``."""
    return aligned(affinity, match(affinity, tokens, left, right)).sum(1, dtype=np.float64)


def _mirrored(upper: DoubleArray) -> DoubleArray:
    return np.triu(upper) + np.triu(upper, 1).T
