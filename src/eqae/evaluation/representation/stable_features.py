"""What is lost if only those features are kept that can be trusted when the picture is turned."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from eqae.data.base import UNLABELED
from eqae.evaluation.evidence import Evidence, IntArray, NotAvailable, Score
from eqae.evaluation.feature_space import feature_space
from eqae.evaluation.linear_probe import fit_probe
from eqae.evaluation.sampling import spread_evenly
from eqae.evaluation.scores import mean_score, unavailable

METRIC = "stable_feature_accuracy"
STABLE = "stable features"
EVERY = "all features"
IMAGES = 2_000
_BLOCK = 1_000


def stable_feature_scores(evidence: Evidence, stable: IntArray) -> Iterator[Score]:
    """``stable_feature_accuracy`` of the features ``stable (d,)``, and beside it of all of them.

    Accuracy on the test images of linear probes fitted on the same at most 2,000 labelled training images, spread
    evenly. Neither sees a turned image.
    """
    everything = np.arange(evidence.train.values.shape[2], dtype=np.int64)
    known = np.flatnonzero(evidence.train.labels != UNLABELED)
    fitted = known[spread_evenly(len(known), IMAGES)]
    whole = _accuracy(evidence, everything, fitted, EVERY)
    if not len(stable):
        yield unavailable(METRIC, "no feature is stable", condition=STABLE)
    elif len(stable) == len(everything):
        yield replace(whole, condition=STABLE)
    else:
        yield _accuracy(evidence, stable, fitted, STABLE)
    yield whole


def _accuracy(evidence: Evidence, columns: IntArray, fitted: IntArray, condition: str) -> Score:
    if not (evidence.test.labels != UNLABELED).any():
        return unavailable(METRIC, "no labels", condition=condition)
    try:
        feature_space(evidence)  # there is one: a probe on constant features would be right by chance
        right = _right(evidence, columns, fitted)
    except NotAvailable as reason:
        return unavailable(METRIC, str(reason), condition=condition)
    return mean_score(METRIC, right, seed=evidence.seed, higher_is_better=True, condition=condition)


def _right(evidence: Evidence, columns: IntArray, fitted: IntArray) -> NDArray[np.float64]:
    """Whether a probe on those columns is right, by test image ``(N,)``; NaN without a label."""
    train, test = evidence.train, evidence.test
    probe = fit_probe(train.upright[fitted][:, columns], train.labels[fitted], evidence.seed)
    starts = range(0, len(test.labels), _BLOCK)
    answers = [probe.predict(test.upright[start : start + _BLOCK][:, columns]) for start in starts]
    return np.where(test.labels != UNLABELED, np.concatenate(answers) == test.labels, np.nan)
