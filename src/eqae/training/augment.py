"""What is done to a training batch before it is encoded, on the device the batch is on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from eqae.data.transforms import augment_o2
from eqae.processes import Share


@dataclass(frozen=True)
class Augment:
    """Fresh orientations and input noise.

    Attributes:
        orientation: ``so2`` turns each image by a random angle, ``o2`` also mirrors half of them; the target turns
            with the input, so the autoencoder sees new images rather than a harder task.
        noise: standard deviation of Gaussian noise on the input alone: a denoising autoencoder (Vincent et al.
            2008). The noise law is the same at every pixel, so the training objective stays invariant.
    """

    orientation: Literal["none", "so2", "o2"] = "none"
    noise: float = 0.0

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
        if self.noise == 0:
            return target, target
        noise = share.cut(torch.randn((share.total, *target.shape[1:]), generator=generator)).to(target)
        return target + self.noise * noise, target
