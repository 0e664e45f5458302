"""Which cluster each image is in, and which images show what a cluster is."""

from __future__ import annotations

from typing import TypedDict

import numpy as np

from eqae.data.base import UNLABELED
from eqae.evaluation.evidence import FloatArray, IntArray

NEAREST = 14
FARTHEST = 4
MOST_WITHOUT_CLASSES = 10
IMAGES_EACH = 10


class Cluster(TypedDict):
    """One cluster by its images, which are numbered through both splits: training images first, then test images.

    Attributes:
        size: number of its images.
        medoid: the image nearest to the cluster's centre. For squared distances, those that k-means minimises, it is
            also the image with the smallest sum of distances to all others.
        nearest: the next nearest, in order.
        farthest: the farthest of those that are left, in order of distance.
        labelled: how many of its images have a class.
        majority: name of the most frequent class; empty where no image has one.
        share: of the labelled images, those of that class.
    """

    size: int
    medoid: int
    nearest: IntArray
    farthest: IntArray
    labelled: int
    majority: str
    share: float


class Clusters(TypedDict):
    """The clusters of all images of a dataset.

    Attributes:
        of_image: ``(N,)``, number of each image's cluster; the largest is 1.
        clusters: in the order of their numbers, those without an image left out.
    """

    of_image: IntArray
    clusters: list[Cluster]


def number_of_clusters(classes: int, images: int) -> int:
    """As many as there are classes; without classes ten, or one for every ten images where there are few, but two."""
    return classes or min(MOST_WITHOUT_CLASSES, max(2, images // IMAGES_EACH))


def describe_clusters(
    coordinates: FloatArray, centres: FloatArray, of_image: IntArray, labels: IntArray, class_names: tuple[str, ...]
) -> Clusters:
    """Number the clusters by size and choose the images that stand for them.

    Args:
        coordinates: of all images, ``(N, d)``.
        centres: of the clusters, ``(k, d)``.
        of_image: index into ``centres`` for each image, ``(N,)``.
        labels: class indices, ``(N,)``; -1 where unknown.
        class_names: in label order; may be empty.
    """
    distances = np.square(coordinates - centres[of_image], dtype=np.float64).sum(1)
    found, sizes = np.unique(of_image, return_counts=True)
    ranked = found[np.argsort(-sizes, kind="stable")]
    numbers = np.zeros(len(centres), np.int64)
    numbers[ranked] = np.arange(1, len(ranked) + 1)
    clusters = [_cluster(np.flatnonzero(of_image == index), distances, labels, class_names) for index in ranked]
    return Clusters(of_image=numbers[of_image], clusters=clusters)


def _cluster(members: IntArray, distances: FloatArray, labels: IntArray, class_names: tuple[str, ...]) -> Cluster:
    order = members[np.argsort(distances[members], kind="stable")]
    known = labels[members][labels[members] != UNLABELED]
    counts = np.bincount(known) if len(known) else np.zeros(1, np.int64)
    largest = int(counts.argmax())
    name = class_names[largest] if largest < len(class_names) else str(largest)
    return Cluster(
        size=len(members),
        medoid=int(order[0]),
        nearest=order[1 : 1 + NEAREST],
        farthest=order[1 + NEAREST :][-FARTHEST:],
        labelled=len(known),
        majority=name if len(known) else "",
        share=float(counts[largest] / max(len(known), 1)),
    )
