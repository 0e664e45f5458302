"""A variational autoencoder whose posterior does not see the pose."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Ge, Le
from torch import Tensor

from eqae.groups import Group
from eqae.models.equivariant import Width
from eqae.objectives.alignment import group_of_minimum, least_error
from eqae.objectives.base import Objective
from eqae.objectives.canonical_decoder import CanonicalDecoder, Fields, check_standardised, coder
from eqae.objectives.step import Step

MOST = 10.0
"""Bound of log-variances, on both sides: beyond it nothing is left to say and exponentials overflow."""


class Variational(Objective):
    """Invariant posterior and aligned decoder (Burgess et al. 2024, O2-VAE).

    ``q(z|x) = N(μ(h), σ²(h))`` of the invariant features h; z is decoded to a canonical image, and the least squared
    error over the group takes the place of the likelihood's. Minimised is the negative evidence bound in the units of
    a mean squared error: ``min_g |x − g x̂|² / CHW + 2 noise² KL(q ‖ N(0, 1)) / CHW``.

    Args:
        group: of the model.
        width: D.
        image_shape: ``(C, H, W)`` with ``H == W``.
        code: d, the size of z.
        noise: deviation of a pixel's likelihood: the larger, the more the prior counts.
        fields: channels of the decoder's stages.
        over: group of the minimum, by default the model's.

    Raises:
        ConfigError: the model's group has one element and ``over`` names no other.
    """

    needs = frozenset({"features"})
    compares_images = True  # by the batch normalisation of its layers

    def __init__(
        self,
        group: Group,
        width: int,
        image_shape: tuple[int, int, int],
        *,
        code: Width = 64,
        noise: Annotated[float, Ge(1e-4), Le(10)] = 0.1,
        fields: Fields = (32, 48, 64),
        over: str | None = None,
    ) -> None:
        super().__init__()
        self.code = coder(width, 2 * code)
        self.decoder = CanonicalDecoder(image_shape, fields, code)
        self.over = group_of_minimum("variational", group, over)
        self.noise = noise

    def forward(self, step: Step) -> Tensor:
        """A scalar; z is drawn in training, and is its mean in evaluation."""
        assert step.features is not None
        mean, log_variance = self.code(step.features).chunk(2, dim=1)
        log_variance = bounded(log_variance)
        drawn = mean
        if self.training:
            drawn = mean + (log_variance / 2).exp() * torch.randn_like(mean)
        error = least_error(self.decoder(drawn), step.images, self.over)
        pixels = step.images[0].numel()
        return error + 2 * self.noise**2 * divergence(mean, log_variance).mean() / pixels

    def check(self, batch_size: int, images: int) -> None:
        """Refuse batches of one image, over which nothing can be standardised."""
        check_standardised("objective.variational", batch_size, images)


def bounded(log_variance: Tensor) -> Tensor:
    """Log-variances within the bound, with the gradient of who has none: the prior can pull back what has left it."""
    return log_variance + (log_variance.clamp(-MOST, MOST) - log_variance).detach()


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """``KL(N(μ, σ²) ‖ N(0, 1))`` in nats, ``(B, d)`` to ``(B,)`` (Kingma & Welling 2014, appendix B)."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1)
