"""Sprites and encoders whose maps are known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from eqae.evaluation.shift.canvas import Stage
from eqae.evaluation.shift.sprites import Sprites

Encode = Callable[[Tensor], Tensor]


def flatten(images: Tensor) -> Tensor:
    """Pixels as features."""
    return images.flatten(1)


def constant(images: Tensor) -> Tensor:
    """The same three features for everything."""
    return torch.ones(len(images), 3)


def offset(images: Tensor) -> Tensor:
    """Row and column of the centre of mass."""
    rows, columns = torch.arange(images.shape[2]), torch.arange(images.shape[3])
    mass = images.sum((1, 2, 3))
    down = (images.sum((1, 3)) * rows).sum(1) / mass
    across = (images.sum((1, 2)) * columns).sum(1) / mass
    return torch.stack([down, across], 1)


def circular(channels: int = 6, seed: int = 0) -> Encode:
    """Circular convolution, rectifier and global mean: exactly invariant to cyclic shifts."""
    weight = torch.randn(channels, 1, 3, 3, generator=torch.Generator().manual_seed(seed))

    def encode(images: Tensor) -> Tensor:
        padded = torch.nn.functional.pad(images, (1, 1, 1, 1), mode="circular")
        return torch.nn.functional.conv2d(padded, weight).relu().mean((2, 3))

    return encode


def random_linear(shape: tuple[int, int, int], width: int = 7, seed: int = 0) -> Encode:
    """A rectified random map of the pixels."""
    weight = torch.randn(int(np.prod(shape)), width, generator=torch.Generator().manual_seed(seed))
    return lambda images: (images.flatten(1) @ weight).relu()


def square_stage(side: int, frame: int, stride: int = 1, count: int = 1) -> Stage:
    """Full white squares."""
    return Stage(Sprites(torch.ones(count, 1, side, side), torch.ones(count, 1, side, side)), (1, frame, frame), stride)


def random_stage(
    count: int = 3, side: int = 3, shape: tuple[int, int, int] = (1, 8, 10), stride: int = 1, seed: int = 0
) -> Stage:
    """Random opaque squares."""
    colour = torch.rand(count, shape[0], side, side, generator=torch.Generator().manual_seed(seed))
    return Stage(Sprites(colour, torch.ones(count, 1, side, side)), shape, stride)
