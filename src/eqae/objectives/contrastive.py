"""Contrast between images: two views of one are to be nearer than views of any others."""

from __future__ import annotations

from typing import Annotated

import torch
import torch.nn.functional as F
from annotated_types import Ge, Le
from torch import Tensor

from eqae.errors import ConfigError
from eqae.objectives.base import Objective
from eqae.objectives.projection import Projection, Widths
from eqae.objectives.spread import relative_spread
from eqae.objectives.step import Step

FEWEST = 8
"""Images a step, but for an epoch's last, below which there is nothing to speak of to be contrasted with."""


class Contrastive(Objective):
    """NT-Xent of SimCLR (Chen et al. 2020, arXiv:2002.05709, equation 1) on a projection of the features.

    ``−log exp(s(i, j)/τ) / Σ_{k≠i} exp(s(i, k)/τ)`` for the two views i and j of an image, s being the cosine, averaged
    over all 2B views.

    Args:
        width: D.
        temperature: τ; lower ones look at the nearest others alone.
        projection: widths of the layers behind the features.
    """

    needs = frozenset({"features"})
    views = 2
    compares_images = True

    def __init__(
        self, width: int, *, temperature: Annotated[float, Ge(1e-3), Le(10)] = 0.2, projection: Widths = (256, 64)
    ) -> None:
        super().__init__()
        self.temperature = temperature
        self.projection = Projection(width, projection)

    def forward(self, step: Step) -> Tensor:
        """A scalar, in nats."""
        assert step.features is not None
        return nt_xent(self.projection(step.features), self.temperature)

    def spread(self, features: Tensor) -> float:
        """Of the directions that cosines compare."""
        return relative_spread(F.normalize(self.projection(features), dim=1))

    def check(self, batch_size: int, images: int) -> None:
        """Refuse batches too small for a contrast."""
        if min(batch_size, images) < FEWEST:
            larger = "raise training.batch_size" if batch_size < FEWEST else "train on more images"
            raise ConfigError(
                "objective.contrastive", f"{min(batch_size, images)} images a step", f"at least {FEWEST}",
                f"{larger}: every image is contrasted with the others of its batch",
            )  # fmt: skip


def nt_xent(projections: Tensor, temperature: float) -> Tensor:
    """NT-Xent of ``(2·B, d)``: row b and row B + b are the two views of image b."""
    unit = F.normalize(projections, dim=1)
    scores = unit @ unit.T / temperature
    scores = scores.masked_fill(torch.eye(len(unit), dtype=torch.bool, device=unit.device), -torch.inf)
    partners = torch.arange(len(unit), device=unit.device).roll(len(unit) // 2)
    return F.cross_entropy(scores, partners)
