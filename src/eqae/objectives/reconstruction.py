"""Pixel reconstruction."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from eqae.models.base import Reconstruction


def reconstruction(output: Reconstruction, images: Tensor) -> Tensor:
    """Mean squared error between ``output.images`` and ``images``, both ``(B, C, H, W)``; a scalar."""
    return F.mse_loss(output.images, images)
