"""The images themselves as features: what hull statistics of a model are compared with."""

from __future__ import annotations

import numpy as np
import torch

from eqae.data.base import Images
from eqae.evaluation.evidence import Evidence, Features, FloatArray, IntArray
from eqae.evaluation.geometry.controls import Cloud
from eqae.evaluation.geometry.hull_case import HullCase, principal_cloud

_VALUES = 4096  # an image; larger ones are averaged down
_BLOCK = 256


def pixel_cloud(evidence: Evidence, case: HullCase, dimensions: int) -> Cloud | None:
    """The images of ``case`` in at most ``dimensions`` principal components of their standardised pixels.

    None where the images are not at hand. Images of more than 4,096 values are averaged down to about as many.
    """
    if evidence.pixels is None:
        return None
    train = flat_pixels(evidence.pixels.train, _places(evidence.train, case.train_rows))
    test = flat_pixels(evidence.pixels.test, _places(evidence.test, case.test_rows))
    return principal_cloud(train, test, dimensions, case.seed)


def flat_pixels(images: Images, places: IntArray) -> FloatArray:
    """The images at ``places (N,)`` as rows ``(N, C·h·w)``, h and w reduced where C·H·W exceeds 4,096."""
    channels, height, width = images.shape
    share = min(1.0, (_VALUES / (channels * height * width)) ** 0.5)
    size = max(1, int(share * height)), max(1, int(share * width))
    rows = []
    for start in range(0, len(places), _BLOCK):
        block = images.batch(torch.from_numpy(places[start : start + _BLOCK]))
        rows.append(torch.nn.functional.adaptive_avg_pool2d(block, size).flatten(1).numpy())
    return np.concatenate(rows)


def _places(features: Features, rows: IntArray) -> IntArray:
    return rows if features.index is None else features.index[rows]
