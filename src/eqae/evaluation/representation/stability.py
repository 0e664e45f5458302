"""Whether each single feature can be trusted when the picture is turned: intraclass correlation over transforms."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from eqae.evaluation.bootstrap import bootstrap_statistic
from eqae.evaluation.declaration import Scale, evaluator
from eqae.evaluation.evidence import Evidence, Features, Findings, IntArray, NotAvailable, Score
from eqae.evaluation.feature_space import multiplicity
from eqae.evaluation.intervals import within
from eqae.evaluation.preprocessing import vary_by_rounding_alone
from eqae.evaluation.representation.stable_features import IMAGES, stable_feature_scores
from eqae.evaluation.sampling import spread_evenly
from eqae.evaluation.scores import unavailable

STABLE = 0.9
_RESAMPLED = 48  # features behind an interval
_BLOCK = 128

DoubleArray = NDArray[np.float64]


class Correlations(NamedTuple):
    """Intraclass correlations of d features, ``(d,)`` each (Shrout & Fleiss 1979, two-way, single measurement).

    Attributes:
        consistency: ICC(3,1), which forgives a constant offset of a transform.
        agreement: ICC(2,1), which does not; invariance is agreement.
    """

    consistency: DoubleArray
    agreement: DoubleArray


class _Parts(NamedTuple):
    """Values of n images under O transforms, taken apart: mean of each image, and what is left of each transform."""

    means: DoubleArray  # (n, d), centred
    residuals: DoubleArray  # (n, O·d)
    squares: DoubleArray  # (n, d), squared residuals summed over the transforms


_FIGURES: dict[str, Callable[[Correlations], float]] = {
    "icc_agreement": lambda found: float(found.agreement.mean()),
    "icc_consistency": lambda found: float(found.consistency.mean()),
    "stable_feature_share": lambda found: float((found.agreement > STABLE).mean()),
}


def _seconds(scale: Scale) -> float:
    fitted = min(scale.train, IMAGES)
    span = 4e-10 * fitted**2 * scale.width if fitted < scale.width else 0.0
    probes = 2 * (span + 1e-8 * fitted * scale.width * scale.classes)
    return 1.0 + 56 * scale.turned * (2e-8 * scale.width + 2e-5) + probes


@evaluator(needs={"orbits"}, cost=_seconds)
def evaluate_stability(evidence: Evidence) -> Findings:
    """Intraclass correlation of every feature: how much of its variance is between images, not between turns of one.

    By condition: ``icc_agreement`` and ``icc_consistency``, means over the features, ``stable_feature_share`` (share
    with an agreement above 0.9, the usual bar for "excellent") and ``constant_feature_ratio`` (share of features that
    do not vary at all; they have no correlation and are left out of the others). Exact invariance gives 1. Intervals
    resample images, on at most 48 features spread evenly.

    ``stable_feature_accuracy``: of a linear probe on the features that are stable under the condition of most
    transforms (condition ``"stable features"``), beside one on all (``"all features"``); see
    :func:`~eqae.evaluation.representation.stable_features.stable_feature_scores`. Which features are stable is read
    from test images, without their labels.

    Raises:
        NotAvailable: no images were turned.
    """
    if not evidence.turned:
        raise NotAvailable("no images were turned")
    scores: list[Score] = []
    stable: dict[str, IntArray] = {}
    for condition, features in evidence.turned.items():
        varying = np.flatnonzero(~_constant(features))
        found = _measure(features, varying)
        scores += _scores(features, varying, found, condition, evidence.seed)
        stable[condition] = varying[found.agreement > STABLE] if found else varying[:0]
    broadest = max(evidence.turned, key=lambda name: evidence.turned[name].values.shape[1])
    return Findings((*scores, *stable_feature_scores(evidence, stable[broadest])))


def intraclass_correlation(values: DoubleArray) -> Correlations:
    """Of ``values (n, O, d)``; 0/0, so NaN, for features that are constant."""
    return _correlations(_take_apart(values), np.ones(len(values)))


def _measure(features: Features, varying: IntArray) -> Correlations | None:
    """Of those features that vary; None where there is nothing to correlate."""
    images, poses, _ = features.values.shape
    if images < 2 or poses < 2 or not len(varying):
        return None
    blocks = [varying[start : start + _BLOCK] for start in range(0, len(varying), _BLOCK)]
    found = [intraclass_correlation(_doubles(features, block)) for block in blocks]
    return Correlations(*(np.concatenate(kind) for kind in zip(*found, strict=True)))


def _scores(
    features: Features, varying: IntArray, found: Correlations | None, condition: str, seed: int
) -> Iterator[Score]:
    images, _, width = features.values.shape
    constant = 1 - len(varying) / width
    yield Score("constant_feature_ratio", constant, None, None, False, images, condition)
    if found is None:
        why = "a single image was turned" if images < 2 else "the features are constant"
        yield from (unavailable(metric, why, n=images, condition=condition) for metric in _FIGURES)
        return
    parts = _take_apart(_doubles(features, varying[spread_evenly(len(varying), _RESAMPLED)]))
    for metric, figure in _FIGURES.items():
        value = figure(found)
        interval = bootstrap_statistic(_resampled(parts, figure), value, images, seed)
        least = 0 if metric.endswith("share") else -1
        yield Score(metric, value, *within(interval, least, 1), True, images, condition)


def _resampled(parts: _Parts, figure: Callable[[Correlations], float]) -> Callable[[IntArray], float]:
    images = len(parts.means)

    def statistic(draw: IntArray) -> float:
        if len(np.unique(draw)) < 2:
            return float("nan")  # one image over and over has no variance between images
        return figure(_correlations(parts, multiplicity(draw, images).astype(np.float64)))

    return statistic


def _constant(features: Features) -> NDArray[np.bool_]:
    """Features that vary by rounding alone, over all images and transforms, ``(D,)``."""
    poses = range(features.values.shape[1])
    low = np.min([features.values[:, o].min(axis=0) for o in poses], axis=0).astype(np.float64)
    high = np.max([features.values[:, o].max(axis=0) for o in poses], axis=0).astype(np.float64)
    return vary_by_rounding_alone((high - low) / 4, np.maximum(np.abs(low), np.abs(high)))


def _doubles(features: Features, columns: IntArray) -> DoubleArray:
    return features.values[:, :, columns].astype(np.float64)


def _take_apart(values: DoubleArray) -> _Parts:
    means = values.mean(axis=1)
    residuals = values - means[:, None]
    return _Parts(means - means.mean(axis=0), residuals.reshape(len(values), -1), np.square(residuals).sum(axis=1))


def _correlations(parts: _Parts, weights: NDArray[Any]) -> Correlations:
    """Of the images counted so often each: mean squares of a two-way layout without replication."""
    images, features = float(weights.sum()), parts.means.shape[1]
    poses = parts.residuals.shape[1] // features
    centred = parts.means - weights @ parts.means / images
    effects = (weights @ parts.residuals).reshape(poses, features) / images
    between_poses = images * np.square(effects).sum(axis=0)
    left = weights @ parts.squares - between_poses
    rows = poses * (weights @ np.square(centred)) / (images - 1)
    columns = between_poses / (poses - 1)
    error = np.maximum(left, 0) / ((images - 1) * (poses - 1))
    below = rows + (poses - 1) * error
    offset = poses * (columns - error) / images
    with np.errstate(invalid="ignore", divide="ignore"):  # a feature that is constant in this resample
        return Correlations((rows - error) / below, (rows - error) / (below + offset))
