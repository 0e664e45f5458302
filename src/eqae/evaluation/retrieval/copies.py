"""Copy detection: is this picture a turned copy of one of ours, and of which? No other alterations are tried."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from eqae.data.base import UNLABELED
from eqae.evaluation.evidence import Features, FloatArray, IntArray, Score
from eqae.evaluation.feature_space import FeatureSpace, unit_rows
from eqae.evaluation.retrieval.orbits import OrbitDistances, merge_same_places
from eqae.evaluation.retrieval.ranking import precision_at_hits, recall_threshold
from eqae.evaluation.sampling import spread_evenly
from eqae.evaluation.scores import mean_score

PRECISION = 0.9


def copy_scores(
    distances: OrbitDistances, turned: Features, test: Features, space: FeatureSpace, condition: str, seed: int
) -> Iterator[Score]:
    """``copy_detection_map`` and ``copy_detection_recall_at_p90``.

    References are the originals. Queries are their turned copies and, as distractors that are copies of nothing, as
    many other test images as there are references: hard negatives, as many of each class as it has references, as far
    as the split holds them; the rest, and all of them without labels, are spread evenly over the other images. All
    pairs of query and reference are pooled and sorted by cosine, so that one threshold must serve all images. The
    first is the micro average precision of this list (muAP of image copy detection, Douze et al. 2021); the second is
    the largest recall at a precision of 90 %. Intervals resample the references that are asked for against a fixed
    pool, so they leave out what other references and distractors would change.

    Not measured: copies that are cropped, blurred, recompressed or overlaid, which the published benchmark is made of.
    """
    genuine = -distances.own
    pool = np.concatenate([-distances.others.ravel(), _distractors(distances, turned, test, space)])
    precision = precision_at_hits(genuine.ravel(), pool).reshape(genuine.shape)
    found = genuine >= recall_threshold(genuine.ravel(), pool, PRECISION)
    for metric, values in {"copy_detection_map": precision, "copy_detection_recall_at_p90": found}.items():
        yield mean_score(metric, values.mean(axis=0), seed=seed, higher_is_better=True, condition=condition)


def distractors(references: IntArray, taken: IntArray, labels: IntArray) -> IntArray:
    """Which images are copies of nothing: one for every reference, of its class where there is one left.

    Args:
        references: class of each reference, ``(n,)``.
        taken: images that may not be chosen.
        labels: classes of all images, ``(N,)``.

    Returns:
        Indices in rising order, ``(min(n, N - taken),)``.
    """
    free = np.setdiff1d(np.arange(len(labels)), taken)
    kinds, wanted = np.unique(references[references != UNLABELED], return_counts=True)
    of_class = [free[labels[free] == kind] for kind in kinds]
    hard = [images[spread_evenly(len(images), count)] for images, count in zip(of_class, wanted, strict=True)]
    chosen = np.concatenate([np.zeros(0, np.int64), *hard])
    rest = np.setdiff1d(free, chosen)
    return np.union1d(chosen, rest[spread_evenly(len(rest), len(references) - len(chosen))])


def _distractors(distances: OrbitDistances, turned: Features, test: Features, space: FeatureSpace) -> FloatArray:
    """Similarities of other test images to every original, on the scale of the distances."""
    taken = np.arange(len(turned.labels)) if turned.index is None else turned.index
    others = distractors(turned.labels[distances.rows], taken, test.labels)
    squared: FloatArray = 2 - 2 * (unit_rows(space(test.upright[others])) @ distances.originals.T)
    return -merge_same_places(squared).ravel()
