"""The embedded default: scikit-learn's handwritten digits, which need no network and no file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from eqae.data.base import Dataset, Images
from eqae.data.orientation import orient_dataset

TRAIN_IMAGES = 1297
CLASS_NAMES = tuple("0123456789")

DigitSize = Annotated[int, Field(ge=8, le=1024)]


def load_digits(root: Path | None, *, size: DigitSize = 28) -> Dataset:
    """The 1,797 digits of UCI "Optical Recognition of Handwritten Digits" (test part), upright.

    The images come in the order they were collected, so the first 1,297 train and the last 500 judge: mostly other
    hands than those trained on.

    Args:
        root: not used.
        size: images are enlarged bilinearly from 8x8 to ``size`` x ``size``.
    """
    from sklearn.datasets import load_digits as load_from_scikit_learn

    found = load_from_scikit_learn()
    pixels = _enlarge(torch.from_numpy(found.images).float() / 16, size)
    images = Images(pixels, torch.from_numpy(found.target).long())
    return Dataset(
        "digits", images.take(slice(None, TRAIN_IMAGES)), images.take(slice(TRAIN_IMAGES, None)), CLASS_NAMES
    )


def load_o2_digits(root: Path | None, *, size: DigitSize = 28) -> Dataset:
    """:func:`load_digits`, each image in one fixed random orientation by :func:`eqae.data.orientation.orient`."""
    return orient_dataset(load_digits(root, size=size), "o2-digits", reflections=True)


def _enlarge(pixels: Tensor, size: int) -> Tensor:
    """``(N, 8, 8)`` to ``(N, 1, size, size)``."""
    return F.interpolate(pixels[:, None], size=(size, size), mode="bilinear", align_corners=False)
