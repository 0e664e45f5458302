"""The control: an image's tokens against the same tokens in disorder."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eqae.evaluation.semantic.affinity import affinities, pair_blocks
from eqae.evaluation.semantic.assignment import Match
from eqae.evaluation.semantic.similarity import matched
from eqae.evaluation.semantic.tokens import TokenSets

DoubleArray = NDArray[np.float64]


class Scrambled(NamedTuple):
    """Cosines between each image and its scrambled copy, ``(N,)``; NaN for images without any feature."""

    spatial: DoubleArray
    semantic: DoubleArray


def scrambled_cosines(tokens: TokenSets, match: Match, seed: int) -> Scrambled:
    """Cosines of every image to a copy of itself whose tokens were put in random order.

    What the picture shows is gone from the copy, yet the optimal assignment finds every token again: its cosine is 1.
    Matching forgives more than a shift of the object does. An approximate solver finds less than 1.
    """
    images, count, _ = tokens.values.shape
    order = np.random.default_rng(seed).permuted(np.tile(np.arange(count), (images, 1)), axis=1)
    copies = np.take_along_axis(tokens.values, order[:, :, None], axis=1)
    both = TokenSets(np.concatenate([tokens.values, copies]))
    rows = np.arange(images)
    squares = 2 * tokens.half_squares.sum(1, dtype=np.float64)
    scale = np.divide(1, squares, out=np.full(images, np.nan), where=squares > 0)
    spatial, semantic = np.empty(images), np.empty(images)
    for left, right in pair_blocks(both, rows, rows + images):
        affinity = affinities(both, left, right)
        spatial[left] = np.trace(affinity, axis1=1, axis2=2, dtype=np.float64)
        semantic[left] = matched(affinity, both, match, left, right)
    return Scrambled(spatial * scale, semantic * scale)
