"""Where distances between features are measured: standardised, without what is constant, optionally of unit length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eqae.evaluation.evidence import Evidence, FloatArray, IntArray, NotAvailable
from eqae.evaluation.preprocessing import are_constant, fit_scaler
from eqae.evaluation.sampling import spread_evenly

REFERENCE_IMAGES = 4_000


@dataclass(frozen=True, eq=False)
class FeatureSpace:
    """Standardisation in which a feature that is constant up to rounding counts for nothing.

    Where only such features are left, directions and distances would be those of rounding noise; see
    :func:`feature_space`.

    Attributes:
        mean: ``(D,)``.
        scale: ``(D,)``, infinite for constant features.
    """

    mean: FloatArray
    scale: FloatArray

    def __call__(self, features: FloatArray) -> FloatArray:
        """Standardised ``features (..., D)``, float32; a copy."""
        moved = np.asarray(features, np.float32) - self.mean
        moved /= self.scale
        return moved


def feature_space(evidence: Evidence) -> FeatureSpace:
    """The space fitted on at most 4,000 training images, spread evenly.

    Raises:
        NotAvailable: no feature differs between images by more than rounding.
    """
    train = evidence.train.upright
    scaler = fit_scaler(train[spread_evenly(len(train), REFERENCE_IMAGES)])
    constant = are_constant(scaler)
    if constant.all():
        raise NotAvailable("the features are constant")
    scale = np.where(constant, np.inf, np.sqrt(scaler.var_))
    return FeatureSpace(scaler.mean_.astype(np.float32), scale.astype(np.float32))


def unit_rows(features: FloatArray) -> FloatArray:
    """Rows of ``features (N, D)`` at unit length; rows of zeros stay zeros."""
    length = np.linalg.norm(features, axis=1, keepdims=True)
    return np.asarray(features / np.where(length > 0, length, 1), np.float32)


def multiplicity(draw: IntArray, images: int) -> NDArray[Any]:
    """How often each of so many images occurs in a resample, ``(images,)``, float32."""
    return np.bincount(draw, minlength=images).astype(np.float32)
