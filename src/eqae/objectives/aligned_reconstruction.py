"""Reconstruction from invariant features alone: the pose is given apart, or the best one is taken."""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from torch import Tensor

from eqae.errors import ConfigError
from eqae.groups import Group
from eqae.models.equivariant import Width
from eqae.objectives.alignment import PredictedPose, group_of_minimum, least_error
from eqae.objectives.base import Objective
from eqae.objectives.canonical_decoder import CanonicalDecoder, Fields, check_standardised, coder
from eqae.objectives.step import Step


class AlignedReconstruction(Objective):
    """A code of the invariant features is decoded to a canonical image x̂, which is compared in the image's own pose.

    ``alignment="pose"``: ``|x − g(x) x̂|²`` with a pose g(x) predicted equivariantly, any angle and a mirroring
    (Winter et al. 2022, arXiv:2202.07559, equation 6: the group-invariant autoencoder). ``"minimum"``:
    ``min_g |x − g x̂|²`` over the elements of ``over`` (the quotient autoencoder of the same paper's comparison), which
    works for models without a pose too.

    Args:
        group: of the model.
        channels: m.
        width: D.
        image_shape: ``(C, H, W)`` with ``H == W``.
        alignment: which pose x̂ is compared in.
        code: d; the features are as many as the head gives.
        fields: channels of the decoder's stages.
        over: group of the minimum, by default the model's.

    Raises:
        ConfigError: the model's group has one element and ``over`` names no other; or fewer than three turns with
            ``pose``.
    """

    needs = frozenset({"features"})
    compares_images = True  # by the batch normalisation of its layers

    def __init__(
        self,
        group: Group,
        channels: int,
        width: int,
        image_shape: tuple[int, int, int],
        *,
        alignment: Literal["pose", "minimum"] = "pose",
        code: Width = 32,
        fields: Fields = (32, 48, 64),
        over: str | None = None,
    ) -> None:
        super().__init__()
        if alignment == "pose" and over is not None:
            raise ConfigError(
                "objective.aligned_reconstruction.over", f"{over!r} with alignment: pose", "no group",
                "the predicted pose has any angle; remove it, or set alignment: minimum",
            )  # fmt: skip
        self.code = coder(width, code)
        self.decoder = CanonicalDecoder(image_shape, fields, code)
        self.pose = PredictedPose(group, channels) if alignment == "pose" else None
        self.over = group if alignment == "pose" else group_of_minimum("aligned_reconstruction", group, over)

    def forward(self, step: Step) -> Tensor:
        """A mean squared error; a scalar."""
        assert step.features is not None
        canonical = self.decoder(self.code(step.features))
        if self.pose is None:
            return least_error(canonical, step.images, self.over)
        return F.mse_loss(self.pose.place(canonical, step.embedding), step.images)

    def check(self, batch_size: int, images: int) -> None:
        """Refuse batches of one image, over which nothing can be standardised."""
        check_standardised("objective.aligned_reconstruction", batch_size, images)
