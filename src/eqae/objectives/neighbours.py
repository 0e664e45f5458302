"""Clusters that neighbours share: the features themselves gather around as many centres as are wanted."""

from __future__ import annotations

from typing import Annotated

import torch
import torch.nn.functional as F
from annotated_types import Ge, Le
from torch import Tensor, nn

from eqae.errors import ConfigError
from eqae.objectives.base import Objective
from eqae.objectives.spread import relative_spread
from eqae.objectives.step import Step

TINY = 1e-8


class Neighbours(Objective):
    """An image, its other view and its nearest neighbours belong to one cluster, and no cluster is empty: SCAN
    (Van Gansbeke et al. 2020, arXiv:2005.12320, equation 2) with neighbours searched in the batch.

    ``−log⟨p(i), p(j)⟩`` over view pairs and neighbours j of i, less ``balance`` times the entropy of the mean p; p is
    the softmax of cosines between standardised features and learned centres, so that sure answers need features that
    lie near the centres. Nearest neighbours are nearest in the same features. Begin with a weight of 0 and a contrast
    beside it (``weight: {from: 0.0, to: 1.0}``): neighbours of untrained features are anybody's.

    Args:
        width: D.
        clusters: how many; the number of classes, where it is known.
        neighbours: of each image, in its batch.
        temperature: of the softmax.
        balance: weight of the entropy.
    """

    needs = frozenset({"features"})
    views = 2
    compares_images = True

    def __init__(
        self,
        width: int,
        *,
        clusters: Annotated[int, Ge(2), Le(4096)] = 10,
        neighbours: Annotated[int, Ge(0), Le(256)] = 4,
        temperature: Annotated[float, Ge(1e-3), Le(10)] = 0.1,
        balance: Annotated[float, Ge(0), Le(1000)] = 5.0,
    ) -> None:
        super().__init__()
        self.neighbours, self.temperature, self.balance = neighbours, temperature, balance
        self.standardised = nn.BatchNorm1d(width, affine=False)
        self.centres = nn.Parameter(torch.randn(clusters, width))

    def forward(self, step: Step) -> Tensor:
        """A scalar, in nats."""
        assert step.features is not None
        unit = F.normalize(self.standardised(step.features), dim=1)
        log_p = self.log_p(unit)
        first, second = log_p.chunk(2)
        near = nearest(unit.chunk(2)[0].detach(), self.neighbours)
        partners = torch.cat([torch.arange(len(near), device=near.device)[:, None], near], 1)
        agreement = (first[:, None] + second[partners]).logsumexp(2).mean()
        mean = log_p.exp().mean(0)
        entropy = -(mean * mean.clamp_min(TINY).log()).sum()
        return -agreement - self.balance * entropy

    def log_p(self, unit: Tensor) -> Tensor:
        """Standardised features of unit length ``(B, D)`` to log-probabilities of the clusters, ``(B, K)``."""
        return (unit @ F.normalize(self.centres, dim=1).T / self.temperature).log_softmax(1)

    def spread(self, features: Tensor) -> float:
        """Of the clusters' probabilities."""
        return relative_spread(self.log_p(F.normalize(self.standardised(features), dim=1)).exp())

    def check(self, batch_size: int, images: int) -> None:
        """Refuse batches in which a cluster would have no two images, or an image not as many neighbours."""
        clusters, given = len(self.centres), min(batch_size, images)
        more = "raise training.batch_size" if batch_size < images else "train on more images"
        if given < 4:
            raise ConfigError("objective.neighbours", f"{given} images a step", "at least 4, for two clusters", more)
        if self.neighbours >= given:
            raise ConfigError(
                "objective.neighbours.neighbours", f"{self.neighbours}, with {given} images a step",
                f"at most {given - 1}", f"{more}, or ask for fewer neighbours",
            )  # fmt: skip
        if given < 2 * clusters:
            raise ConfigError(
                "objective.neighbours.clusters", f"{clusters}, with {given} images a step", f"at most {given // 2}",
                f"{more}, or ask for fewer clusters",
            )  # fmt: skip


def nearest(unit: Tensor, count: int) -> Tensor:
    """Places ``(B, k)`` of the ``k = min(count, B − 1)`` nearest others of each row of ``(B, d)``, by cosine."""
    scores = unit @ unit.T
    scores.fill_diagonal_(-torch.inf)
    return scores.topk(min(count, len(unit) - 1), dim=1).indices
