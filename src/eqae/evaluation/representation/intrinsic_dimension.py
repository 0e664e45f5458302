"""How many numbers it takes to say where among the others an image lies, and how near the classes come."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import pairwise_distances

from eqae.data.base import UNLABELED
from eqae.evaluation.bootstrap import bootstrap_statistic
from eqae.evaluation.declaration import Scale, evaluator
from eqae.evaluation.evidence import Evidence, Findings, FloatArray, IntArray, Score
from eqae.evaluation.intervals import within
from eqae.evaluation.preprocessing import ROUNDING
from eqae.evaluation.sampling import spread_evenly
from eqae.evaluation.scores import unavailable

IMAGES = 2_000
SHARPNESS_IMAGES = 1_000
NEIGHBOURS = 20
ESTIMATES = ("intrinsic_dimension_mle", "intrinsic_dimension_twonn")

DoubleArray = NDArray[np.float64]


def _seconds(scale: Scale) -> float:
    return 0.5 + 3e-4 * scale.width


@evaluator(needs={"pixels"}, cost=_seconds)
def evaluate_intrinsic_dimension(evidence: Evidence) -> Findings:
    """Intrinsic dimension and label sharpness, of the features and of the pixels, as they are.

    ``intrinsic_dimension_mle``: maximum likelihood from the distances to 20 neighbours (Levina & Bickel 2004), the
    inverse averaged over images (MacKay & Ghahramani 2005). ``intrinsic_dimension_twonn``: from the first two alone
    (Facco et al. 2017, as maximum likelihood). Both among at most 2,000 test images, spread evenly, of which one
    stands for all that coincide. They fall short in high dimensions, so compare conditions, not with a truth:
    features that drop nuisances have a lower dimension than the pixels.

    ``relative_label_sharpness``: the largest ``1[y ≠ y'] · mean distance / |x - x'|`` over pairs of at most 1,000
    labelled images: the label sharpness of Konz & Mazurowski (2024) in units of the mean distance, so that spaces of
    different scale compare. The largest of many has no interval.
    """
    scores = list(_scores(evidence.test.upright, evidence.test.labels, "features", evidence.seed))
    if evidence.pixels is None:
        scores += [unavailable(m, "no pixels", higher_is_better=False, condition="pixels") for m in ESTIMATES]
    else:
        images = evidence.pixels.test
        chosen = spread_evenly(len(images), IMAGES)
        pixels: FloatArray = images.batch(chosen.tolist()).flatten(1).numpy()
        scores += _scores(pixels, images.labels.numpy()[chosen], "pixels", evidence.seed)
    return Findings(tuple(scores))


def inverse_dimensions(distances: DoubleArray) -> DoubleArray:
    """Inverse of the local dimension at each image, from sorted distances ``(N, k)`` to its neighbours, k > 1.

    ``1 / (k - 1) · sum over j < k of log(T_k / T_j)`` (Levina & Bickel 2004, equation 8).
    """
    return np.asarray(np.log(distances[:, -1:] / distances[:, :-1]).mean(axis=1), np.float64)


def _scores(points: FloatArray, labels: IntArray, condition: str, seed: int) -> Iterator[Score]:
    chosen = spread_evenly(len(labels), IMAGES)
    points, labels = points[chosen], labels[chosen]
    distances = _neighbour_distances(points)
    estimates = dict(zip(ESTIMATES, (inverse_dimensions, lambda d: inverse_dimensions(d[:, :2])), strict=True))
    for metric, inverses in estimates.items():
        yield _estimate(metric, distances, inverses, condition, seed)
    yield _sharpness(points, labels, condition)


def _estimate(
    metric: str, distances: DoubleArray, inverses: Callable[[DoubleArray], DoubleArray], condition: str, seed: int
) -> Score:
    images = len(distances)
    inverse = inverses(distances) if images > 1 and distances.shape[1] > 1 else np.zeros(0)
    if not inverse.sum() > 0:
        return unavailable(metric, "too few distinct images", higher_is_better=False, n=images, condition=condition)

    def statistic(draw: IntArray) -> float:
        total = float(inverse[draw].sum())
        return len(draw) / total if total > 0 else float("nan")

    value = statistic(np.arange(images))
    interval = bootstrap_statistic(statistic, value, images, seed)
    return Score(metric, value, *within(interval, 0), False, images, condition)


def _neighbour_distances(points: FloatArray) -> DoubleArray:
    """Sorted distances ``(n, k)`` to at most 20 neighbours, both among images of which no two coincide."""
    distances = pairwise_distances(points)
    size = float(np.linalg.norm(points, axis=1).mean(dtype=np.float64))
    again = np.tril(distances <= ROUNDING * size, -1).any(axis=1)  # an earlier image lies here already
    distances = distances[np.ix_(~again, ~again)]
    if len(distances) < 3:
        return np.zeros((0, 0))
    np.fill_diagonal(distances, 0)
    nearest = min(NEIGHBOURS, len(distances) - 1)
    return np.sort(np.partition(distances, nearest)[:, : nearest + 1].astype(np.float64))[:, 1:]


def _sharpness(points: FloatArray, labels: IntArray, condition: str) -> Score:
    metric, known = "relative_label_sharpness", np.flatnonzero(labels != UNLABELED)
    known = known[spread_evenly(len(known), SHARPNESS_IMAGES)]
    images = len(known)
    different = labels[known][:, None] != labels[known]
    if not different.any():
        return unavailable(metric, "fewer than two classes", higher_is_better=False, n=images, condition=condition)
    distances = pairwise_distances(points[known].astype(np.float64))
    nearest, size = distances[different].min(), np.linalg.norm(points[known], axis=1).mean(dtype=np.float64)
    if nearest <= ROUNDING * size:
        why = "images of different classes coincide"
        return unavailable(metric, why, higher_is_better=False, n=images, condition=condition)
    mean = distances.sum() / (images * (images - 1))
    return Score(metric, float(mean / nearest), None, None, False, images, condition)
