"""A map to principal coordinates that is fitted on training features and applied to others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from eqae.evaluation.evidence import FloatArray
from eqae.evaluation.preprocessing import ROUNDING, fit_scaler

DoubleArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PrincipalMap:
    """Standardised features in their first principal components: :func:`eqae.evaluation.preprocessing.compress` as
    a map.

    Attributes:
        scaler: standardisation.
        mean: of the standardised features, ``(D,)``.
        directions: orthonormal rows, ``(d, D)``, by falling variance; those without variance are left out.
    """

    scaler: StandardScaler
    mean: FloatArray
    directions: FloatArray

    def __call__(self, features: FloatArray) -> DoubleArray:
        """Coordinates ``(N, d)`` of ``features (N, D)``."""
        centred = np.asarray(self.scaler.transform(features), np.float32) - self.mean
        return np.asarray(centred @ self.directions.T, np.float64)


def fit_principal_map(
    features: FloatArray, dimensions: int, seed: int, scaler: StandardScaler | None = None
) -> PrincipalMap:
    """The map to at most ``dimensions`` principal coordinates of ``features (N, D)``.

    Fewer where the features span fewer; none at all where they do not vary.

    Args:
        features: ``(N, D)``.
        dimensions: number of components.
        seed: of the randomised solver.
        scaler: standardisation; fitted on ``features`` if None.
    """
    scaler = scaler or fit_scaler(features)
    standard = np.asarray(scaler.transform(features), np.float32)
    pca = PCA(min(dimensions, *standard.shape), random_state=seed)
    with np.errstate(invalid="ignore", divide="ignore"):  # features without any variance, or one image: 0 / 0
        pca.fit(standard)
    spread = np.sqrt(np.nan_to_num(pca.explained_variance_))
    kept = spread > ROUNDING * np.sqrt(features.shape[1])  # standardised: the whole spread is about √D
    return PrincipalMap(scaler, np.asarray(pca.mean_, np.float32), np.asarray(pca.components_[kept], np.float32))
