"""Feature maps as sets of tokens: one vector a position, or a position and group element."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from eqae.evaluation.evidence import FeatureMaps, FloatArray, IntArray

TokenKind = Literal["position", "element", "invariant"]
"""What a token is: a position with all numbers of its fields; a position and a group element with one number a field;
a position with what of its fields does not depend on the element."""

_DIRECTIONS = 4
_BLOCK = 2**24  # numbers of a layer that are turned into float32 at a time


@dataclass(frozen=True, eq=False)
class TokenSets:
    """The tokens of N images, equally many in each.

    Attributes:
        values: ``(N, S, C)`` float32: S tokens of C numbers.
    """

    values: FloatArray

    @cached_property
    def half_squares(self) -> FloatArray:
        """``|v|² / 2`` of each token, ``(N, S)``."""
        halves: FloatArray = np.square(self.values).sum(2) / 2
        return halves

    @cached_property
    def rankings(self) -> IntArray:
        """Each image's tokens in rising order of several numbers, ``(K, N, S)``.

        The numbers are the norm of the token, and its coordinates along the leading eigenvectors of the second
        moments of all tokens, which are where inner products come from.
        """
        vectors = self.values.reshape(-1, self.values.shape[2])
        _, axes = np.linalg.eigh((vectors.T @ vectors).astype(np.float64))
        leading = axes[:, ::-1][:, :_DIRECTIONS].astype(np.float32)
        numbers = [self.half_squares, *np.moveaxis(self.values @ leading, 2, 0)]
        return np.argsort(np.stack(numbers), axis=2, kind="stable").astype(np.int64)

    def __len__(self) -> int:
        return len(self.values)


def token_sets(maps: FeatureMaps, images: IntArray, kind: TokenKind, most: int, background: float = 0.0) -> TokenSets:
    """The tokens of some images of one layer.

    A position's invariants are the mean and the maximum of each field over its group elements (the number itself
    where there is but one). Maps with too many tokens are averaged over windows that lie symmetrically about the
    middle, so that transforms of the image permute the tokens still.

    Args:
        maps: of one layer.
        images: rows of ``maps`` to take, ``(n,)``.
        kind: what a token is.
        most: tokens an image, at most.
        background: see :func:`without_background`.
    """
    block = max(1, _BLOCK // maps.values[0].size)
    pieces = [images[start : start + block] for start in range(0, len(images), block)]
    made = TokenSets(np.concatenate([_tokens(maps, piece, kind, most) for piece in pieces]))
    return without_background(made, background)


def without_background(tokens: TokenSets, share: float) -> TokenSets:
    """The same with tokens zeroed that are shorter than ``share`` of the median length of all tokens of all images.

    Empty canvas gives alike tokens everywhere, and where it fills most of the frame it makes any two images similar.
    One rule serves all models, for it does not depend on the scale of their features; 0 keeps everything. Where empty
    canvas is more than half of all tokens, the median is its own length, and takes a share above 1 to zero it.
    """
    lengths = np.sqrt(2 * tokens.half_squares)
    return TokenSets(tokens.values * (lengths >= share * np.median(lengths))[:, :, None]) if share else tokens


def _tokens(maps: FeatureMaps, images: IntArray, kind: TokenKind, most: int) -> FloatArray:
    fields = maps.values[images].astype(np.float32)
    order = fields.shape[3]
    if kind == "invariant":
        invariant = fields[..., 0] if order == 1 else np.concatenate([fields.mean(3), fields.max(3)], axis=2)
        return _pooled(invariant, maps.height, maps.width, most)
    elements = order if kind == "element" else 1
    pooled = _pooled(fields.reshape(*fields.shape[:2], -1), maps.height, maps.width, max(1, most // elements))
    split = pooled.reshape(*pooled.shape[:2], -1, elements).swapaxes(2, 3)
    return split.reshape(len(pooled), pooled.shape[1] * elements, -1)


def _pooled(vectors: FloatArray, height: int, width: int, most: int) -> FloatArray:
    """``(N, height·width, C)`` averaged to no more than ``most`` positions, by one factor on both axes."""
    factor = next(f for f in range(1, height * width + 1) if -(-height // f) * -(-width // f) <= most)
    if factor == 1:
        return vectors
    planes = torch.from_numpy(vectors).unflatten(1, (height, width)).permute(0, 3, 1, 2)
    size = (-(-height // factor), -(-width // factor))
    pooled: NDArray[np.float32] = torch.nn.functional.adaptive_avg_pool2d(planes, size).flatten(2).mT.numpy()
    return pooled
