"""Turning images by any angle, by interpolation. Moves that need none belong to :meth:`eqae.groups.Group.act`.

Angles are in degrees, counter-clockwise as seen on the screen: ``rotate(x, 90)`` is ``torch.rot90(x, 1, (-2, -1))``
up to rounding. The centre is that of the pixel grid, ``((H - 1) / 2, (W - 1) / 2)``.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from eqae.processes import Share

Mode = Literal["bicubic", "bilinear"]
Padding = Literal["border", "zeros"]


def rotate(images: Tensor, degrees: float | Tensor, *, mode: Mode = "bicubic", padding: Padding = "border") -> Tensor:
    """Images turned counter-clockwise about their centre.

    Args:
        images: ``(B, C, H, W)`` float, on any device.
        degrees: one angle, or one an image, ``(B,)``.
        mode: bicubic blurs least but overshoots at edges, so values may leave [0, 1] by a little; bilinear does not.
        padding: what lies outside the image: its nearest border pixel, or zeros.

    Returns:
        ``(B, C, H, W)`` of the same type and device.
    """
    # In float64, so that quarter turns are exact and the angle itself adds no error.
    angles = torch.deg2rad(torch.as_tensor(degrees, dtype=torch.float64)).expand(images.shape[0])
    cos, sin, zero = angles.cos(), angles.sin(), torch.zeros_like(angles)
    height, width = images.shape[-2:]
    # Coordinates run from -1 to 1 along both axes; the ratios keep rectangles from being sheared.
    rows = [cos, -sin * height / width, zero, sin * width / height, cos, zero]
    matrix = torch.stack(rows, dim=1).view(-1, 2, 3).to(images)
    grid = F.affine_grid(matrix, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, mode=mode, padding_mode=padding, align_corners=False)


def mirror_then_rotate(
    images: Tensor, mirrored: Tensor, degrees: Tensor, *, mode: Mode = "bilinear", padding: Padding = "zeros"
) -> Tensor:
    """Each image mirrored left-right where ``mirrored`` says so, then turned counter-clockwise.

    Args:
        images: ``(B, C, H, W)`` float.
        mirrored: ``(B,)`` bool.
        degrees: ``(B,)``.
        mode: see :func:`rotate`.
        padding: see :func:`rotate`.

    Returns:
        ``(B, C, H, W)``.
    """
    chosen = mirrored.to(images.device).view(-1, 1, 1, 1)
    return rotate(torch.where(chosen, images.flip(-1), images), degrees, mode=mode, padding=padding)


def augment_o2(images: Tensor, generator: torch.Generator, reflections: bool, share: Share | None = None) -> Tensor:
    """A fresh orientation of each image: a uniform angle and, with ``reflections``, a mirror for half of them.

    Bilinear, with border pixels repeated outside, so that a bright background stays one. All draws are made by the CPU
    ``generator`` and then moved: the same on every device.

    Args:
        images: ``(B, C, H, W)`` float.
        generator: on the CPU; a draw an image of the whole batch is used, two with ``reflections``.
        reflections: O(2) rather than SO(2).
        share: which part of a batch the images are; None for all of it.

    Returns:
        ``(B, C, H, W)``.
    """
    share = share or Share.of(len(images))
    degrees = share.cut(360 * torch.rand(share.total, generator=generator))
    if not reflections:
        return rotate(images, degrees, mode="bilinear")
    mirrored = share.cut(torch.rand(share.total, generator=generator) < 0.5)
    return mirror_then_rotate(images, mirrored, degrees, padding="border")
