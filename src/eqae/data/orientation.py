"""One fixed random orientation an image: the law that turns an upright benchmark into one without orientation.

The order of the draws is the benchmark's definition: from one generator, first which images, then all angles, then
all mirrors. Training sees no other orientation of an image than the one it has here.
"""

from __future__ import annotations

import math

import torch

from eqae.data.base import Dataset, Images
from eqae.data.transforms import mirror_then_rotate

TRAIN_SEED = 0
TEST_SEED = 1


def orient_dataset(
    upright: Dataset,
    name: str,
    *,
    reflections: bool,
    centred: bool = False,
    train: int | None = None,
    test: int | None = None,
) -> Dataset:
    """Both splits of ``upright``, each image in its one orientation; see :func:`orient`.

    Args:
        upright: the benchmark with its images as they are.
        name: of the new dataset.
        reflections: O(2) rather than SO(2).
        centred: see :func:`orient`.
        train: how many training images are taken; None for all.
        test: how many test images are taken; None for all.
    """
    return Dataset(
        name,
        orient(upright.train, train or len(upright.train), TRAIN_SEED, reflections=reflections, centred=centred),
        orient(upright.test, test or len(upright.test), TEST_SEED, reflections=reflections, centred=centred),
        upright.class_names,
    )


def orient(images: Images, count: int, seed: int, *, reflections: bool, centred: bool = False) -> Images:
    """``count`` random images, each mirrored left-right with probability 1/2 and then turned by a uniform angle.

    Draws, in this order, from a generator seeded ``seed``: ``randperm(N)``, of which the first ``count`` are taken;
    ``rand(count) * 2 pi``, the angles; with ``reflections``, ``rand(count) < 0.5``, the mirrors. Interpolation is
    bilinear with zeros outside.

    Args:
        images: N upright images.
        count: at most N.
        seed: of the generator.
        reflections: whether images are mirrored at all.
        centred: whether images are turned about their centre of mass, which then lies in the middle. Turned about the
            middle of the frame, an image whose centre of mass lies elsewhere says by it which way was up.

    Returns:
        ``count`` images as float32 in [0, 1], in the order drawn.
    """
    draws = torch.Generator().manual_seed(seed)
    chosen = torch.randperm(len(images), generator=draws)[:count]
    angles = torch.rand(count, generator=draws) * (2 * math.pi)
    mirrored = torch.rand(count, generator=draws) < 0.5 if reflections else torch.zeros(count, dtype=torch.bool)
    upright = images.take(chosen)
    degrees = torch.rad2deg(angles.double())
    pixels = mirror_then_rotate(upright.batch(slice(None)), mirrored, degrees, about_mass=centred)
    return Images(pixels.clamp_(0, 1), upright.labels, upright.names)
