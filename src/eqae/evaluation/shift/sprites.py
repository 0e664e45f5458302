"""Objects cut out of test images, to be put elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from eqae.data.base import Images
from eqae.evaluation.evidence import NotAvailable

FOREGROUND = 0.05
"""Pixels brighter than this in any channel belong to the object; datasets here have a dark background."""


@dataclass(frozen=True)
class Sprites:
    """K objects on squares of one size, with soft edges.

    Attributes:
        colour: ``(K, C, side, side)`` float32 in [0, 1], multiplied by ``alpha`` already.
        alpha: ``(K, 1, side, side)`` how much of each pixel the object covers.
    """

    colour: Tensor
    alpha: Tensor

    def __len__(self) -> int:
        return len(self.colour)

    @property
    def side(self) -> int:
        """Height and width of every sprite."""
        return self.colour.shape[-1]


def cut_sprites(images: Images, count: int, side: int) -> Sprites:
    """Objects of ``count`` images (all, where there are fewer), spread evenly over those that are not blank.

    The bounding box of the foreground, widened to a square so that the object keeps its shape, is resized to
    ``(side, side)``, antialiased. The one resizing comes before every shift: shifts themselves are exact.

    Raises:
        NotAvailable: every image is blank.
    """
    brightest = images.pixels.flatten(1).amax(1)
    limit = 255 * FOREGROUND if images.pixels.dtype == torch.uint8 else FOREGROUND
    candidates = (brightest > limit).nonzero()[:, 0]
    if not len(candidates):
        raise NotAvailable("every test image is blank")
    count = min(count, len(candidates))
    chosen = candidates[torch.arange(count) * len(candidates) // count]
    layers = torch.stack([_cut(image, side) for image in images.batch(chosen)])
    return Sprites(layers[:, :-1], layers[:, -1:])


def _cut(image: Tensor, side: int) -> Tensor:
    """``(C, H, W)`` to ``(C + 1, side, side)``: the object in colour, and its mask."""
    mask = image.amax(0) > FOREGROUND
    rows, columns = mask.any(1).nonzero()[:, 0], mask.any(0).nonzero()[:, 0]
    box = slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
    layers = torch.cat([image * mask, mask[None].to(image.dtype)])[:, box[0], box[1]]
    layers = _squared(layers)
    resized = F.interpolate(layers[None], size=(side, side), mode="bilinear", align_corners=False, antialias=True)
    return resized[0].clamp(0, 1)


def _squared(layers: Tensor) -> Tensor:
    """The picture in the middle of the smallest square that holds it."""
    height, width = layers.shape[-2:]
    longer = max(height, width)
    above, left = (longer - height) // 2, (longer - width) // 2
    return F.pad(layers, (left, longer - width - left, above, longer - height - above))
