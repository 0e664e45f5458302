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
from eqae.models.chains import activated, decoder_layers, encoder_stages
from eqae.nn import RegularConv, fibre_to_rows, plan_sizes, rows_to_fibre

Width = Annotated[int, Ge(1), Le(4096)]
"""A number of fields; bounded so that no file can ask for more memory than a machine has."""

Kernel = Annotated[int, Ge(1), Le(15)]
"""Side of a kernel in pixels."""


class EquivariantAutoencoder(Autoencoder):
    """Images to V ``(B, |G|, m)`` and back (Kuzminykh et al. 2018), exact at every image size for every element that
    moves pixels onto pixels.

    Encoder: per stage a stride-2 group convolution and one of stride 1, each with field batch normalisation and a
    rectifier; then one kernel that covers the remaining map and leaves V, normalised and rectified like every layer
    before it. The decoder runs the same size plan backwards with transposed convolutions and ends in a projection to
    the image. With ``group=C1`` this is a plain convolutional autoencoder, layer by layer.

    Groups that are no symmetries of the pixel lattice (C8, D12, ...) have steerable kernels
    (:mod:`eqae.nn.basis`), which look at the disc that every turn maps onto itself (:class:`eqae.nn.DiscMask`), and
    resample by blur and interpolation, as a stride keeps to the lattice. Between the exact elements they are
    equivariant as far as sampling allows.

    Args:
        group: any cyclic or dihedral group.
        image_shape: ``(C, H, W)`` with ``H == W``.
        fields: regular fields of each stride-2 stage; channels are ``fields·|G|``.
        code: m, the number of fields that V has.
        attention: size of the dense code of an attention bottleneck in the reconstruction path, or None.
        attention_mode: ``soft``, or ``hard`` for canonicalisation; see
            :class:`eqae.models.attention.EquivariantAttention`.
        attention_temperature: divides the attention's scores.
        antialiased: whether each stride-2 convolution of the encoder becomes a 3x3 one of stride 1 whose rectified
            output is blurred and subsampled (:class:`eqae.nn.BlurPool`): four times the cost of that layer, and less
            change of V under shifts. The decoder stays as it is. Groups off the lattice have it in any case.
        kernel: side of the kernels of stride 1, odd; None: 3 on the lattice, 5 off it, where 3 resolves little.

    Raises:
        ConfigError: the image is not square or too small for ``len(fields)`` stages, a kernel is even or cannot be
            turned by the group, or options of attention are set where there is none.
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
        kernel: int | None = None,
    ) -> None:
        super().__init__(group, code, image_shape)
        plan, side = plan_sizes(image_shape, len(fields)), _odd_kernel(kernel, group)
        blurred = antialiased or not group.is_lattice
        stages = encoder_stages(group, image_shape[0], fields, plan, side, blurred=blurred)
        # V is rectified: as sums of non-negative parts its features lie closer to the classes (docs/decisions.md).
        collapse = activated(RegularConv(group, fields[-1], code, plan.collapse), group, code)
        self.encoder = nn.Sequential(*chain(*stages, collapse))
        self.stage_ends = tuple(accumulate(map(len, stages)))
        self.decoder = nn.Sequential(*decoder_layers(group, image_shape[0], fields, code, plan, side))
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
    kernel: Kernel | None = None,
) -> EquivariantAutoencoder:
    """The registered ``eqae`` model; see :class:`EquivariantAutoencoder`."""
    return EquivariantAutoencoder(
        get_group(group), image_shape, fields, code, attention, antialiased,
        attention_mode=attention_mode, attention_temperature=attention_temperature, kernel=kernel,
    )  # fmt: skip


def _odd_kernel(kernel: int | None, group: Group) -> int:
    if kernel is None:
        return 3 if group.is_lattice else 5
    if kernel % 2 == 0:
        raise ConfigError("model.kernel", f"{kernel}", "an odd number, which keeps the size", "3, 5 or 7")
    return kernel


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
