"""Centred kernel alignment: how alike two similarity matrices are (Kornblith et al., ICML 2019)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from eqae.evaluation.preprocessing import ROUNDING

DoubleArray = NDArray[np.float64]


def kernel_alignment(a: DoubleArray, b: DoubleArray) -> float:
    """``<HAH, HBH> / (|HAH| |HBH|)`` with ``H = I - 11ᵀ/N``, of symmetric kernels ``(N, N)``.

    1 for equal kernels up to scale and offset. Matched kernels may be indefinite; the figure is then a normalised
    inner product of centred matrices, and lies in [-1, 1]. NaN where a kernel is constant up to rounding.
    """
    first, second = _centred(a), _centred(b)
    sizes = np.linalg.norm(first), np.linalg.norm(second)
    if sizes[0] <= ROUNDING * np.linalg.norm(a) or sizes[1] <= ROUNDING * np.linalg.norm(b):
        return float("nan")
    return float((first * second).sum() / (sizes[0] * sizes[1]))


def _centred(kernel: DoubleArray) -> DoubleArray:
    means = kernel.mean(0)
    return kernel - means[:, None] - means + means.mean()
