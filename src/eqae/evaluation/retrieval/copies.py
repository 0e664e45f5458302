"""Copy detection: is this picture a turned copy of one of ours, and of which?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from eqae.evaluation.evidence import Features, FloatArray, Score
from eqae.evaluation.feature_space import FeatureSpace, unit_rows
from eqae.evaluation.retrieval.orbits import OrbitDistances
from eqae.evaluation.retrieval.ranking import precision_at_hits, recall_threshold
from eqae.evaluation.sampling import spread_evenly
from eqae.evaluation.scores import mean_score

PRECISION = 0.9


def copy_scores(
    distances: OrbitDistances, turned: Features, test: Features, space: FeatureSpace, condition: str, seed: int
) -> Iterator[Score]:
    """``copy_detection_map`` and ``copy_detection_recall_at_p90``.

    References are the originals. Queries are their turned copies and, as distractors that are copies of nothing, as
    many other test images spread evenly over the split, so over the classes: those of a reference's class are the hard
    ones. All pairs of query and reference are pooled and sorted by cosine, so that one threshold must serve all
    images. The first is the micro average precision of this list (muAP of image copy detection, Douze et al. 2021);
    the second is the largest recall at a precision of 90 %. Intervals resample the references that are asked for
    against a fixed pool.
    """
    genuine = -distances.own
    pool = np.concatenate([-distances.others.ravel(), _distractors(distances, turned, test, space)])
    precision = precision_at_hits(genuine.ravel(), pool).reshape(genuine.shape)
    found = genuine >= recall_threshold(genuine.ravel(), pool, PRECISION)
    for metric, values in {"copy_detection_map": precision, "copy_detection_recall_at_p90": found}.items():
        yield mean_score(metric, values.mean(axis=0), seed=seed, higher_is_better=True, condition=condition)


def _distractors(distances: OrbitDistances, turned: Features, test: Features, space: FeatureSpace) -> FloatArray:
    """Similarities of other test images to every original, on the scale of the distances."""
    taken = np.arange(len(turned.labels)) if turned.index is None else turned.index
    others = np.setdiff1d(np.arange(len(test.labels)), taken)
    others = others[spread_evenly(len(others), len(distances.rows))]
    similarity: FloatArray = 2 * (unit_rows(space(test.upright[others])) @ distances.originals.T) - 2
    return similarity.ravel()
