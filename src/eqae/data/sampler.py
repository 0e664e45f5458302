"""The order of training images: a pure function of (seed, epoch), so that a count of batches restores it."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch.utils.data import Sampler

from eqae.seeding import generator


class EpochSampler(Sampler[list[int]]):
    """Yields the index lists of one epoch's batches, each image once.

    The last batch may be short; one of a single image is merged into the batch before it, because batch
    normalisation has no variance of one image. With several processes every rank takes each ``world``-th image of
    the same order, cut to a multiple of ``world``.

    Attributes:
        epoch: which order is drawn next; advances by itself at the end of an epoch.
        skip: batches to leave out of the next epoch, then reset to 0.
    """

    def __init__(self, images: int, batch_size: int, seed: int, *, rank: int = 0, world: int = 1) -> None:
        self.images = images
        self.batch_size = batch_size
        self.seed = seed
        self.rank = rank
        self.world = world
        self.epoch = 0
        self.skip = 0

    def __len__(self) -> int:
        mine = self.images // self.world
        full, rest = divmod(mine, self.batch_size)
        return max(1, full + (rest > 1))

    def __iter__(self) -> Iterator[list[int]]:
        batches = self._batches()
        skip, self.skip = self.skip, 0
        self.epoch += 1
        yield from batches[skip:]

    def resume_at(self, batches_done: int) -> None:
        """Continue after ``batches_done`` batches of this rank, counted from the start of training."""
        self.epoch, self.skip = divmod(batches_done, len(self))

    def _batches(self) -> list[list[int]]:
        order = torch.randperm(self.images, generator=generator(self.seed, "order", self.epoch))
        usable = self.images // self.world * self.world
        mine: list[int] = order[:usable][self.rank :: self.world].tolist()
        starts = [i * self.batch_size for i in range(len(self))]
        ends = [*starts[1:], len(mine)]
        return [mine[start:end] for start, end in zip(starts, ends, strict=True)]
