"""The paper's construction: one exact network looks at the image and at its copies turned to other angles."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from eqae.data.transforms import rotate
from eqae.errors import ConfigError
from eqae.groups import Group
from eqae.models.attention import AttentionBottleneck
from eqae.models.base import Autoencoder, Reconstruction
from eqae.models.classifier import InvariantClassifier
from eqae.models.equivariant import EquivariantAutoencoder
from eqae.nn import CosetStack, DiscMask, GroupAxisBlock

MOST_PIXELS = 2**22
"""In all copies of one image, over all channels."""


class Copy(NamedTuple):
    """A copy of the image: mirrored left-right if ``mirrored``, then turned counter-clockwise by ``degrees``."""

    mirrored: bool
    degrees: float

    def of(self, images: Tensor) -> Tensor:
        """``(B, C, H, W)`` to the same shape; bicubic where the turn is not zero."""
        moved = images.flip(-1) if self.mirrored else images
        return rotate(moved, self.degrees) if self.degrees else moved


class CopiesAutoencoder(Autoencoder):
    """Images to V ``(B, |G|, m)`` and back through rotated copies (Kuzminykh et al. 2018), for any C_n or D_n.

    ``base``, exact for the quarter turns H in the group (C4 for C12 and D12), encodes the copies ``c⁻¹x``, one c for
    each coset ``cH``; what it says of row h is row ``ch`` of V. The blocks of the rotations are stacked first and pass
    a layer along the group axis; then those of the image and of its mirror image are stacked and pass another. The
    decoder is the mirror image of all this: it takes V apart, layer by layer, into the blocks of the copies, from each
    of which ``base`` decodes that copy. Rows move exactly under H and under the mirror, and under other elements as
    far as the interpolation of the copies allows.

    The encoder sees the disc that every turn maps onto itself.

    Args:
        group: any cyclic or dihedral group.
        base: an autoencoder over :func:`base_group` of it, with the m that V is to have.
        bottleneck: an attention bottleneck over ``group`` in the reconstruction path, or None.
        classes: K of a classifier on V; 0 for none.

    Raises:
        ConfigError: the copies of one image have more than four million pixels.
    """

    def __init__(
        self,
        group: Group,
        base: EquivariantAutoencoder,
        bottleneck: AttentionBottleneck | None = None,
        *,
        classes: int = 0,
    ) -> None:
        super().__init__(group, base.channels, base.image_shape)
        rotations, m = Group(group.rotations, False), base.channels
        _check_pixels(group, base)
        self.base = base
        self.mask = DiscMask(base.image_shape[-1])
        self.turned = CosetStack(rotations, base.group)
        self.mirrored = CosetStack(group, rotations)
        self.copies = _copies(group, self.mirrored.cosets, self.turned.cosets)
        self.encoder = nn.ModuleList([GroupAxisBlock(rotations, m), GroupAxisBlock(group, m)])
        self.has_decoder = base.has_decoder
        blocks = [GroupAxisBlock(group, m), GroupAxisBlock(rotations, m)] if self.has_decoder else []
        self.decoder = nn.ModuleList(blocks)
        self.bottleneck = bottleneck
        if classes:
            self.classes = classes
            self.classifier = InvariantClassifier(m, classes)

    def encode(self, images: Tensor) -> Tensor:
        """``(B, C, H, W)`` to V ``(B, |G|, m)``; all copies are encoded as one batch."""
        masked = self.mask(images)
        copies = torch.stack([copy.of(masked) for copy in self.copies], 1)
        blocks = self.base.encode(copies.flatten(0, 1))  # (B·K, |H|, m), the turned ones of each mirroring together
        halves = self.encoder[0](self.turned.stack(blocks.unflatten(0, (-1, len(self.turned.cosets)))))
        rows: Tensor = self.encoder[1](self.mirrored.stack(halves.unflatten(0, (-1, len(self.mirrored.cosets)))))
        return rows

    def decode(self, embedding: Tensor) -> Tensor:
        """V ``(B, |G|, m)`` to images ``(B, C, H, W)``: the copies that are not turned, put upright and averaged; not
        there without a decoder.
        """
        if not self.has_decoder:
            return super().decode(embedding)
        views = self._decode(self._blocks(embedding)[:, self._upright()])
        return torch.stack([self.copies[k].of(view) for k, view in zip(self._upright(), views, strict=True)]).mean(0)

    def views(self, images: Tensor) -> Tensor:
        """All copies, ``(B, K·C, H, W)``: what :meth:`reconstruct` is to give back."""
        return torch.cat([copy.of(images) for copy in self.copies], 1)

    def reconstruct(self, embedding: Tensor) -> Reconstruction:
        """Pass the bottleneck where there is one, and decode every copy."""
        weights, through = None, embedding
        if self.bottleneck is not None:
            through, weights = self.bottleneck(embedding)
        views = self._decode(self._blocks(through))
        images = torch.stack([self.copies[k].of(views[k]) for k in self._upright()]).mean(0)
        return Reconstruction(images, embedding, weights, torch.cat(views, 1))

    def _upright(self) -> list[int]:
        return [k for k, copy in enumerate(self.copies) if not copy.degrees]

    def _blocks(self, embedding: Tensor) -> Tensor:
        """V ``(B, |G|, m)`` to the blocks of all copies ``(B, K, |H|, m)``."""
        halves = self.mirrored.split(self.decoder[0](embedding))
        blocks = self.turned.split(self.decoder[1](halves.flatten(0, 1)))
        return blocks.unflatten(0, halves.shape[:2]).flatten(1, 2)

    def _decode(self, blocks: Tensor) -> tuple[Tensor, ...]:
        """Blocks ``(B, k, |H|, m)`` to k batches of copies ``(B, C, H, W)``."""
        return self.base.decode(blocks.flatten(0, 1)).unflatten(0, blocks.shape[:2]).unbind(1)


def _check_pixels(group: Group, base: EquivariantAutoencoder) -> None:
    """Refuse copies of which a single image takes more memory than a machine has."""
    copies = group.order // base.group.order
    if copies * math.prod(base.image_shape) > MOST_PIXELS:
        channels, height, width = base.image_shape
        raise ConfigError(
            "model.construction", f"{copies} copies of {height}x{width} pixels in {channels} channel(s) an image",
            f"at most {MOST_PIXELS:,} numbers", "choose a smaller group or data.size, or construction: steerable",
        )  # fmt: skip


def base_group(group: Group) -> Group:
    """H of a construction by copies: the rotations that move pixels onto pixels."""
    return Group(group.rotations, False).lattice


def _copies(group: Group, mirrorings: tuple[int, ...], turns: tuple[int, ...]) -> tuple[Copy, ...]:
    """``(c r)⁻¹`` for every mirroring c and, within it, every turn r; rotations have the same index in both groups."""
    inverses = [group.inverses[group.cayley[c][r]] for c in mirrorings for r in turns]
    return tuple(Copy(bool(group.elements[g].flip), group.angle(g)) for g in inverses)
