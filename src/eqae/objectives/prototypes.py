"""Clusters that are learned along: two views of an image are to be assigned to the same prototype."""

from __future__ import annotations

from typing import Annotated

import torch
import torch.nn.functional as F
from annotated_types import Ge, Le
from torch import Tensor, nn

from eqae.errors import ConfigError
from eqae.objectives.base import Objective
from eqae.objectives.projection import Projection, Widths
from eqae.objectives.spread import relative_spread
from eqae.objectives.step import Step

ROUNDS = 3
"""Of Sinkhorn's alternation, as in the paper."""


class Prototypes(Objective):
    """Swapped assignment to prototypes, SwAV (Caron et al. 2020, arXiv:2006.09882, equations 1 to 5).

    Each view predicts, by a softmax over cosines with the prototypes, the other view's assignment; assignments are
    balanced over the batch, so that no prototype takes all images.

    Args:
        width: D.
        count: of prototypes.
        temperature: τ of the prediction.
        sharpness: ε of the assignment; smaller is nearer to one-hot.
        projection: widths of the layers behind the features.
    """

    needs = frozenset({"features"})
    views = 2
    compares_images = True

    def __init__(
        self,
        width: int,
        *,
        count: Annotated[int, Ge(2), Le(65536)] = 64,
        temperature: Annotated[float, Ge(1e-3), Le(10)] = 0.1,
        sharpness: Annotated[float, Ge(1e-3), Le(10)] = 0.05,
        projection: Widths = (256, 64),
    ) -> None:
        super().__init__()
        self.temperature, self.sharpness = temperature, sharpness
        self.projection = Projection(width, projection)
        self.prototypes = nn.Parameter(torch.randn(count, projection[-1]))

    def forward(self, step: Step) -> Tensor:
        """A scalar, in nats."""
        assert step.features is not None
        first, second = self.scores(step.features).chunk(2)
        with torch.no_grad():
            assigned = [balanced_assignment(view, self.sharpness) for view in (first, second)]
        said = [(view / self.temperature).log_softmax(1) for view in (first, second)]
        return -((assigned[0] * said[1]).sum(1) + (assigned[1] * said[0]).sum(1)).mean() / 2

    def scores(self, features: Tensor) -> Tensor:
        """Features ``(B, D)`` to cosines with the K prototypes, ``(B, K)``."""
        return F.normalize(self.projection(features), dim=1) @ F.normalize(self.prototypes, dim=1).T

    def spread(self, features: Tensor) -> float:
        """Of what is said of each image."""
        return relative_spread((self.scores(features) / self.temperature).softmax(1))

    def check(self, batch_size: int, images: int) -> None:
        """Refuse fewer images a step, but for an epoch's last, than prototypes, among which they are balanced."""
        count, given = len(self.prototypes), min(batch_size, images)
        if given < count:
            larger = "raise training.batch_size, or " if batch_size < images else ""
            raise ConfigError(
                "objective.prototypes.count", f"{count}, with {given} images a step", f"at most {given}",
                f"{larger}ask for fewer: each prototype is to have images of its own",
            )  # fmt: skip


def balanced_assignment(scores: Tensor, sharpness: float) -> Tensor:
    """Scores ``(B, K)`` to assignments ``(B, K)`` whose rows sum to 1 and whose columns have equal sums, nearly.

    Sinkhorn's alternation on ``exp(scores / sharpness)``, in logarithms.
    """
    images, count = scores.shape
    log = scores / sharpness
    for _ in range(ROUNDS):
        log = log - log.logsumexp(0, keepdim=True) + torch.tensor(images / count, device=log.device).log()
        log = log - log.logsumexp(1, keepdim=True)
    return log.exp()
