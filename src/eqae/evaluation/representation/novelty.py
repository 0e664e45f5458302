"""Whether features of one class, modelled as a Gaussian, give away images of any other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import ledoit_wolf
from sklearn.decomposition import PCA

from eqae.data.base import UNLABELED
from eqae.evaluation.bootstrap import bootstrap_statistic
from eqae.evaluation.declaration import Scale, evaluator
from eqae.evaluation.evidence import Evidence, Findings, FloatArray, IntArray, NotAvailable, Score
from eqae.evaluation.feature_space import REFERENCE_IMAGES, FeatureSpace, feature_space
from eqae.evaluation.intervals import within
from eqae.evaluation.preprocessing import ROUNDING
from eqae.evaluation.retrieval.ranking import share_below
from eqae.evaluation.sampling import spread_evenly
from eqae.evaluation.scores import unavailable

DIMENSIONS = 64
LEADING_SHARE = 0.95
VARIANTS = ("", "leading components", "trailing components")
_BLOCK = 1_000

DoubleArray = NDArray[np.float64]


class _Gaussian(NamedTuple):
    """One class: mean ``(d,)``, principal axes as columns ``(d, d)``, variances along them ``(d,)``, largest first."""

    mean: DoubleArray
    axes: DoubleArray
    variances: DoubleArray

    def squared_distances(self, points: FloatArray) -> DoubleArray:
        """Squared distances from the mean along every axis, in standard deviations, ``(N, d)``."""
        return np.asarray(np.square((points - self.mean) @ self.axes) / self.variances, np.float64)

    @property
    def leading(self) -> int:
        """How many axes explain 95 % of the variance; never all of several, so that there is something to trail."""
        shares = np.cumsum(self.variances) / self.variances.sum()
        enough = int(np.count_nonzero(shares < LEADING_SHARE)) + 1
        return min(enough, max(len(shares) - 1, 1))


def _seconds(scale: Scale) -> float:
    return 0.3 + 4e-4 * scale.width + 1.5e-6 * scale.classes * scale.test


@evaluator(cost=_seconds)
def evaluate_novelty(evidence: Evidence) -> Findings:
    """``novelty_auroc``: novelty detection with every class in turn as the only one known, mean over classes.

    Features are standardised and compressed to at most 64 principal components, both on at most 4,000 training
    images. A Gaussian with Ledoit-Wolf covariance (2004) is fitted on the training images of one class; the
    Mahalanobis distance of the test images should be larger for all other classes (Rippel et al. 2021). 0.5 is
    chance. The conditions ``"leading components"`` and ``"trailing components"`` measure the distance along the
    principal axes of the class that explain 95 % of its variance, or along all others; the weakest of several axes is
    always among the others, and where there is a single axis there are none. No variance counts as less than a
    millionth of that of all images, mean over the axes, so that images which coincide make a very narrow Gaussian.
    Intervals resample the images that should be accepted.

    Not measured: defects within an image, which the published protocol is about; novelty against several known classes
    at once; images of another dataset.

    Drawing ``"novelty"``: ``classes`` and their ``auroc``, lowest first.

    Raises:
        NotAvailable: no class with three training images and a test image beside those of another; the features are
            constant.
    """
    test_labels = evidence.test.labels
    classes = _judged(evidence.train.labels, test_labels)
    if not len(classes):
        raise NotAvailable("no class with three training images and test images of another beside it")
    space = feature_space(evidence)
    train, test = _compressed(evidence, space)
    least = ROUNDING * float(train.var(axis=0, dtype=np.float64).mean())
    known = test_labels != UNLABELED
    samples = {variant: np.full(len(test_labels), np.nan) for variant in VARIANTS}
    for label in classes:
        own = test_labels == label
        for variant, distances in _distances(_fit(train[evidence.train.labels == label], least), test):
            samples[variant][own] = share_below(-distances[own], -distances[known & ~own])
    scores = (_score(samples[variant], test_labels, variant, evidence.seed) for variant in VARIANTS)
    return Findings(tuple(scores), _drawing(samples[""], test_labels, evidence.class_names))


def _judged(train: IntArray, test: IntArray) -> IntArray:
    """Classes with three training images and a test image, where the test images hold another class too."""
    kinds, counts = np.unique(train[train != UNLABELED], return_counts=True)
    present = np.unique(test[test != UNLABELED])
    return np.intersect1d(kinds[counts > 2], present) if len(present) > 1 else kinds[:0]


def _compressed(evidence: Evidence, space: FeatureSpace) -> tuple[FloatArray, FloatArray]:
    """Coordinates of both splits, ``(N, d)``, a block of images at a time."""
    train = evidence.train.upright
    reference = space(train[spread_evenly(len(train), REFERENCE_IMAGES)])
    dimensions = min(DIMENSIONS, *reference.shape)
    axes = PCA(dimensions, svd_solver="randomized", random_state=evidence.seed).fit(reference).components_.T

    def project(features: FloatArray) -> FloatArray:
        starts = range(0, len(features), _BLOCK)
        return np.concatenate([space(features[start : start + _BLOCK]) @ axes for start in starts])

    return project(train), project(evidence.test.upright)


def _fit(points: FloatArray, least: float) -> _Gaussian:
    """Of the images of one class ``(n, d)``; no variance is below ``least``."""
    doubles = points.astype(np.float64)
    values, vectors = np.linalg.eigh(np.atleast_2d(ledoit_wolf(doubles)[0]))
    return _Gaussian(doubles.mean(axis=0), vectors[:, ::-1], np.maximum(values[::-1], least))


def _distances(gaussian: _Gaussian, points: FloatArray) -> Iterator[tuple[str, DoubleArray]]:
    """Squared Mahalanobis distances ``(N,)`` of each variant that has any axes."""
    parts = gaussian.squared_distances(points)
    chosen = (parts, parts[:, : gaussian.leading], parts[:, gaussian.leading :])
    for variant, axes in zip(VARIANTS, chosen, strict=True):
        if axes.shape[1]:
            yield variant, axes.sum(axis=1)


def _score(samples: DoubleArray, labels: IntArray, variant: str, seed: int) -> Score:
    judged = np.isfinite(samples)
    if not judged.any():
        return unavailable("novelty_auroc", "no component is left", condition=variant)
    values, kinds = samples[judged], labels[judged]
    statistic = _mean_over_classes(values, kinds)
    value = statistic(np.arange(len(values)))
    interval = bootstrap_statistic(statistic, value, len(values), seed)
    return Score("novelty_auroc", value, *within(interval, 0, 1), True, len(values), variant)


def _mean_over_classes(values: DoubleArray, labels: IntArray) -> Callable[[IntArray], float]:
    """Every class counts the same, however many images it has."""
    kinds = np.unique(labels, return_inverse=True)[1]

    def statistic(draw: IntArray) -> float:
        sizes = np.bincount(kinds[draw])
        sums = np.bincount(kinds[draw], weights=values[draw])
        return float((sums[sizes > 0] / sizes[sizes > 0]).mean())

    return statistic


def _drawing(samples: DoubleArray, labels: IntArray, names: tuple[str, ...]) -> dict[str, object]:
    judged = np.unique(labels[np.isfinite(samples)])
    auroc = np.array([samples[labels == label].mean() for label in judged])
    order = np.argsort(auroc, kind="stable")
    called = [names[label] if label < len(names) else str(label) for label in judged[order]]
    return {"novelty": {"classes": called, "auroc": auroc[order].tolist()}}
