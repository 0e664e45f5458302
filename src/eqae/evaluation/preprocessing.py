"""What is done to features before they are judged; fitted on training images, without labels."""

from __future__ import annotations

import numpy as np
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from eqae.evaluation.evidence import FloatArray

ROUNDING = 1e-6  # relative size of float32 noise in a feature that is constant in exact arithmetic


def fit_scaler(train: FloatArray) -> StandardScaler:
    """Standardisation to zero mean and unit variance, fitted on ``train (N, D)``.

    A feature that is constant up to rounding (a dead channel) is centred only: dividing by its spread would turn
    rounding noise into a feature as large as all others.
    """
    scaler = StandardScaler().fit(train)
    scaler.scale_[scaler.scale_ <= ROUNDING * np.abs(scaler.mean_)] = 1.0
    return scaler


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
    features = fit_scaler(features).transform(features)
    pca = PCA(min(dimensions, *features.shape), random_state=seed)
    with np.errstate(invalid="ignore", divide="ignore"):  # features without any variance: 0 / 0
        coordinates = pca.fit_transform(features)
    return np.asarray(coordinates, np.float32), np.nan_to_num(pca.explained_variance_ratio_).astype(np.float32)
