"""Objects cut out of test images, to be put elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from eqae.data.base import Images
from eqae.evaluation.evidence import NotAvailable
from eqae.evaluation.sampling import spread_evenly

FOREGROUND = 0.05
"""Pixels that differ by more than this from the background, in any channel, belong to the object."""

_BLOCK = 1000  # images looked through at a time


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

    def coverage(self) -> float:
        """Mean over objects of the share of their bounding box that they cover; 1 is a full rectangle."""
        return sum(_covered(alpha) for alpha in self.alpha[:, 0]) / len(self)


def cut_sprites(images: Images, count: int, side: int) -> Sprites:
    """Objects of ``count`` images (all, where there are fewer), spread evenly over those that are not blank.

    The background is the median colour along the image's border, and the object what differs from it. A picture that
    reaches the border all around in many colours has no such background, and most of it counts as object. The
    bounding box of the object, widened to a square so that it keeps its shape, is resized to ``(side, side)``,
    antialiased. The one resizing comes before every shift: shifts themselves are exact.

    Raises:
        NotAvailable: every image is blank.
    """
    blocks = torch.arange(len(images.pixels)).split(_BLOCK)
    candidates = torch.cat([block[_foreground(images.batch(block)).flatten(1).any(1)] for block in blocks])
    if not len(candidates):
        raise NotAvailable("every test image is blank")
    chosen = images.batch(candidates[torch.from_numpy(spread_evenly(len(candidates), count))])
    layers = torch.stack([_cut(*layered, side) for layered in zip(chosen, _foreground(chosen), strict=True)])
    return Sprites(layers[:, :-1], layers[:, -1:])


def _foreground(images: Tensor) -> Tensor:
    """Which pixels of ``(B, C, H, W)`` differ from the border of their image, ``(B, H, W)``."""
    top, bottom, left, right = images[:, :, 0], images[:, :, -1], images[:, :, 1:-1, 0], images[:, :, 1:-1, -1]
    border = torch.cat([top, bottom, left, right], dim=2).median(dim=2).values
    return (images - border[:, :, None, None]).abs().amax(1) > FOREGROUND


def _cut(image: Tensor, mask: Tensor, side: int) -> Tensor:
    """``(C, H, W)`` and ``(H, W)`` to ``(C + 1, side, side)``: the object in colour, and its mask."""
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


def _covered(alpha: Tensor) -> float:
    """Mean of ``alpha (side, side)`` within the rows and columns that it is not zero in."""
    return float(alpha[alpha.any(1)][:, alpha.any(0)].mean())
