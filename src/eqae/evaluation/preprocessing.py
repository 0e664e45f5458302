"""What is done to features before they are judged; fitted on training images, without labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from eqae.evaluation.evidence import FloatArray

ROUNDING = 1e-6  # relative size of float32 noise in a feature that is constant in exact arithmetic


def fit_scaler(train: FloatArray) -> StandardScaler:
    """Standardisation to zero mean and unit variance, fitted on ``train (N, D)``.

    A feature that is constant up to rounding (a dead channel) is centred only: dividing by its spread would turn
    rounding noise into a feature as large as all others. Rounding is measured by the feature's own mean, and by the
    size of all features.
    """
    scaler = StandardScaler().fit(train)
    scaler.scale_[are_constant(scaler)] = 1.0
    return scaler


def are_constant(scaler: StandardScaler) -> NDArray[np.bool_]:
    """Which of the features that ``scaler`` was fitted on are constant up to rounding, ``(D,)``."""
    spread = np.sqrt(scaler.var_)
    return vary_by_rounding_alone(spread, np.hypot(spread, scaler.mean_))


def vary_by_rounding_alone(spread: NDArray[np.float64], size: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which features are constant in exact arithmetic.

    Noise of float32 is as large as what was added up: of a dead channel around zero it has the size of the features
    beside it.

    Args:
        spread: standard deviation of each feature, ``(D,)``.
        size: root mean square of each feature, ``(D,)``.
    """
    return np.asarray(spread <= ROUNDING * np.maximum(size, np.sqrt(np.square(size).mean())))


@dataclass(frozen=True)
class Compression:
    """Standardisation and principal components, found on training features.

    Attributes:
        scaler: the standardisation.
        pca: the components.
    """

    scaler: StandardScaler
    pca: PCA

    def apply(self, features: FloatArray) -> FloatArray:
        """Coordinates ``(N, d)`` of features ``(N, D)``."""
        return np.asarray(self.pca.transform(self.scaler.transform(features)), np.float32)


def compress(features: FloatArray, dimensions: int, seed: int) -> tuple[FloatArray, FloatArray]:
    """Standardised features in their first principal components.

    Args:
        features: ``(N, D)``.
        dimensions: number of components; fewer where N or D is smaller.
        seed: of the randomised solver.

    Returns:
        Coordinates ``(N, d)``, and the share of the variance each component explains ``(d,)``: zeros where nothing
        varies.
    """
    coordinates, compression = fit_compression(features, dimensions, seed)
    return coordinates, np.nan_to_num(compression.pca.explained_variance_ratio_).astype(np.float32)


def fit_compression(features: FloatArray, dimensions: int, seed: int) -> tuple[FloatArray, Compression]:
    """As :func:`compress`; returns the coordinates ``(N, d)`` and what gives other features theirs."""
    scaler = fit_scaler(features)
    features = scaler.transform(features)
    pca = PCA(min(dimensions, *features.shape), random_state=seed)
    with np.errstate(invalid="ignore", divide="ignore"):  # features without any variance: 0 / 0
        coordinates = pca.fit_transform(features)
    return np.asarray(coordinates, np.float32), Compression(scaler, pca)
