"""Zernike moments: the training-free floor, invariant to rotation and reflection up to the pixel grid."""

from __future__ import annotations

from typing import Annotated

import mahotas
import numpy as np
import torch
from annotated_types import Ge, Le
from torch import Tensor

from eqae.groups import C1
from eqae.models.base import Autoencoder


class ZernikeMoments(Autoencoder):
    """V ``(B, 1, m)``: moduli of the Zernike moments of each channel about its centre of mass.

    A rotation changes the phases of the moments and a mirror conjugates them, so moduli keep neither. They are
    computed by ``mahotas`` on the CPU, one image at a time.
    """

    has_decoder = False
    trained_by = "nothing"

    def __init__(self, degree: int, image_shape: tuple[int, int, int]) -> None:
        per_channel = sum(order // 2 + 1 for order in range(degree + 1))
        super().__init__(C1, per_channel * image_shape[0], image_shape)
        self.degree = degree
        self.radius = min(image_shape[1:]) / 2

    def encode(self, images: Tensor) -> Tensor:
        """``(B, C, H, W)`` to ``(B, 1, m)``."""
        pixels = images.detach().cpu().double().numpy()
        moments = np.stack([np.concatenate([self._moments(channel) for channel in image]) for image in pixels])
        return torch.from_numpy(moments).to(images).unsqueeze(1)

    def _moments(self, channel: np.ndarray) -> np.ndarray:
        if not channel.any():  # an empty image has no centre of mass
            return np.zeros(self.channels // self.image_shape[0])
        return np.asarray(mahotas.features.zernike_moments(channel, self.radius, degree=self.degree))


def build_zernike(*, image_shape: tuple[int, int, int], degree: Annotated[int, Ge(1), Le(40)] = 12) -> ZernikeMoments:
    """The registered ``zernike`` model; degree 12 gives 49 moments a channel."""
    return ZernikeMoments(degree, image_shape)
