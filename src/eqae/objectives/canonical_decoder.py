"""From an invariant code to an image in a pose of the decoder's own choice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from annotated_types import MinLen
from torch import Tensor, nn

from eqae.errors import ConfigError
from eqae.groups import C1
from eqae.models.chains import decoder_layers
from eqae.models.equivariant import Width
from eqae.nn import plan_sizes
from eqae.nn.sizes import stages_for

Fields = Annotated[tuple[Width, ...], MinLen(1)]
"""Channels of the decoder's stages, the one nearest to the image first."""


class CanonicalDecoder(nn.Module):
    """Code ``(B, d)`` to images ``(B, C, H, W)``: the plain decoder, since a code without pose has nothing to move."""

    def __init__(self, image_shape: tuple[int, int, int], fields: Sequence[int], code: int) -> None:
        super().__init__()
        if len(fields) > (most := stages_for(image_shape[-1])):
            raise ConfigError(
                "objective", f"a decoder of {len(fields)} stages for images of {image_shape[-1]} pixels",
                f"at most {most}", f"give the fields of the objective at most {most} numbers",
            )  # fmt: skip
        plan = plan_sizes(image_shape, len(fields))
        self.layers = nn.Sequential(*decoder_layers(C1, image_shape[0], fields, code, plan, 3))

    def forward(self, code: Tensor) -> Tensor:
        """``(B, d)`` to ``(B, C, H, W)``."""
        images: Tensor = self.layers(code[..., None, None])
        return images


def coder(width: int, code: int) -> nn.Sequential:
    """Features ``(B, D)`` to a code ``(B, d)``: standardised over the batch, and one dense layer."""
    return nn.Sequential(nn.BatchNorm1d(width, affine=False), nn.Linear(width, code))


def check_standardised(where: str, batch_size: int, images: int) -> None:
    """Refuse steps in which :func:`coder` has a single image.

    Raises:
        ConfigError: one image a step, or one that is trained on.
    """
    if min(batch_size, images) < 2:
        raise ConfigError(where, "1 image a step", "at least 2", "train on more images: features are standardised")
