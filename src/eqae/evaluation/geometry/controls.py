"""What stands beside hull statistics: clouds that share something with the features, but not their structure."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

DoubleArray = NDArray[np.float64]
Cloud = tuple[DoubleArray, DoubleArray]
"""Vertices ``(n, d)`` and queries ``(m, d)``."""


def gaussian_control(vertices: DoubleArray, queries: DoubleArray, rng: np.random.Generator) -> Cloud:
    """As many points of a Gaussian with the mean and the covariance of the vertices."""
    mean, spread = vertices.mean(axis=0), vertices - vertices.mean(axis=0)
    _, sizes, directions = np.linalg.svd(spread / np.sqrt(max(len(vertices) - 1, 1)), full_matrices=False)
    root = sizes[:, None] * directions
    count = len(vertices) + len(queries)
    drawn = mean + rng.standard_normal((count, len(root))) @ root
    return drawn[: len(vertices)], drawn[len(vertices) :]


def permuted_control(vertices: DoubleArray, queries: DoubleArray, rng: np.random.Generator) -> Cloud:
    """The same numbers with every column shuffled by itself: what each coordinate does, but nothing joint."""
    return rng.permuted(vertices, axis=0), rng.permuted(queries, axis=0)


CONTROLS: Mapping[str, Callable[[DoubleArray, DoubleArray, np.random.Generator], Cloud]] = {
    "gaussian": gaussian_control,
    "permuted": permuted_control,
}
