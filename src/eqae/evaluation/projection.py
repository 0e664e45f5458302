"""Features in the plane, to be looked at."""

from __future__ import annotations

from typing import TypedDict

import numpy as np
from sklearn.manifold import TSNE

from eqae.evaluation.evidence import Features, FloatArray, IntArray
from eqae.evaluation.preprocessing import compress
from eqae.evaluation.sampling import spread_evenly

FEWEST_IMAGES = 4
MOST_IMAGES = 1_500


class Projection(TypedDict):
    """n images in two planes.

    Attributes:
        pca: first two principal components, ``(n, 2)``.
        tsne: t-SNE of the first 50 components, ``(n, 2)``.
        labels: class indices, ``(n,)``; -1 where unknown.
        explained: share of the variance on each of the two PCA axes.
    """

    pca: FloatArray
    tsne: FloatArray
    labels: IntArray
    explained: list[float]


def project(features: Features, seed: int) -> Projection | None:
    """PCA and t-SNE (van der Maaten & Hinton 2008; perplexity 30) of at most 1,500 images, spread over the split.

    Args:
        features: the images as they are, standardised here.
        seed: of both methods.

    Returns:
        The two planes; None for fewer than four images.
    """
    count = min(len(features.labels), MOST_IMAGES)
    if count < FEWEST_IMAGES:
        return None
    chosen = spread_evenly(len(features.labels), count)
    coordinates, explained = compress(features.upright[chosen], 50, seed)
    missing = max(0, 2 - coordinates.shape[1])  # a single feature spans a line, not a plane
    coordinates, explained = np.pad(coordinates, ((0, 0), (0, missing))), np.pad(explained, (0, missing))
    return Projection(
        pca=coordinates[:, :2],
        tsne=_tsne(coordinates, seed),
        labels=features.labels[chosen],
        explained=[float(share) for share in explained[:2]],
    )


def _tsne(coordinates: FloatArray, seed: int) -> FloatArray:
    if not coordinates.any():  # all images at one point: t-SNE would divide by their spread
        return np.zeros((len(coordinates), 2), np.float32)
    perplexity = min(30.0, (len(coordinates) - 1) / 3)
    plane = TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(coordinates)
    return np.asarray(plane, np.float32)
