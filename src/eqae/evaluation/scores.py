"""Scores from one value an image, with interval and samples."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from eqae.evaluation.bootstrap import bootstrap_mean
from eqae.evaluation.evidence import Score


def mean_score(
    metric: str,
    samples: ArrayLike,
    *,
    seed: int,
    higher_is_better: bool,
    condition: str = "",
    untrained: bool = False,
    why: str = "no image has a value",
) -> Score:
    """The mean over images of ``samples (N,)``; NaN marks images left out, and the interval resamples the rest.

    Models are compared on the samples pairwise, so keep them in the order of the images. ``why`` is the reason that
    the row gives where all are left out.
    """
    samples = np.asarray(samples, np.float64)
    known = samples[np.isfinite(samples)]
    if not len(known):
        return replace(
            unavailable(metric, why, higher_is_better=higher_is_better, condition=condition), untrained=untrained
        )
    low, high = bootstrap_mean(known, seed)
    value = float(known.mean())
    return Score(metric, value, low, high, higher_is_better, len(known), condition, untrained, samples)


def unavailable(metric: str, why: str, *, higher_is_better: bool = True, n: int = 0, condition: str = "") -> Score:
    """A row that says why there is no figure: ``why`` in a few words, e.g. ``"a single class"``."""
    return Score(metric, float("nan"), None, None, higher_is_better, n, condition, note=f"not available: {why}")
