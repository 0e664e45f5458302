"""Turning images by any angle, by interpolation. Moves that need none belong to :meth:`eqae.groups.Group.act`.

Angles are in degrees, counter-clockwise as seen on the screen: ``rotate(x, 90)`` is ``torch.rot90(x, 1, (-2, -1))``
up to rounding. The centre is that of the pixel grid, ``((H - 1) / 2, (W - 1) / 2)``.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from eqae.processes import Share

Mode = Literal["bicubic", "bilinear"]
Padding = Literal["border", "zeros"]
BENDS = 4
"""Control points of an elastic deformation along each axis."""


def rotate(
    images: Tensor,
    degrees: float | Tensor,
    *,
    mode: Mode = "bicubic",
    padding: Padding = "border",
    about: Tensor | None = None,
) -> Tensor:
    """Images turned counter-clockwise about their centre.

    Args:
        images: ``(B, C, H, W)`` float, on any device.
        degrees: one angle, or one an image, ``(B,)``.
        mode: bicubic blurs least but overshoots at edges, so values may leave [0, 1] by a little; bilinear does not.
        padding: what lies outside the image: its nearest border pixel, or zeros.
        about: instead of the centre, where to turn each image, right of it and below, in pixels ``(B, 2)``; this
            point comes to lie in the centre, by the same interpolation.

    Returns:
        ``(B, C, H, W)`` of the same type and device.
    """
    # In float64 where there is such, so that quarter turns are exact and the angle itself adds no error.
    precise = torch.float32 if isinstance(degrees, Tensor) and degrees.device.type == "mps" else torch.float64
    angles = torch.deg2rad(torch.as_tensor(degrees, dtype=precise)).expand(images.shape[0])
    cos, sin = angles.cos(), angles.sin()
    height, width = images.shape[-2:]
    point = angles.new_zeros(images.shape[0], 2) if about is None else about.to(angles)
    # Coordinates run from -1 to 1 along both axes; the ratios keep rectangles from being sheared.
    right, below = 2 * point[:, 0] / width, 2 * point[:, 1] / height
    rows = [cos, -sin * height / width, right, sin * width / height, cos, below]
    matrix = torch.stack(rows, dim=1).view(-1, 2, 3).to(images)
    grid = F.affine_grid(matrix, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, mode=mode, padding_mode=padding, align_corners=False)


def mirror_then_rotate(
    images: Tensor,
    mirrored: Tensor,
    degrees: Tensor,
    *,
    mode: Mode = "bilinear",
    padding: Padding = "zeros",
    about_mass: bool = False,
) -> Tensor:
    """Each image mirrored left-right where ``mirrored`` says so, then turned counter-clockwise.

    Args:
        images: ``(B, C, H, W)`` float.
        mirrored: ``(B,)`` bool.
        degrees: ``(B,)``.
        mode: see :func:`rotate`.
        padding: see :func:`rotate`.
        about_mass: whether images are turned about their centre of mass, which then lies in the middle.

    Returns:
        ``(B, C, H, W)``.
    """
    images = torch.where(mirrored.to(images.device).view(-1, 1, 1, 1), images.flip(-1), images)
    about = centre_of_mass(images) if about_mass else None
    return rotate(images, degrees, mode=mode, padding=padding, about=about)


def centre_of_mass(images: Tensor) -> Tensor:
    """Where the mean of the brightness of images ``(B, C, H, W)`` lies, right of the middle and below, in pixels
    ``(B, 2)``; in the middle for a black image.
    """
    mass = images.double().sum(1)
    below, right = (torch.arange(side).to(mass) - (side - 1) / 2 for side in mass.shape[1:])
    moments = torch.stack([mass.sum(1) @ right, mass.sum(2) @ below], dim=1)
    return moments / mass.sum((1, 2)).clamp_min(torch.finfo(mass.dtype).tiny).unsqueeze(1)


def deform(
    images: Tensor,
    generator: torch.Generator,
    *,
    scale: float,
    shear: float,
    shift: float,
    elastic: float = 0.0,
    share: Share | None = None,
) -> Tensor:
    """Each image larger or smaller, sheared along a random direction, moved and bent.

    Bilinear, with border pixels repeated outside.

    Args:
        images: ``(B, C, H, W)`` float.
        generator: on the CPU; five draws an image of the whole batch are used whatever the strengths, and 32 more
            where ``elastic`` is above zero.
        scale: the logarithm of the factor is uniform between ``±log(1 + scale)``.
        shear: uniform between ±shear: how far a point moves along the direction, for each pixel away from it.
        shift: uniform between ±shift pixels along each axis.
        elastic: standard deviation in pixels of the displacements at 4 x 4 control points, bicubic between them
            (elastic deformation after Simard et al. 2003).
        share: which part of a batch the images are; None for all of it.

    Returns:
        ``(B, C, H, W)``.
    """
    share = share or Share.of(len(images))
    draws = share.cut(2 * torch.rand((share.total, 5), generator=generator, dtype=torch.float64) - 1)
    sizes = torch.exp(draws[:, 0] * math.log1p(scale))
    slant, direction = shear * draws[:, 1], math.pi * draws[:, 2]
    cos, sin = direction.cos(), direction.sin()
    # I + s·u vᵀ with v across u: a shear along u, whose determinant is 1. What is sampled is the inverse: s changes
    # its sign, which its law does not notice, and the size is divided by.
    rows = [1 - slant * cos * sin, slant * cos * cos, -slant * sin * sin, 1 + slant * cos * sin]
    linear = torch.stack(rows, 1).view(-1, 2, 2) / sizes.view(-1, 1, 1)
    height, width = images.shape[-2:]
    sides = torch.tensor([width, height], dtype=torch.float64)
    linear = linear * (sides.view(1, 1, 2) / sides.view(1, 2, 1))  # coordinates run from -1 to 1 along both axes
    offsets = 2 * shift * draws[:, 3:] / sides
    matrix = torch.cat([linear, offsets.unsqueeze(2)], 2).to(images)
    grid = F.affine_grid(matrix, list(images.shape), align_corners=False)
    if elastic:
        pulls = share.cut(torch.randn((share.total, 2, BENDS, BENDS), generator=generator)).to(images)
        bent = F.interpolate(pulls, size=(height, width), mode="bicubic", align_corners=True).permute(0, 2, 3, 1)
        grid = grid + bent * (2 * elastic / sides).to(images)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)


def blur(images: Tensor, deviations: Tensor, largest: float | None = None) -> Tensor:
    """Gaussian blur of each image by its own standard deviation in pixels, border pixels repeated.

    Args:
        images: ``(B, C, H, W)`` float.
        deviations: ``(B,)``, above zero.
        largest: deviation that there may be, three of which the kernels reach; by default the largest there is, which
            may be another in each part of a batch.

    Returns:
        ``(B, C, H, W)``.
    """
    reach = min(math.ceil(3 * (largest or float(deviations.max()))), min(images.shape[-2:]) - 1)
    offsets = torch.arange(-reach, reach + 1, device=images.device, dtype=images.dtype)
    kernels = torch.exp(-offsets.square() / (2 * deviations.to(images).view(-1, 1).square()))
    kernels = kernels / kernels.sum(1, keepdim=True)
    kernels = kernels.repeat_interleave(images.shape[1], 0)[:, None]  # one an image and channel
    flat = images.flatten(0, 1)[None]
    for weights, padding in ((kernels[:, :, None], (reach, reach, 0, 0)), (kernels[..., None], (0, 0, reach, reach))):
        flat = F.conv2d(F.pad(flat, padding, mode="replicate"), weights, groups=flat.shape[1])
    return flat[0].view_as(images)


def thicken(images: Tensor, pixels: Tensor) -> Tensor:
    """The bright parts of each image grown by a number of pixels, or shrunk where it is negative.

    Grey-scale dilation and erosion (Serra 1982, chapter XII), a pixel at a time, by the mean of those with a square of
    3 x 3 and with the cross in it, which grows a disc into nearly a disc. Parts of a pixel are interpolated.

    Args:
        images: ``(B, C, H, W)`` float.
        pixels: ``(B,)``, on the CPU.

    Returns:
        ``(B, C, H, W)``.
    """
    signs = torch.where(pixels < 0, -1.0, 1.0).to(images).view(-1, 1, 1, 1)  # to erode is to dilate the negative
    grown = signs * images
    for done in range(math.ceil(float(pixels.abs().max()))):
        square = F.max_pool2d(grown, 3, 1, 1)
        cross = torch.maximum(F.max_pool2d(grown, (3, 1), 1, (1, 0)), F.max_pool2d(grown, (1, 3), 1, (0, 1)))
        part = (pixels.abs() - done).clamp(0, 1).to(images).view(-1, 1, 1, 1)
        grown = grown + part * ((square + cross) / 2 - grown)
    return signs * grown


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
