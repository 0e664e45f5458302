"""Pixel reconstruction."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from eqae.models.base import Reconstruction


def reconstruction(output: Reconstruction, images: Tensor) -> Tensor:
    """Mean squared error between what the decoder gave and ``images``, the model's views of the images; a scalar."""
    return F.mse_loss(output.images if output.views is None else output.views, images)
