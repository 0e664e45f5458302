"""The equivariant autoencoder: a chain of group convolutions to one pixel, and its mirror image back."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, chain
from typing import Annotated

import torch
from annotated_types import Ge, Le
from torch import Tensor, nn

from eqae.errors import ConfigError
from eqae.groups import Group
from eqae.models.attention import AttentionBottleneck
from eqae.models.base import Autoencoder, Reconstruction
from eqae.models.chains import activated, decoder_layers, encoder_stages
from eqae.models.classifier import InvariantClassifier
from eqae.nn import RegularConv, fibre_to_rows, plan_sizes, rows_to_fibre

Width = Annotated[int, Ge(1), Le(4096)]
"""A number of fields; bounded so that no file can ask for more memory than a machine has."""

TINY = 1e-12
"""Mean square below which a field counts as silent; the root's gradient stays finite."""

Classes = Annotated[int, Ge(0), Le(100_000)]
"""Of a model's own classifier; 0 for none."""

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
        bottleneck: an attention bottleneck over ``group`` in the reconstruction path, or None.
        antialiased: whether each stride-2 convolution of the encoder becomes a 3x3 one of stride 1 whose rectified
            output is blurred and subsampled (:class:`eqae.nn.BlurPool`): four times the cost of that layer, and less
            change of V under shifts. The decoder stays as it is. Groups off the lattice have it in any case.
        kernel: side of the kernels of stride 1, odd; None: 3 on the lattice, 5 off it, where 3 resolves little.
        stage_statistics: whether V has, behind the code, two columns for each field of each stage: the field's mean
            and its root mean square over all positions. They see texture and parts wherever these are, where the code
            must also say where they are; only heads read them, the decoder does not.

    Raises:
        ConfigError: the image is not square or too small for ``len(fields)`` stages, or a kernel is even or cannot be
            turned by the group.
    """

    def __init__(
        self,
        group: Group,
        image_shape: tuple[int, int, int],
        fields: Sequence[int],
        code: int,
        *,
        bottleneck: AttentionBottleneck | None = None,
        antialiased: bool = False,
        kernel: int | None = None,
        stage_statistics: bool = False,
        decoder: bool = True,
        classes: int = 0,
    ) -> None:
        super().__init__(group, code + 2 * sum(fields) * stage_statistics, image_shape)
        plan, side = plan_sizes(image_shape, len(fields)), _odd_kernel(kernel, group)
        blurred = antialiased or not group.is_lattice
        stages = encoder_stages(group, image_shape[0], fields, plan, side, blurred=blurred)
        # V is rectified: as sums of non-negative parts its features lie closer to the classes (docs/decisions.md).
        collapse = activated(RegularConv(group, fields[-1], code, plan.collapse), group, code)
        self.code = code
        self.encoder = nn.Sequential(*chain(*stages, collapse))
        self.stage_ends = tuple(accumulate(map(len, stages)))
        self.has_decoder = decoder
        layers = decoder_layers(group, image_shape[0], fields, code, plan, side) if decoder else []
        self.decoder = nn.Sequential(*layers)
        self.bottleneck = bottleneck
        if classes:
            self.classes = classes
            self.classifier = InvariantClassifier(self.channels, classes)

    @property
    def columns(self) -> dict[str, slice]:
        """Which columns of V are the ``code``, and which are ``stages``: statistics of the stages on the way to it."""
        if self.code == self.channels:
            return super().columns
        return {"code": slice(0, self.code), "stages": slice(self.code, self.channels)}

    def encode(self, images: Tensor) -> Tensor:
        """``(B, C, H, W)`` to V ``(B, |G|, m)``; row g says what row e would say of ``g⁻¹`` applied to the image."""
        if self.code == self.channels:
            return fibre_to_rows(self.encoder(images), self.group.order)
        return self.encode_with_maps(images)[0]

    def encode_with_maps(self, images: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """V, and the output of each stage after its last rectifier, ``(B, fields, |G|, H, W)``."""
        maps: dict[str, Tensor] = {}
        x = images
        for depth, layer in enumerate(self.encoder, 1):
            x = layer(x)
            if depth in self.stage_ends:
                maps[f"stage {len(maps) + 1}"] = x.unflatten(1, (-1, self.group.order))
        code = fibre_to_rows(x, self.group.order)
        if self.code == self.channels:
            return code, maps
        return torch.cat([code, *(_statistics(fields) for fields in maps.values())], dim=2), maps

    def decode(self, embedding: Tensor) -> Tensor:
        """V ``(B, |G|, m)`` to images ``(B, C, H, W)``; not there without a decoder."""
        if not self.has_decoder:
            return super().decode(embedding)
        images: Tensor = self.decoder(rows_to_fibre(embedding[..., : self.code]))
        return images

    def reconstruct(self, embedding: Tensor) -> Reconstruction:
        """Pass the bottleneck where there is one, and decode."""
        if self.bottleneck is None:
            return Reconstruction(self.decode(embedding), embedding)
        through, weights = self.bottleneck(embedding)
        return Reconstruction(self.decode(through), embedding, weights)


def _statistics(fields: Tensor) -> Tensor:
    """Mean and root mean square over positions of fields ``(B, F, |G|, H, W)``, as columns ``(B, |G|, 2F)``.

    A transform of the image moves positions, which a mean does not see, and permutes the axis of the group.
    """
    values = fields.flatten(3).transpose(1, 2)
    return torch.cat([values.mean(3), values.square().mean(3).clamp_min(TINY).sqrt()], dim=2)


def _odd_kernel(kernel: int | None, group: Group) -> int:
    if kernel is None:
        return 3 if group.is_lattice else 5
    if kernel % 2 == 0:
        raise ConfigError("model.kernel", f"{kernel}", "an odd number, which keeps the size", "3, 5 or 7")
    return kernel
