"""The equivariant autoencoder: a chain of group convolutions to one pixel, and its mirror image back."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, chain
from typing import Annotated

from annotated_types import Ge, Le, MinLen
from torch import Tensor, nn

from eqae.errors import ConfigError
from eqae.groups import Group, get_group
from eqae.models.attention import AttentionBottleneck, AttentionMode, Temperature
from eqae.models.base import Autoencoder, Reconstruction
from eqae.nn import (
    BlurPool,
    FieldBatchNorm,
    LiftingConv,
    ProjectionConvTranspose,
    RegularConv,
    RegularConvTranspose,
    SizePlan,
    Window,
    fibre_to_rows,
    plan_sizes,
    rows_to_fibre,
)

Width = Annotated[int, Ge(1), Le(4096)]
"""A number of fields; bounded so that no file can ask for more memory than a machine has."""

SAME = Window(3, 1, 1)
PIXEL_VARIANCE = 0.1
"""Of images in [0, 1]; a decoder that begins at that scale does not spend its first epochs shrinking."""


class EquivariantAutoencoder(Autoencoder):
    """Images to V ``(B, |G|, m)`` and back (Kuzminykh et al. 2018), exact for every lattice group and image size.

    Encoder: per stage a stride-2 group convolution and a 3x3 one, each with field batch normalisation and a
    rectifier; then one kernel that covers the remaining map and leaves V, normalised and rectified like every layer
    before it. The decoder runs the same size plan backwards with transposed convolutions and ends in a projection to
    the image. With ``group=C1`` this is a plain convolutional autoencoder, layer by layer.

    Args:
        group: a lattice group.
        image_shape: ``(C, H, W)`` with ``H == W``.
        fields: regular fields of each stride-2 stage; channels are ``fields·|G|``.
        code: m, the number of fields that V has.
        attention: size of the dense code of an attention bottleneck in the reconstruction path, or None.
        attention_mode: ``soft``, or ``hard`` for canonicalisation; see
            :class:`eqae.models.attention.EquivariantAttention`.
        attention_temperature: divides the attention's scores.
        antialiased: whether each stride-2 convolution of the encoder becomes a 3x3 one of stride 1 whose rectified
            output is blurred and subsampled (:class:`eqae.nn.BlurPool`): four times the cost of that layer, and less
            change of V under shifts. The decoder stays as it is.

    Raises:
        ConfigError: the image is not square or too small for ``len(fields)`` stages, or options of attention are set
            where there is none.
    """

    def __init__(
        self,
        group: Group,
        image_shape: tuple[int, int, int],
        fields: Sequence[int],
        code: int,
        attention: int | None = None,
        antialiased: bool = False,
        *,
        attention_mode: AttentionMode = "soft",
        attention_temperature: float = 1.0,
    ) -> None:
        super().__init__(group, code, image_shape)
        plan = plan_sizes(image_shape, len(fields))
        stages = _stages(group, image_shape[0], fields, plan, antialiased)
        # V is rectified: as sums of non-negative parts its features lie closer to the classes (docs/decisions.md).
        collapse = _activated(RegularConv(group, fields[-1], code, plan.collapse), group, code)
        self.encoder = nn.Sequential(*chain(*stages, collapse))
        self.stage_ends = tuple(accumulate(map(len, stages)))
        self.decoder = nn.Sequential(*_decoder(group, image_shape[0], fields, code, plan))
        self.bottleneck = _bottleneck(group, code, attention, attention_mode, attention_temperature)

    def encode(self, images: Tensor) -> Tensor:
        """``(B, C, H, W)`` to V ``(B, |G|, m)``; row g says what row e would say of ``g⁻¹`` applied to the image."""
        return fibre_to_rows(self.encoder(images), self.group.order)

    def encode_with_maps(self, images: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """V, and the output of each stage after its last rectifier, ``(B, fields, |G|, H, W)``."""
        maps: dict[str, Tensor] = {}
        x = images
        for depth, layer in enumerate(self.encoder, 1):
            x = layer(x)
            if depth in self.stage_ends:
                maps[f"stage {len(maps) + 1}"] = x.unflatten(1, (-1, self.group.order))
        return fibre_to_rows(x, self.group.order), maps

    def decode(self, embedding: Tensor) -> Tensor:
        """V ``(B, |G|, m)`` to images ``(B, C, H, W)``."""
        images: Tensor = self.decoder(rows_to_fibre(embedding))
        return images

    def reconstruct(self, embedding: Tensor) -> Reconstruction:
        """Pass the bottleneck where there is one, and decode."""
        if self.bottleneck is None:
            return Reconstruction(self.decode(embedding), embedding)
        through, weights = self.bottleneck(embedding)
        return Reconstruction(self.decode(through), embedding, weights)


def build_eqae(
    *,
    image_shape: tuple[int, int, int],
    group: str = "D4",
    fields: Annotated[tuple[Width, ...], MinLen(1)] = (12, 16, 24),
    code: Width = 32,
    attention: Width | None = None,
    attention_mode: AttentionMode = "soft",
    attention_temperature: Temperature = 1.0,
    antialiased: bool = False,
) -> EquivariantAutoencoder:
    """The registered ``eqae`` model; see :class:`EquivariantAutoencoder`."""
    return EquivariantAutoencoder(
        get_group(group), image_shape, fields, code, attention, antialiased,
        attention_mode=attention_mode, attention_temperature=attention_temperature,
    )  # fmt: skip


def _bottleneck(
    group: Group, channels: int, code: int | None, mode: AttentionMode, temperature: float
) -> AttentionBottleneck | None:
    if code is not None:
        return AttentionBottleneck(group, channels, code, mode=mode, temperature=temperature)
    if (mode, temperature) != ("soft", 1.0):
        raise ConfigError(
            "model.attention", f"absent, but attention_mode is {mode!r} and attention_temperature {temperature:g}",
            "the size of the code behind the attention", "set model.attention: 64, or remove both options",
        )  # fmt: skip
    return None


def _stages(
    group: Group, channels: int, fields: Sequence[int], plan: SizePlan, antialiased: bool
) -> list[list[nn.Module]]:
    stages: list[list[nn.Module]] = []
    for stage, (width, window) in enumerate(zip(fields, plan.windows, strict=True)):
        window.check(f"encoder stage {stage}", plan.sizes[stage])
        entry = SAME if antialiased else window
        first = (
            LiftingConv(group, channels, width, entry)
            if stage == 0
            else RegularConv(group, fields[stage - 1], width, entry)
        )
        second = RegularConv(group, width, width, SAME)
        blur = [BlurPool(plan.sizes[stage])] if antialiased else []
        stages.append([*_activated(first, group, width), *blur, *_activated(second, group, width)])
    return stages


def _decoder(group: Group, channels: int, fields: Sequence[int], code: int, plan: SizePlan) -> list[nn.Module]:
    expand = RegularConvTranspose(group, code, fields[-1], plan.collapse)
    layers = _activated(expand, group, fields[-1])
    for stage in range(len(fields) - 1, -1, -1):
        width, window = fields[stage], plan.windows[stage]
        layers += _activated(RegularConv(group, width, width, SAME), group, width)
        if stage == 0:
            layers.append(ProjectionConvTranspose(group, width, channels, window, gain=PIXEL_VARIANCE))
        else:
            layers += _activated(
                RegularConvTranspose(group, width, fields[stage - 1], window), group, fields[stage - 1]
            )
    return layers


def _activated(conv: nn.Module, group: Group, width: int) -> list[nn.Module]:
    return [conv, FieldBatchNorm(width, group.order), nn.ReLU()]
