"""How close an approximate assignment comes to the best one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from eqae.evaluation.semantic.affinity import affinities, pair_blocks
from eqae.evaluation.semantic.assignment import Match, match_exactly
from eqae.evaluation.semantic.similarity import matched
from eqae.evaluation.semantic.tokens import TokenSets


def optimality_ratios(tokens: TokenSets, match: Match, pairs: int, seed: int) -> NDArray[np.float64]:
    """What ``match`` attains as a share of the optimum, on random pairs of which no two share an image.

    Pairs without any positive optimum are left out.

    Args:
        tokens: of N images.
        match: the approximate solver.
        pairs: at most so many, and no more than N/2.
        seed: of the choice.
    """
    drawn = np.random.default_rng(seed).permutation(len(tokens))
    pairs = min(pairs, len(tokens) // 2)
    ratios = []
    for left, right in pair_blocks(tokens, drawn[:pairs], drawn[pairs : 2 * pairs]):
        affinity = affinities(tokens, left, right)
        best = matched(affinity, tokens, match_exactly, left, right)
        found = matched(affinity, tokens, match, left, right)
        ratios.append(found[best > 0] / best[best > 0])
    return np.concatenate(ratios) if ratios else np.empty(0)
