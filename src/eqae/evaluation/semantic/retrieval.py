"""Whether the most similar images show the same things."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from eqae.evaluation.evidence import IntArray

DoubleArray = NDArray[np.float64]


def neighbours(similarity: DoubleArray, seed: int) -> IntArray:
    """All other images of each image, most similar first, ``(N, N - 1)``; equally similar ones in random order."""
    images = len(similarity)
    shuffled = np.random.default_rng(seed).permutation(images)
    order = shuffled[np.argsort(-similarity[:, shuffled], axis=1, kind="stable")]
    others: IntArray = order[order != np.arange(images)[:, None]].reshape(images, max(images - 1, 0))
    return others


def recall_at(ranked: IntArray, labels: IntArray, k: int) -> DoubleArray:
    """1 for each image with one of its class among its ``k`` first neighbours, else 0, ``(N,)``.

    NaN for an image that is alone in its class. With one label an image, recall at 1 is also the F1 at 1 between the
    label sets of an image and of its nearest neighbour.

    Args:
        ranked: neighbours of each image, most similar first, ``(N, k or more)``.
        labels: of the images, ``(N,)``.
        k: how many neighbours count.
    """
    found = (labels[ranked[:, :k]] == labels[:, None]).any(1).astype(np.float64)
    found[_alone(labels)] = np.nan
    return found


def average_precision(ranked: IntArray, labels: IntArray) -> DoubleArray:
    """Mean precision at the ranks of the images of the same class, ``(N,)``; NaN for an image alone in its class.

    Args:
        ranked: all other images, most similar first, ``(N, N - 1)``.
        labels: of the images, ``(N,)``.
    """
    same = labels[ranked] == labels[:, None]
    precision = same.cumsum(1) / np.arange(1, ranked.shape[1] + 1)
    total = same.sum(1)
    mean = (precision * same).sum(1) / np.maximum(total, 1)
    return np.where(total > 0, mean, np.nan)


def _alone(labels: IntArray) -> NDArray[np.bool_]:
    _, which, counts = np.unique(labels, return_inverse=True, return_counts=True)
    alone: NDArray[np.bool_] = counts[which] == 1
    return alone
