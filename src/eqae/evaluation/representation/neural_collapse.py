"""How far the classes have shrunk to points at the corners of a simplex."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from eqae.data.base import UNLABELED
from eqae.evaluation.bootstrap import even_groups, jackknife_interval, leave_out
from eqae.evaluation.declaration import Scale, evaluator
from eqae.evaluation.evidence import Evidence, Features, Findings, FloatArray, IntArray, NotAvailable, Score
from eqae.evaluation.feature_space import REFERENCE_IMAGES, feature_space
from eqae.evaluation.intervals import within
from eqae.evaluation.linear_probe import LinearProbe, linear_probe
from eqae.evaluation.sampling import spread_evenly
from eqae.evaluation.scores import mean_score, unavailable

_BLOCK = 1_000
_OF_SEVERAL_IMAGES = ("nc1_variability", "nc4_disagreement")
_TINY = 1e-30  # of standardised features: nothing at all

DoubleArray = NDArray[np.float64]


def _seconds(scale: Scale) -> float:
    return 0.5 + 1.5e-3 * scale.width


@evaluator(cost=_seconds)
def evaluate_neural_collapse(evidence: Evidence) -> Findings:
    """NC1 to NC4 of standardised features and the linear probe (Papyan, Han & Donoho 2020); all 0 at full collapse.

    ``nc1_variability``: ``tr(S_W pinv(S_B)) / C``, spread within classes over spread of the class means.
    ``nc2_length_spread``: standard deviation over mean of the lengths of the centred class means.
    ``nc2_angle_error``: mean of ``|cos + 1/(C-1)|`` over pairs of class means, which is 0 for a simplex.
    ``nc3_duality_error``: distance of the probe's weights from the class means, each as a matrix of unit
    Frobenius norm; at most 2. ``nc4_disagreement``: share of test images where the nearest class mean and the
    probe disagree.

    Means and spreads are those of at most 4,000 training images, spread evenly; every class counts the same. With a
    single image in a class, its spread is unknown and its mean is that image: NC1 and NC4 are not available. Intervals
    of the first four leave out a twentieth of these images at a time; the probe stays as it is.

    Not measured: the course of the figures over training, which the published protocol follows; the classifier that
    the features were trained with, in whose place stands the linear probe; the geometry of mixed pairs of images.

    Raises:
        NotAvailable: fewer than two classes among the training images; the features are constant.
    """
    feature_space(evidence)
    probe = linear_probe(evidence)
    known = np.flatnonzero(evidence.train.labels != UNLABELED)
    chosen = known[spread_evenly(len(known), REFERENCE_IMAGES)]
    features, labels = probe.standardize(evidence.train.upright[chosen]), evidence.train.labels[chosen]
    present = np.isin(probe.classes, labels)
    if present.sum() < 2:
        raise NotAvailable("fewer than two classes among the training images")
    classes = probe.classes[present]
    means = class_means(features, labels, classes)
    repeated = all(np.count_nonzero(labels == label) > 1 for label in classes)
    scores = list(_mean_scores(features, labels, classes, probe.weights[present], evidence.seed))
    scores.append(_disagreement(evidence.test, probe, means, classes, evidence.seed))
    return Findings(tuple(_known(score, repeated) for score in scores))


def _mean_scores(
    features: FloatArray, labels: IntArray, classes: IntArray, weights: DoubleArray, seed: int
) -> Iterator[Score]:
    """NC1 to NC3, and their intervals."""

    def figures(kept: IntArray) -> dict[str, float]:
        some, known = features[kept], labels[kept]
        means = class_means(some, known, classes)
        return {
            "nc1_variability": within_over_between(some, known, classes, means),
            "nc2_length_spread": length_spread(means),
            "nc2_angle_error": angle_error(means),
            "nc3_duality_error": duality_error(means, weights),
        }

    without = [figures(kept) for kept in leave_out(even_groups(labels, seed))]
    for metric, value in figures(np.arange(len(labels))).items():
        if np.isfinite(value):
            interval = jackknife_interval(value, [left[metric] for left in without])
            yield Score(metric, value, *within(interval, 0), False, len(labels))
        else:
            yield unavailable(metric, "the class means coincide", higher_is_better=False, n=len(labels))


def class_means(features: FloatArray, labels: IntArray, classes: IntArray) -> DoubleArray:
    """Mean features of each of ``classes (C,)``, ``(C, D)``."""
    return np.stack([features[labels == label].mean(axis=0, dtype=np.float64) for label in classes])


def _known(score: Score, repeated: bool) -> Score:
    """The score, or why there is none where some class has a single image."""
    if repeated or score.metric not in _OF_SEVERAL_IMAGES:
        return score
    return unavailable(score.metric, "a class has a single image", higher_is_better=False, n=score.n)


def within_over_between(features: FloatArray, labels: IntArray, classes: IntArray, means: DoubleArray) -> float:
    """NC1: ``tr(S_W pinv(S_B)) / C``, in the span of the class means, which is all that ``S_B`` has; NaN without any.

    Args:
        features: ``(N, D)``.
        labels: ``(N,)``.
        classes: ``(C,)``.
        means: of the features of each class, ``(C, D)``.
    """
    _, singular, axes = np.linalg.svd(means - means.mean(axis=0), full_matrices=False)
    kept = singular > 1e-6 * max(float(singular[0]), _TINY)
    if not kept.any():
        return float("nan")
    between = np.square(singular[kept]) / len(classes)
    inside = [
        np.square((features[labels == label] - mean) @ axes[kept].T).mean(axis=0)
        for label, mean in zip(classes, means, strict=True)
    ]
    return float((np.mean(inside, axis=0) / between).sum() / len(classes))


def length_spread(means: DoubleArray) -> float:
    """NC2: standard deviation over mean of the lengths of the centred ``means (C, D)``; NaN where all coincide."""
    lengths = np.linalg.norm(means - means.mean(axis=0), axis=1)
    return float(lengths.std() / lengths.mean()) if lengths.mean() > 0 else float("nan")


def angle_error(means: DoubleArray) -> float:
    """NC2: mean of ``|cos + 1/(C-1)|`` over pairs of the centred ``means (C, D)``; NaN where one is the centre."""
    centred = means - means.mean(axis=0)
    lengths = np.linalg.norm(centred, axis=1)
    if not lengths.min() > 0:
        return float("nan")
    cosines = (centred @ centred.T) / np.outer(lengths, lengths)
    pairs = cosines[np.triu_indices(len(means), 1)]
    return float(np.abs(pairs + 1 / (len(means) - 1)).mean())


def duality_error(means: DoubleArray, weights: DoubleArray) -> float:
    """NC3: ``|W/|W| - M/|M||`` of the centred means and weights ``(C, D)``; a shift common to all rows of W changes no
    prediction. NaN where either is zero.
    """
    centred = [matrix - matrix.mean(axis=0) for matrix in (means, weights)]
    sizes = [float(np.linalg.norm(matrix)) for matrix in centred]
    if not min(sizes) > 0:
        return float("nan")
    return float(np.linalg.norm(centred[0] / sizes[0] - centred[1] / sizes[1]))


def _disagreement(test: Features, probe: LinearProbe, means: DoubleArray, classes: IntArray, seed: int) -> Score:
    """NC4, a block of images at a time; labels of the test images are not needed."""
    blocks = (test.upright[start : start + _BLOCK] for start in range(0, len(test.labels), _BLOCK))
    samples = [_nearest(probe.standardize(block), means, classes) != probe.predict(block) for block in blocks]
    return mean_score("nc4_disagreement", np.concatenate(samples), seed=seed, higher_is_better=False)


def _nearest(features: FloatArray, means: DoubleArray, classes: IntArray) -> IntArray:
    nearest: IntArray = classes[(np.square(means).sum(axis=1) - 2 * features @ means.T).argmin(axis=1)]
    return nearest
