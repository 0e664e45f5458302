"""What a dataset is: two splits of images in memory, with labels where there are any."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from eqae.errors import DataError
from eqae.seeding import generator

UNLABELED = -1


@dataclass(frozen=True)
class Images:
    """The images of one split, addressed by index.

    Attributes:
        pixels: ``(N, C, H, W)``; uint8 in 0..255, or float32 in [0, 1]. Background is 0 where the dataset knows it.
        labels: ``(N,)`` int64 class indices; ``UNLABELED`` where the class is not known.
        names: one file name an image where they came from files, else empty.

    Raises:
        DataError: shapes, types or ranges other than these, NaN or infinite pixels, an empty split.
    """

    pixels: Tensor
    labels: Tensor
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_pixels(self.pixels)
        if self.labels.shape != (len(self.pixels),) or self.labels.dtype != torch.int64:
            raise DataError(
                "labels", f"{self.labels.dtype} of shape {tuple(self.labels.shape)}",
                f"int64 of shape ({len(self.pixels)},)",
            )  # fmt: skip

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def shape(self) -> tuple[int, int, int]:
        """``(C, H, W)`` of every image."""
        _, channels, height, width = self.pixels.shape
        return channels, height, width

    @property
    def is_labeled(self) -> bool:
        """Whether every image has a class."""
        return bool((self.labels != UNLABELED).all())

    def batch(self, indices: Tensor | Sequence[int] | slice) -> Tensor:
        """The chosen images as float32 in [0, 1], ``(B, C, H, W)``."""
        return as_float(self.pixels[indices])

    def take(self, indices: Tensor | slice) -> Images:
        """A smaller split: the chosen images with their labels and names."""
        if self.names:
            order = range(len(self))[indices] if isinstance(indices, slice) else indices.tolist()
            return Images(self.pixels[indices], self.labels[indices], tuple(self.names[i] for i in order))
        return Images(self.pixels[indices], self.labels[indices])


@dataclass(frozen=True)
class Dataset:
    """Training and test images of one benchmark or of one user's folder.

    Attributes:
        name: as registered; stands in every result row.
        train: images the autoencoder trains on, and probes and clusterers are fitted on.
        test: images that only judge.
        class_names: one name a class, in label order; empty where nothing is labelled.

    Raises:
        DataError: splits of different image shapes, or labels without a name.
    """

    name: str
    train: Images
    test: Images
    class_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.train.shape != self.test.shape:
            raise DataError(
                f"{self.name}: test images", f"(C, H, W) = {self.test.shape}", f"{self.train.shape}, as in training"
            )
        for split, images in (("training", self.train), ("test", self.test)):
            low, high = int(images.labels.min()), int(images.labels.max())
            if low < UNLABELED or (self.class_names and high >= len(self.class_names)):
                raise DataError(
                    f"{self.name}: {split} labels", f"from {low} to {high}",
                    f"0 to {len(self.class_names) - 1}, or {UNLABELED} for unknown", "one class name a label",
                )  # fmt: skip

    def holding_out(self, share: float) -> Dataset:
        """The same dataset with a part of its training images in place of the test images, which are left alone: what
        settings are chosen on. The part is the same for every run.

        Args:
            share: of the training images, between 0 and 1.

        Raises:
            DataError: it is less than an image, or leaves none to train on.
        """
        count = len(self.train)
        judges = round(share * count)
        if not 0 < judges < count:
            raise DataError(
                "data.held_out", f"{share}, which is {judges} of {count} images", "at least one held out and one left",
                "change the share, or set it to 0 to be judged on the test images",
            )  # fmt: skip
        order = torch.randperm(count, generator=generator(0, "held out"))
        rest, held = order[judges:].sort().values, order[:judges].sort().values
        return replace(self, name=f"{self.name}-held-out", train=self.train.take(rest), test=self.train.take(held))


def as_float(pixels: Tensor) -> Tensor:
    """uint8 0..255 or float in [0, 1] to float32 in [0, 1]."""
    return pixels.float() / 255 if pixels.dtype == torch.uint8 else pixels.float()


def check_pixels(pixels: Tensor, where: str = "images") -> None:
    """Refuse what no model here can read; the message names the first image at fault.

    Raises:
        DataError: not ``(N, 1 or 3, H, W)``, empty, neither uint8 nor float32, outside [0, 1], NaN or infinite.
    """
    shape = tuple(pixels.shape)
    if pixels.ndim != 4 or shape[1] not in (1, 3):
        raise DataError(where, f"shape {shape}", "(N, C, H, W) with 1 or 3 channels")
    if shape[0] == 0:
        raise DataError(where, "no images", "at least one image")
    if pixels.dtype == torch.uint8:
        return
    if pixels.dtype != torch.float32:
        raise DataError(where, f"dtype {pixels.dtype}", "uint8 (0..255) or float32 ([0, 1])")
    low, high = pixels.flatten(1).aminmax(dim=1)
    finite = torch.isfinite(low) & torch.isfinite(high)
    if not finite.all():
        raise DataError(
            f"{where}[{_first(~finite)}]", "a pixel that is NaN or infinite", "finite pixels",
            "remove the image or repair it; NaN spreads through normalisation to every other image",
        )  # fmt: skip
    outside = (low < -1e-4) | (high > 1 + 1e-4)
    if outside.any():
        i = _first(outside)
        raise DataError(
            f"{where}[{i}]", f"pixels from {low[i]:.4g} to {high[i]:.4g}", "values in [0, 1]",
            "divide by the largest value the sensor gives, or pass uint8",
        )  # fmt: skip


def _first(mask: Tensor) -> int:
    return int(mask.nonzero()[0, 0])
