"""Pixel reconstruction."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from eqae.objectives.base import Objective
from eqae.objectives.step import Step


class PixelReconstruction(Objective):
    """Mean squared error between what the decoder gave and the model's views of the images."""

    needs = frozenset({"decoder"})

    def forward(self, step: Step) -> Tensor:
        """A scalar."""
        given = step.reconstruction
        assert given is not None
        return F.mse_loss(given.images if given.views is None else given.views, step.target)
