"""What evaluators see and what they return. No evaluator sees a model: that is what makes the comparison fair."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Features:
    """Features of N images under O transforms, addressed by image index.

    Attributes:
        values: ``(N, O, D)`` float32. Along O the first entry is the image as it is.
        labels: ``(N,)`` class indices, -1 where unknown.
        angles: ``(O,)`` counter-clockwise turn of each transform in degrees, applied after its mirror.
        mirrored: ``(O,)`` whether the transform reverses the last image axis first.
    """

    values: FloatArray
    labels: IntArray
    angles: NDArray[np.float64]
    mirrored: NDArray[np.bool_]

    @property
    def upright(self) -> FloatArray:
        """Features of the images as they are, ``(N, D)``."""
        return self.values[:, 0]


@dataclass(frozen=True)
class Evidence:
    """All that is known of one model on one dataset: one extraction pass, shared by every evaluator.

    Attributes:
        model: label of the row, e.g. ``"eqae_p4m"`` or ``"eqae_p4m:mean"``.
        dataset: registered name.
        group: name of the model's own group (``"D4"``); ``"C1"`` for plain models.
        seed: seed of the run.
        train: features of the training images, O = 1.
        test: features of the test images, O = 1.
        turned: by condition (``"D4"``, ``"30deg"``, ``"any-angle"``), features of some test images, spread evenly
            over the split, O > 1.
        there_and_back: by condition, features of images turned and turned back, aligned with ``turned``: what
            interpolation alone does. Only for conditions that interpolate.
        untrained: ``turned`` again for the same network at its initial weights; empty where nothing was trained.
        reconstruction_error: mean squared pixel error of each test image, ``(N,)``; None without a decoder.
        class_names: names in label order; empty where nothing is labelled.
    """

    model: str
    dataset: str
    group: str
    seed: int
    train: Features
    test: Features
    turned: Mapping[str, Features]
    there_and_back: Mapping[str, Features] = field(default_factory=dict)
    untrained: Mapping[str, Features] = field(default_factory=dict)
    reconstruction_error: FloatArray | None = None
    class_names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Score:
    """One figure with its interval.

    Attributes:
        metric: the field's name for it, e.g. ``"knn_accuracy"``.
        value: the figure; accuracies are fractions.
        low, high: 95 % interval over images, or None.
        higher_is_better: direction.
        n: number of images behind the figure.
        condition: transforms tested (``"D4"``, ``"30deg"``, ``"any-angle"``), or empty.
        untrained: the figure belongs to the initial weights.
    """

    metric: str
    value: float
    low: float | None
    high: float | None
    higher_is_better: bool
    n: int
    condition: str = ""
    untrained: bool = False


@dataclass(frozen=True)
class Findings:
    """What an evaluator returns: scores for the table, and named arrays the report draws."""

    scores: tuple[Score, ...]
    drawings: Mapping[str, Any] = field(default_factory=dict)
