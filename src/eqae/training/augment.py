"""What is done to a training batch before it is encoded, on the device the batch is on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from eqae.data.transforms import augment_o2, blur, deform, thicken
from eqae.processes import Share

LEAST_BLUR = 0.1
"""Pixels; below it a Gaussian is the image itself."""


@dataclass(frozen=True)
class Augment:
    """Fresh orientations and shapes, which input and target share, and corruption of the input alone.

    Attributes:
        orientation: ``so2`` turns each image by a random angle, ``o2`` also mirrors half of them; the target turns
            with the input, so the autoencoder sees new images rather than a harder task.
        scale: objects become up to this much larger, or smaller by the same factor.
        shear: slant along a random direction, at most.
        shift: pixels along each axis, at most.
        elastic: typical displacement in pixels of a smooth random deformation.
        thickness: bright parts grow or shrink by at most this many pixels.
        blur: largest standard deviation of a Gaussian blur of the input, in pixels.
        contrast: the input's deviation from its own mean is multiplied by 1 ± contrast, at most.
        noise: standard deviation of Gaussian noise on the input alone: a denoising autoencoder (Vincent et al.
            2008). The noise law is the same at every pixel, so the training objective stays invariant.
    """

    orientation: Literal["none", "so2", "o2"] = "none"
    scale: float = 0.0
    shear: float = 0.0
    shift: float = 0.0
    elastic: float = 0.0
    thickness: float = 0.0
    blur: float = 0.0
    contrast: float = 0.0
    noise: float = 0.0

    def views(
        self, images: Tensor, generator: torch.Generator, share: Share | None = None, count: int = 1
    ) -> tuple[Tensor, Tensor]:
        """(input, target) of ``count`` views of a batch, ``(count·B, C, H, W)`` each, view after view."""
        drawn = [self(images, generator, share) for _ in range(count)]
        inputs, targets = (torch.cat(parts) if count > 1 else parts[0] for parts in zip(*drawn, strict=True))
        return inputs, targets

    def __call__(self, images: Tensor, generator: torch.Generator, share: Share | None = None) -> tuple[Tensor, Tensor]:
        """(input, target) of a batch, or of a process's share of it.

        Args:
            images: ``(B, C, H, W)``.
            generator: on the CPU; what is drawn from it depends on the size of the whole batch alone.
            share: which part of the batch the images are; None for all of it.
        """
        share = share or Share.of(len(images))
        target = images
        if self.orientation != "none":
            target = augment_o2(images, generator, self.orientation == "o2", share)
        if self.scale or self.shear or self.shift or self.elastic:
            target = deform(
                target, generator, scale=self.scale, shear=self.shear, shift=self.shift, elastic=self.elastic,
                share=share,
            )  # fmt: skip
        if self.thickness:
            target = thicken(target, self.thickness * share.cut(2 * torch.rand(share.total, generator=generator) - 1))
        return self._corrupted(target, generator, share), target

    def _corrupted(self, images: Tensor, generator: torch.Generator, share: Share) -> Tensor:
        if self.blur:
            deviations = share.cut(torch.rand(share.total, generator=generator))
            images = blur(images, (self.blur * deviations).clamp_min(LEAST_BLUR), max(self.blur, LEAST_BLUR))
        if self.contrast:
            factors = 1 + self.contrast * share.cut(2 * torch.rand(share.total, generator=generator) - 1)
            mean = images.flatten(1).mean(1).view(-1, 1, 1, 1)
            images = mean + factors.to(images).view(-1, 1, 1, 1) * (images - mean)
        if self.noise:
            noise = share.cut(torch.randn((share.total, *images.shape[1:]), generator=generator)).to(images)
            images = images + self.noise * noise
        return images
