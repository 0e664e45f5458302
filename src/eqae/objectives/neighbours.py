"""Clusters that neighbours share: the features themselves gather around as many centres as are wanted."""

from __future__ import annotations

from typing import Annotated

import torch
import torch.nn.functional as F
from annotated_types import Ge, Gt, Le
from torch import Tensor, nn

from eqae.errors import ConfigError
from eqae.objectives.base import Objective, Step

TINY = 1e-8


class Neighbours(Objective):
    """An image, its other view and its nearest neighbours belong to one cluster, and no cluster is empty: SCAN
    (Van Gansbeke et al. 2020, arXiv:2005.12320, equation 2) with neighbours searched as training goes, among the
    images of this step and the last ones.

    ``−log⟨p(i), p(j)⟩`` over view pairs and neighbours j of i, less ``balance`` times the entropy of the mean p; p is
    the softmax of cosines between standardised features and learned centres, so that sure answers need features that
    lie near the centres. Nearest neighbours are nearest in the same features. Begin with a weight of 0 and a contrast
    beside it (``weight: {from: 0.0, to: 1.0}``): neighbours of untrained features are anybody's.

    Args:
        width: D.
        clusters: how many; the number of classes, where it is known.
        neighbours: of each image.
        memory: images of past steps that neighbours are searched among, besides those of this one; the more images
            there are to choose from, the more often the nearest is of the same kind.
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
        memory: Annotated[int, Ge(0), Le(1_000_000)] = 0,
        temperature: Annotated[float, Gt(0), Le(10)] = 0.1,
        balance: Annotated[float, Ge(0), Le(1000)] = 5.0,
    ) -> None:
        super().__init__()
        self.neighbours, self.temperature, self.balance = neighbours, temperature, balance
        self.standardised = nn.BatchNorm1d(width, affine=False)
        self.centres = nn.Parameter(torch.randn(clusters, width))
        self.past: Tensor
        self.seen: Tensor
        self.register_buffer("past", torch.zeros(memory, width))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))

    def forward(self, step: Step) -> Tensor:
        """A scalar, in nats."""
        assert step.features is not None
        unit = F.normalize(self.standardised(step.features), dim=1)
        log_p = self._log_clusters(unit)
        first, second = log_p.chunk(2)
        shown = unit[: len(first)].detach()
        past = self.past[: int(self.seen)].clone()
        near = nearest(shown, past, self.neighbours)
        partners = torch.cat([torch.arange(len(near), device=near.device)[:, None], near], 1)
        agreement = (first[:, None] + torch.cat([second, self._log_clusters(past)])[partners]).logsumexp(2).mean()
        if self.training:
            self._remember(shown)
        mean = log_p.exp().mean(0)
        entropy = -(mean * mean.clamp_min(TINY).log()).sum()
        return -agreement - self.balance * entropy

    def _log_clusters(self, unit: Tensor) -> Tensor:
        return (unit @ F.normalize(self.centres, dim=1).T / self.temperature).log_softmax(1)

    def _remember(self, unit: Tensor) -> None:
        """The newest images in place of the oldest."""
        if len(self.past):
            unit = unit[-len(self.past) :]
            places = self.seen + torch.arange(len(unit), device=unit.device)
            self.past[places % len(self.past)] = unit
            self.seen += len(unit)

    def check(self, batch_size: int, images: int) -> None:
        """Refuse batches in which a cluster would have no two images."""
        wanted = 2 * len(self.centres)
        if min(batch_size, images) < wanted:
            raise ConfigError(
                "objective.neighbours.clusters", f"{len(self.centres)}, with {min(batch_size, images)} images a step",
                f"at most {min(batch_size, images) // 2}", "raise training.batch_size, or ask for fewer clusters",
            )  # fmt: skip


def nearest(unit: Tensor, past: Tensor, count: int) -> Tensor:
    """Places ``(B, k)`` of the nearest others of each row of ``unit (B, d)``, by cosine, k = count or all there are.

    Places from B on are rows of ``past (M, d)``.
    """
    scores = unit @ torch.cat([unit, past]).T
    scores.fill_diagonal_(-torch.inf)
    return scores.topk(min(count, scores.shape[1] - 1), dim=1).indices
