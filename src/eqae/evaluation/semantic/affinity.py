"""Inner products between the tokens of two images, for blocks of pairs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from eqae.evaluation.evidence import FloatArray, IntArray
from eqae.evaluation.semantic.tokens import TokenSets

_BLOCK = 2**21  # numbers in a block: large enough to hide the interpreter, small enough for a processor's cache


def affinities(tokens: TokenSets, left: IntArray, right: IntArray) -> FloatArray:
    """``A[b, s, t] = <v(left[b], s), v(right[b], t)>`` for pairs of images ``(B,)``, ``(B, S, S)``."""
    return tokens.values[left] @ tokens.values[right].swapaxes(1, 2)


def pair_blocks(tokens: TokenSets, left: IntArray, right: IntArray) -> Iterator[tuple[IntArray, IntArray]]:
    """The pairs in blocks whose affinities take a few megabytes."""
    _, count, width = tokens.values.shape
    pairs = max(1, _BLOCK // (count * max(count, width)))
    for start in range(0, len(left), pairs):
        yield left[start : start + pairs], right[start : start + pairs]


def all_pairs(images: int) -> tuple[IntArray, IntArray]:
    """Indices of all pairs i < j of N images, each ``(N(N - 1)/2,)``."""
    left, right = np.triu_indices(images, 1)
    return left.astype(np.int64), right.astype(np.int64)


def aligned(affinity: FloatArray, assignment: IntArray) -> FloatArray:
    """The affinities ``(B, S)`` of tokens to those they were assigned, ``assignment (B, S)``."""
    return np.take_along_axis(affinity, assignment[:, :, None], 2)[:, :, 0]
