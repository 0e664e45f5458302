"""From inner products to kernels that compare across images, whatever the assignment was."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from eqae.evaluation.preprocessing import ROUNDING

DoubleArray = NDArray[np.float64]


def cosine_kernel(inner: DoubleArray) -> DoubleArray:
    """``K[i, j] / sqrt(K[i, i] K[j, j])``, ``(N, N)``; 0 for images without any feature."""
    norms = np.sqrt(np.diag(inner))
    scale = np.divide(1, norms, out=np.zeros_like(norms), where=norms > 0)
    return inner * scale[:, None] * scale


def rbf_kernel(inner: DoubleArray) -> DoubleArray:
    """``exp(-d² / 2σ²)`` with ``d² = K[i, i] + K[j, j] - 2 K[i, j]`` and ``σ = sqrt(median of d² > 0) + 0.001``.

    The median is over all pairs given, distances that are rounding left out (Wald et al. 2024).
    """
    squares = np.diag(inner)
    sums = squares[:, None] + squares
    distances = np.maximum(sums - 2 * inner, 0)
    apart = distances[distances > ROUNDING * sums]
    sigma = (np.sqrt(np.median(apart)) if len(apart) else 0.0) + 1e-3
    return np.exp(-0.5 * distances / sigma**2)


def smallest_eigenvalue(kernel: DoubleArray) -> float:
    """Below zero, beyond rounding, where the kernel is not positive semi-definite; matched kernels need not be."""
    return float(np.linalg.eigvalsh(kernel)[0])
