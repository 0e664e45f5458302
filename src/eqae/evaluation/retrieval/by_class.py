"""Whether the nearest images are of the same class."""

from __future__ import annotations

import numpy as np

from eqae.data.base import UNLABELED
from eqae.evaluation.evidence import Features, FloatArray, IntArray, Score
from eqae.evaluation.feature_space import FeatureSpace, unit_rows
from eqae.evaluation.retrieval.ranking import precision_at_hits, rank_of_first
from eqae.evaluation.sampling import spread_evenly
from eqae.evaluation.scores import mean_score, unavailable

RANKS = (1, 5)
METRICS = ("class_map", *(f"class_recall_at_{rank}" for rank in RANKS))
QUERIES = 1_000
_BLOCK = 1_000


def class_scores(test: Features, space: FeatureSpace, seed: int) -> list[Score]:
    """``class_map`` and ``class_recall_at_1`` and ``_5``: cosine among the labelled test images.

    At most 1,000 queries, spread evenly, each against all other images; relevant are those of its class. Recall at k
    is the share of queries with a relevant image among the first k, as in metric learning. Queries whose class has no
    other image are left out. Intervals resample the queries against a fixed gallery: they hold for these images to be
    found, not for other ones.
    """
    known = np.flatnonzero(test.labels != UNLABELED)
    if not len(known):
        return [unavailable(metric, "no labels") for metric in METRICS]
    queries = known[spread_evenly(len(known), QUERIES)]
    similarity = _cosines(test.upright, queries, known, space)
    samples = {metric: np.full(len(test.labels), np.nan) for metric in METRICS}
    for row, query in zip(similarity, queries, strict=True):
        other, same = known != query, test.labels[known] == test.labels[query]
        if not (same & other).any():
            continue
        relevant, irrelevant = row[same & other], row[~same]
        first = rank_of_first(relevant, irrelevant)
        samples["class_map"][query] = precision_at_hits(relevant, irrelevant).mean()
        for rank in RANKS:
            samples[f"class_recall_at_{rank}"][query] = first <= rank
    if np.isnan(samples["class_map"]).all():
        return [unavailable(metric, "one image a class") for metric in METRICS]
    return [mean_score(metric, values, seed=seed, higher_is_better=True) for metric, values in samples.items()]


def _cosines(features: FloatArray, queries: IntArray, gallery: IntArray, space: FeatureSpace) -> FloatArray:
    """``(Q, G)``; the gallery is standardised a block at a time."""
    asked = unit_rows(space(features[queries]))
    blocks = (gallery[start : start + _BLOCK] for start in range(0, len(gallery), _BLOCK))
    return np.concatenate([asked @ unit_rows(space(features[block])).T for block in blocks], axis=1)
