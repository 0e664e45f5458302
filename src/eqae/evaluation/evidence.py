"""What evaluators see and what they return. No evaluator sees a model: that is what makes the comparison fair."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

    from eqae.data.base import Dataset

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int64]


class NotAvailable(Exception):  # noqa: N818 - an answer, not an error
    """Raised by an evaluator that cannot judge this model or these images; its text is the reason, in a few words.

    The loop turns it into a row without a value, and goes on.
    """


@dataclass(frozen=True)
class Features:
    """Features of N images under O transforms, addressed by image index.

    Attributes:
        values: ``(N, O, D)`` float32. Along O the first entry is the image as it is. Large ones lie on disk
            (``numpy.memmap``): take them a block or a transform at a time.
        labels: ``(N,)`` class indices, -1 where unknown.
        angles: ``(O,)`` counter-clockwise turn of each transform in degrees, applied after its mirror.
        mirrored: ``(O,)`` whether the transform reverses the last image axis first.
        index: ``(N,)`` which image of its split each row belongs to; None where they are 0, 1, ..., N - 1.
    """

    values: FloatArray
    labels: IntArray
    angles: NDArray[np.float64]
    mirrored: NDArray[np.bool_]
    index: IntArray | None = None

    @property
    def upright(self) -> FloatArray:
        """Features of the images as they are, ``(N, D)``."""
        return self.values[:, 0]


@dataclass(frozen=True)
class FeatureMaps:
    """What one layer says of N images at every position, before any head.

    Attributes:
        values: ``(N, height·width, fields, order)`` float16: row-major positions; ``order`` numbers a field, one a
            group element, in which a transform of the image permutes positions and group elements.
        height, width: of the map.
        index: ``(N,)`` which test image each row belongs to.
        labels: ``(N,)`` class indices, -1 where unknown.
    """

    values: NDArray[np.float16]
    height: int
    width: int
    index: IntArray
    labels: IntArray


@dataclass(frozen=True)
class Code:
    """Vectors that the model can turn back into images: its flattened V.

    Attributes:
        train: ``(N, d)``, aligned with the training images.
        test: ``(N, d)``, aligned with the test images.
        decode: vectors ``(B, d)`` to images ``(B, C, H, W)``, not clipped to [0, 1].
    """

    train: FloatArray
    test: FloatArray
    decode: Callable[[FloatArray], FloatArray]


@dataclass(frozen=True)
class Attention:
    """Weights over the rows of V; those of an image sum to one.

    Attributes:
        test: of the test images as they are, ``(N, |G|)``.
        turned: of some test images under O transforms, ``(n, O, |G|)``: the identity, and what else the group of the
            model has of the symmetries of the pixel grid.
        moves: ``(O, |G|)``: the row to which each transform takes the content of each row.
        condition: of these transforms, ``"D4"`` or for rectangles ``"D2"``; empty where no image was turned.
    """

    test: FloatArray
    turned: FloatArray
    moves: IntArray
    condition: str


@dataclass(frozen=True)
class Encoder:
    """The way from images to features, for protocols that make images of their own.

    Attributes:
        function: images ``(B, C, H, W)``, float in [0, 1], on ``device`` to features ``(B, D)`` there, in evaluation
            mode and without gradient.
        device: where the images should be.
        image_shape: ``(C, H, W)``.
    """

    function: Callable[[torch.Tensor], torch.Tensor]
    device: torch.device
    image_shape: tuple[int, int, int]

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Features ``(B, D)`` of images ``(B, C, H, W)``."""
        return self.function(images)


@dataclass(frozen=True, eq=False)
class Evidence:
    """All that is known of one model on one dataset: one extraction pass, shared by every evaluator.

    What lies below ``class_names`` is there only if an evaluator that was asked for declares it as a need (see
    :func:`eqae.evaluation.declaration.evaluator`), and if the model has it at all.

    Attributes:
        model: label of the row, e.g. ``"eqae_p4m"`` or ``"eqae_p4m:mean"``.
        dataset: registered name.
        group: name of the model's own group (``"D4"``); ``"C1"`` for plain models.
        seed: seed of the run.
        train: features of the training images, O = 1.
        test: features of the test images, O = 1.
        turned: by condition (``"D4"``, ``"30deg"``, ``"any-angle"``), features of some test images, spread evenly
            over the split, O > 1. Need ``"orbits"``.
        there_and_back: by condition, features of images turned and turned back, aligned with ``turned``: what
            interpolation alone does. Only for conditions that interpolate. Need ``"orbits"``.
        untrained: ``turned`` again for the same network at its initial weights; empty where nothing was trained.
            Need ``"untrained"``.
        reconstruction_error: mean squared pixel error of each test image, ``(N,)``; None without a decoder. Need
            ``"reconstruction"``.
        class_names: names in label order; empty where nothing is labelled.
        pixels: the images themselves. Need ``"pixels"``.
        maps: by layer, from shallow to deep, feature maps of some test images, spread evenly over the split; empty
            where the model has none. Need ``"maps"``.
        logits: ``(N, K)`` of the test images by the model's own classifier; None where it has none. Need
            ``"logits"``.
        code: decodable vectors; None without a decoder. Need ``"code"``.
        encode: the encoder with its head. Need ``"encoder"``.
        attention: weights over the rows of V; None where the model has none. Need ``"attention"``.
    """

    model: str
    dataset: str
    group: str
    seed: int
    train: Features
    test: Features
    turned: Mapping[str, Features] = field(default_factory=dict)
    there_and_back: Mapping[str, Features] = field(default_factory=dict)
    untrained: Mapping[str, Features] = field(default_factory=dict)
    reconstruction_error: FloatArray | None = None
    class_names: tuple[str, ...] = ()
    pixels: Dataset | None = None
    maps: Mapping[str, FeatureMaps] = field(default_factory=dict)
    logits: FloatArray | None = None
    code: Code | None = None
    encode: Encoder | None = None
    attention: Attention | None = None


@dataclass(frozen=True)
class Score:
    """One figure with its interval.

    Attributes:
        metric: the field's name for it, e.g. ``"knn_accuracy"``.
        value: the figure; accuracies are fractions; NaN where it is not defined.
        low, high: 95 % interval over images, or None.
        higher_is_better: direction.
        n: number of images behind the figure.
        condition: transforms tested (``"D4"``, ``"30deg"``, ``"any-angle"``), a layer, or empty.
        untrained: the figure belongs to the initial weights.
        samples: where the figure is a mean over images, their values ``(N,)`` in the order of the images, NaN for
            those left out: models are compared on them pairwise.
        note: why there is no value, e.g. ``"not available: the model has no decoder"``; else empty.
    """

    metric: str
    value: float
    low: float | None
    high: float | None
    higher_is_better: bool
    n: int
    condition: str = ""
    untrained: bool = False
    samples: NDArray[np.float64] | None = field(default=None, compare=False, repr=False)
    note: str = ""


@dataclass(frozen=True)
class Findings:
    """What an evaluator returns: scores for the table, and named arrays the report draws."""

    scores: tuple[Score, ...]
    drawings: Mapping[str, Any] = field(default_factory=dict)
