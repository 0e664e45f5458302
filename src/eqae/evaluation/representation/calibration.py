"""Whether the probe's confidence can be believed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from eqae.data.base import UNLABELED
from eqae.evaluation.bootstrap import bootstrap_statistic, even_groups, jackknife_interval, leave_out
from eqae.evaluation.declaration import Scale, evaluator
from eqae.evaluation.evidence import Evidence, Findings, IntArray, NotAvailable, Score
from eqae.evaluation.feature_space import feature_space
from eqae.evaluation.intervals import within
from eqae.evaluation.linear_probe import LinearProbe, fit_probe
from eqae.evaluation.sampling import spread_evenly
from eqae.evaluation.scores import mean_score

IMAGES = 2_000
FITTED_SHARE = 0.75
BINS = 15
SCALED = "temperature-scaled"
_BLOCK = 1_000

DoubleArray = NDArray[np.float64]


def _seconds(scale: Scale) -> float:
    return 1.0 + 1e-3 * scale.width + 0.03 * scale.classes


@evaluator(cost=_seconds)
def evaluate_calibration(evidence: Evidence) -> Findings:
    """Calibration of a linear probe on the test images, as fitted and after temperature scaling (Guo et al. 2017).

    ``expected_calibration_error`` (15 bins of equal width; Naeini et al. 2015), ``brier_score`` (sum over classes, 0 to
    2) and ``negative_log_likelihood`` (nats). The probe has the recipe of the linear probe, but is fitted on three
    quarters of at most 2,000 labelled training images, drawn at random, so that the rest can set the ``temperature``;
    above 1 it was too sure of itself. Test images of classes that it never saw are left out.

    Not measured: calibration under rising label noise or on turned images, calibration of each class by itself, and of
    the classifier that a model may bring along. The interval of the temperature leaves out a twentieth of the images
    that set it at a time; those of the scaled figures take it as given.

    Drawing ``"reliability"``: ``confidence``, ``accuracy`` and ``images`` of every bin as fitted, and the same with
    ``scaled_`` before them; NaN in empty bins.

    Raises:
        NotAvailable: fewer than two classes among the images it is fitted on, nothing left to judge; the features are
            constant.
    """
    feature_space(evidence)
    probe, held_out = _fit(evidence)
    temperature = _temperature(*held_out, evidence.seed)
    judged = np.flatnonzero(np.isin(evidence.test.labels, probe.classes))
    if not len(judged):
        raise NotAvailable("no test images of the classes the probe was fitted on")
    logits = np.concatenate([
        probe.logits(evidence.test.upright[judged[start : start + _BLOCK]]) for start in range(0, len(judged), _BLOCK)
    ])  # fmt: skip
    truth = np.searchsorted(probe.classes, evidence.test.labels[judged])
    scaled = logits / temperature.value
    scores = [*_scores(logits, truth, "", evidence.seed), *_scores(scaled, truth, SCALED, evidence.seed)]
    scores.append(temperature)
    after = {f"scaled_{key}": values for key, values in _reliability(scaled, truth).items()}
    return Findings(tuple(scores), {"reliability": _reliability(logits, truth) | after})


def fit_temperature(logits: DoubleArray, truth: IntArray) -> float:
    """T that minimises the negative log-likelihood of ``logits (N, C) / T``, between 1/50 and 50."""

    def loss(log_temperature: float) -> float:
        return float(_log_losses(logits / np.exp(log_temperature), truth).mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-np.log(50), np.log(50)), method="bounded").x))


def expected_calibration_error(confidence: DoubleArray, right: NDArray[np.bool_]) -> float:
    """Mean over images of ``|accuracy - confidence|`` of their bin, for ``(N,)`` of each; bins of equal width."""
    place = _bin(confidence)
    gaps = np.bincount(place, weights=right, minlength=BINS) - np.bincount(place, weights=confidence, minlength=BINS)
    return float(np.abs(gaps).sum() / len(confidence))


def _temperature(logits: DoubleArray, truth: IntArray, seed: int) -> Score:
    value = fit_temperature(logits, truth)
    without = [fit_temperature(logits[kept], truth[kept]) for kept in leave_out(even_groups(truth, seed))]
    interval = jackknife_interval(value, without)
    return Score("temperature", value, *within(interval, 0), False, len(truth))


def _fit(evidence: Evidence) -> tuple[LinearProbe, tuple[DoubleArray, IntArray]]:
    """The probe, and logits and classes of the images that set its temperature."""
    known = np.flatnonzero(evidence.train.labels != UNLABELED)
    chosen = np.random.default_rng(evidence.seed).permutation(known[spread_evenly(len(known), IMAGES)])
    fitted, rest = np.split(chosen, [int(FITTED_SHARE * len(chosen))])
    features, labels = evidence.train.upright, evidence.train.labels
    fitted, rest = np.sort(fitted), np.sort(rest)
    if not len(fitted):
        raise NotAvailable("no labelled training images")
    probe = fit_probe(features[fitted], labels[fitted], evidence.seed)
    rest = rest[np.isin(labels[rest], probe.classes)]
    if not len(rest):
        raise NotAvailable("no training images left to set the temperature on")
    truth = np.searchsorted(probe.classes, labels[rest])
    return probe, (probe.logits(features[rest]), truth)


def _scores(logits: DoubleArray, truth: IntArray, condition: str, seed: int) -> Iterator[Score]:
    shares, images = softmax(logits, axis=1), len(truth)
    confidence, right = shares.max(axis=1), shares.argmax(axis=1) == truth
    value = expected_calibration_error(confidence, right)
    interval = bootstrap_statistic(
        lambda draw: expected_calibration_error(confidence[draw], right[draw]), value, images, seed
    )  # fmt: skip
    yield Score("expected_calibration_error", value, *within(interval, 0, 1), False, images, condition)
    shares[np.arange(images), truth] -= 1
    samples = {"brier_score": np.square(shares).sum(axis=1), "negative_log_likelihood": _log_losses(logits, truth)}
    for metric, values in samples.items():
        yield mean_score(metric, values, seed=seed, higher_is_better=False, condition=condition)


def _log_losses(logits: DoubleArray, truth: IntArray) -> DoubleArray:
    return np.asarray(-log_softmax(logits, axis=1)[np.arange(len(truth)), truth], np.float64)


def _reliability(logits: DoubleArray, truth: IntArray) -> dict[str, Any]:
    shares = softmax(logits, axis=1)
    confidence, right = shares.max(axis=1), shares.argmax(axis=1) == truth
    place = _bin(confidence)
    images = np.bincount(place, minlength=BINS)
    size = np.where(images > 0, images, np.nan)
    return {
        "confidence": (np.bincount(place, weights=confidence, minlength=BINS) / size).tolist(),
        "accuracy": (np.bincount(place, weights=right, minlength=BINS) / size).tolist(),
        "images": images.tolist(),
    }


def _bin(confidence: DoubleArray) -> IntArray:
    """Bins closed above: (0, 1/15], ..., (14/15, 1]."""
    return np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)
