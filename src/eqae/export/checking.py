"""Comparing an exported file with the model it came from, before the file is kept."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from eqae.checkpoint import golden_images
from eqae.config import parse_config
from eqae.data import load_dataset
from eqae.errors import EqaeError
from eqae.extractor import FeatureExtractor
from eqae.heads import Head
from eqae.models import Autoencoder
from eqae.runs import RunDirectory
from eqae.seeding import generator
from eqae.yaml_file import read_yaml

TOLERANCE = 1e-5
"""Relative to the length of an image's features, as for golden features; folded layers round differently by 1e-6."""
OWN_ROUNDING = 3
"""A larger difference is rounding still, up to this many times the model's own: a signed root before whitening makes
1e-5 of what float32 leaves open in V."""
COUNT = 64
"""Images of a kind."""

Function = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""Images ``(N, C, H, W)`` in 0..255 to features ``(N, D)``."""


class ExportError(EqaeError):
    """A file that would give other features than its model."""


@dataclass(frozen=True)
class Difference:
    """The largest difference between features of a file and of its model.

    Attributes:
        absolute: of any feature of any image.
        relative: ``|f' − f| / |f|`` of any image.
    """

    absolute: float
    relative: float

    def __str__(self) -> str:
        return f"largest difference {self.absolute:.1e}, {self.relative:.1e} of the features' length"

    def check(self, images: str, own_rounding: Callable[[], float]) -> None:
        """Refuse a difference that rounding does not explain.

        Args:
            images: what they are, for the message.
            own_rounding: the model's own on these images, relative; called where :data:`TOLERANCE` is exceeded.

        Raises:
            ExportError: NaN, or above both :data:`TOLERANCE` and :data:`OWN_ROUNDING` times the model's own rounding.
        """
        if self.relative <= TOLERANCE:
            return
        allowed = max(TOLERANCE, OWN_ROUNDING * own_rounding())
        if not self.relative <= allowed:
            raise ExportError(
                f"features of {images}", f"the file would give others than the model: {self}", f"at most {allowed:.1e}",
                "nothing was written; export to another format, and report this",
            )  # fmt: skip


def compare(function: Function, extractor: FeatureExtractor, images: NDArray[np.uint8]) -> Difference:
    """How far ``function`` is from ``extractor`` on ``images``, given to it one, three, and all others at a time."""
    found = np.concatenate([function(part) for part in np.split(images, [1, 4]) if len(part)])
    return _difference(found, extractor.transform(images))


def rounding(model: Autoencoder, head: Head, extractor: FeatureExtractor, images: NDArray[np.uint8]) -> float:
    """How far the features of ``extractor`` are from those of its model and head in float64, relative, at most."""
    exact_model, exact_head = copy.deepcopy((model, head))
    with torch.no_grad():
        exact = exact_head.double()(exact_model.double().encode(torch.from_numpy(images).double() / 255))
    return _difference(extractor.transform(images), exact.numpy()).relative


def _difference(found: NDArray[np.floating], expected: NDArray[np.floating]) -> Difference:
    difference = found.astype(np.float64) - expected
    lengths, distances = np.linalg.norm(expected.astype(np.float64), axis=1), np.linalg.norm(difference, axis=1)
    relative = np.divide(distances, lengths, out=np.where(distances > 0, np.inf, 0.0), where=lengths > 0)
    return Difference(float(np.abs(difference).max()), float(relative.max()))


def random_images(image_shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """The golden images of checkpoints, and others of random grey values, ``(COUNT, C, H, W)``."""
    golden = (golden_images(image_shape) * 255).round().to(torch.uint8)
    shape = (COUNT - len(golden), *image_shape)
    others = torch.randint(0, 256, shape, generator=generator("export", "images"), dtype=torch.uint8)
    return torch.cat([golden, others]).numpy()


def real_images(run: Path) -> NDArray[np.uint8]:
    """The first test images of the data that ``run`` was trained on, at most ``COUNT``, ``(N, C, H, W)``.

    Raises:
        EqaeError: the run does not say which data, or it is not at hand.
    """
    data = parse_config(read_yaml(RunDirectory(run).config)).data
    pixels = load_dataset(data.name, data.root, data.options).test.pixels[:COUNT]
    return pixels.numpy() if pixels.dtype == torch.uint8 else (pixels * 255).round().to(torch.uint8).numpy()
