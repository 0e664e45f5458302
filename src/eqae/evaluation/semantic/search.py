"""The most similar images without solving every pair."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eqae.evaluation.evidence import IntArray
from eqae.evaluation.preprocessing import ROUNDING
from eqae.evaluation.semantic.affinity import affinities, all_pairs, pair_blocks
from eqae.evaluation.semantic.assignment import match_exactly
from eqae.evaluation.semantic.bounds import upper_bounds
from eqae.evaluation.semantic.similarity import matched
from eqae.evaluation.semantic.tokens import TokenSets

DoubleArray = NDArray[np.float64]


class Nearest(NamedTuple):
    """Most similar images.

    Attributes:
        ranked: ``(N, k)``, most similar first.
        solved: number of pairs whose assignment was needed, of N(N - 1)/2.
    """

    ranked: IntArray
    solved: int


def most_similar(tokens: TokenSets, k: int) -> Nearest:
    """The ``k`` images of largest matched cosine to each image, exactly.

    Candidates are taken in the order of their upper bounds, and an image is done as soon as no bound beats its k-th
    best cosine: the other assignments are never solved. Between equal cosines the choice is arbitrary.

    Args:
        tokens: of N images.
        k: how many; all others where there are fewer.
    """
    k = min(k, len(tokens) - 1)
    if k < 1:
        return Nearest(np.empty((len(tokens), 0), np.int64), 0)
    bounds = _cosine_bounds(tokens)
    cosines = np.full_like(bounds, -np.inf)
    while True:
        incumbent = np.partition(cosines, -k, axis=1)[:, -k]
        unsolved = np.where(np.isneginf(cosines), bounds, -np.inf)
        queries, candidates = np.nonzero(_next_candidates(unsolved, incumbent, k))
        if not len(queries):
            break
        pairs = np.unique(np.sort(np.stack([queries, candidates]), axis=0), axis=1).astype(np.int64)
        for left, right in pair_blocks(tokens, *pairs):
            values = matched(affinities(tokens, left, right), tokens, match_exactly, left, right)
            cosines[left, right] = cosines[right, left] = values * _scale(tokens, left, right)
    ranked = np.argsort(-cosines, axis=1, kind="stable")[:, :k].astype(np.int64)
    return Nearest(ranked, int(np.isfinite(cosines).sum()) // 2)


def _next_candidates(unsolved: DoubleArray, incumbent: DoubleArray, k: int) -> NDArray[np.bool_]:
    """For each image the ``k`` unsolved pairs of largest bound that may beat its k-th best cosine, ``(N, N)``."""
    chosen = np.zeros(unsolved.shape, bool)
    first = np.argpartition(-unsolved, k - 1, axis=1)[:, :k]
    np.put_along_axis(chosen, first, True, axis=1)
    return chosen & np.isfinite(unsolved) & (unsolved > incumbent[:, None])


def _cosine_bounds(tokens: TokenSets) -> DoubleArray:
    """Upper bounds of the matched cosines, ``(N, N)``, widened by rounding; minus infinity on the diagonal."""
    bounds = np.full((len(tokens), len(tokens)), -np.inf)
    for left, right in pair_blocks(tokens, *all_pairs(len(tokens))):
        limit = upper_bounds(affinities(tokens, left, right), tokens, left, right) * _scale(tokens, left, right)
        bounds[left, right] = bounds[right, left] = limit + ROUNDING
    return bounds


def _scale(tokens: TokenSets, left: IntArray, right: IntArray) -> DoubleArray:
    """``1 / (|V_left| |V_right|)`` of each pair; 0 where an image has no feature."""
    norms = np.sqrt(2 * tokens.half_squares.sum(1, dtype=np.float64))
    product = norms[left] * norms[right]
    return np.divide(1, product, out=np.zeros_like(product), where=product > 0)
