"""Agreement of two views without negatives, kept from collapsing by variance and covariance."""

from __future__ import annotations

from typing import Annotated

import torch
import torch.nn.functional as F
from annotated_types import Ge, Le
from torch import Tensor

from eqae.errors import ConfigError
from eqae.objectives.base import Objective
from eqae.objectives.projection import Projection, Widths
from eqae.objectives.spread import mean_deviation
from eqae.objectives.step import Step

Coefficient = Annotated[float, Ge(0), Le(1e6)]
FEWEST = 8
"""Images a step, but for an epoch's last, below which variance and covariance say nothing."""
TINY = 1e-4
"""Added to variances under the root, as in the paper."""


class VICReg(Objective):
    """Variance-invariance-covariance regularisation (Bardes, Ponce & LeCun 2022, arXiv:2105.04906, equations 1 to 6).

    Views of one image agree, every coordinate keeps a deviation of 1, and no two coordinates say the same. With Z and
    Z' the projections of two views, of B images and d coordinates, the loss is::

        λ mean (Z − Z')² + μ [v(Z) + v(Z')] / 2 + ν [c(Z) + c(Z')]
        v(Z) = mean over j of max(0, 1 − sqrt(var z_j + 1e-4))
        c(Z) = sum over i ≠ j of cov(z_i, z_j)² / d

    The paper's equations 5 and 6 sum the first term over coordinates and the second over views: its λ is ours divided
    by d, its μ half of ours.

    Args:
        width: D, of the features.
        invariance: λ.
        variance: μ.
        covariance: ν.
        projection: widths of the layers behind the features.

    Raises:
        ConfigError: all three are 0.
    """

    needs = frozenset({"features"})
    views = 2
    compares_images = True

    def __init__(
        self,
        width: int,
        *,
        invariance: Coefficient = 25.0,
        variance: Coefficient = 25.0,
        covariance: Coefficient = 1.0,
        projection: Widths = (256, 256),
    ) -> None:
        super().__init__()
        if not any((invariance, variance, covariance)):
            raise ConfigError("objective.vicreg", "invariance, variance and covariance are all 0", "one above 0")
        self.weights = invariance, variance, covariance
        self.projection = Projection(width, projection)

    def forward(self, step: Step) -> Tensor:
        """A scalar."""
        assert step.features is not None
        first, second = self.projection(step.features).chunk(2)
        invariance, variance, covariance = self.weights
        if len(first) < 2:  # held-out images may leave a last batch of one, which has neither
            return invariance * F.mse_loss(first, second)
        spread = (variance_hinge(first) + variance_hinge(second)) / 2
        shared = squared_covariances(first) + squared_covariances(second)
        return invariance * F.mse_loss(first, second) + variance * spread + covariance * shared

    def spread(self, features: Tensor) -> float:
        """The deviation that v(Z) wants to be 1."""
        return mean_deviation(self.projection(features))

    def check(self, batch_size: int, images: int) -> None:
        """Refuse batches too small for a covariance."""
        if min(batch_size, images) < FEWEST:
            larger = "raise training.batch_size" if batch_size < FEWEST else "train on more images"
            raise ConfigError(
                "objective.vicreg", f"{min(batch_size, images)} images a step", f"at least {FEWEST}",
                f"{larger}: covariances are taken over a batch",
            )  # fmt: skip


def variance_hinge(values: Tensor) -> Tensor:
    """Mean over coordinates of ``max(0, 1 − deviation)``, of ``(B, d)``."""
    return torch.relu(1 - (values.var(0) + TINY).sqrt()).mean()


def squared_covariances(values: Tensor) -> Tensor:
    """Sum of the squared covariances of different coordinates, divided by their number d; of ``(B, d)``."""
    centred = values - values.mean(0)
    matrix = centred.T @ centred / (len(values) - 1)
    return (matrix.square().sum() - matrix.diagonal().square().sum()) / values.shape[1]
