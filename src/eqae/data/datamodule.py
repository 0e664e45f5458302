"""Batches for training, in an order that a position restores.

The images are in memory, so a batch is one gather by a list of indices rather than a collation of single samples. The
order of an epoch is a function of (seed, epoch) alone: no random state is saved, and the number of batches done is
all that a continued run needs to go on exactly.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Sampler
from torch.utils.data import Dataset as TorchDataset

from eqae.data.base import Dataset, Images
from eqae.processes import Share
from eqae.seeding import generator


class Batch(NamedTuple):
    """What a training step receives.

    Attributes:
        images: ``(B, C, H, W)`` float32 in [0, 1].
        labels: ``(B,)`` int64.
        indices: ``(B,)`` int64, places in the dataset's training split.
        share: which part of the step's batch these are; all of it, unless several processes share it.
    """

    images: Tensor
    labels: Tensor
    indices: Tensor
    share: Share


class Places(NamedTuple):
    """What a loader asks for: places in the training split, and which part of the step's batch they are."""

    places: list[int]
    share: Share


class Position(NamedTuple):
    """How far training is: the epoch, and how many of its images are done."""

    epoch: int
    skip: int


class IndexedImages(TorchDataset[Batch]):
    """Images that are asked for a whole batch at a time.

    Attributes:
        images: where batches are gathered; may be replaced by a copy on another device.
    """

    def __init__(self, images: Images) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, asked: Places) -> Batch:
        indices = torch.tensor(asked.places, dtype=torch.int64, device=self.images.pixels.device)
        return Batch(self.images.batch(indices), self.images.labels[indices], indices, asked.share)


class EpochSampler(Sampler[int]):
    """The given places, each once an epoch, in an order that is a function of (seed, epoch).

    Iterating changes nothing: the same epoch gives the same order however often it is asked for.

    Attributes:
        epoch: which order.
        skip: how many places of this epoch are done already.
    """

    def __init__(self, places: Tensor, seed: int) -> None:
        self.places = places
        self.seed = seed
        self.epoch = 0
        self.skip = 0

    def set_epoch(self, epoch: int) -> None:
        """Go to an epoch; to its beginning, unless it is the one the sampler is in."""
        if epoch != self.epoch:
            self.epoch, self.skip = epoch, 0

    def __len__(self) -> int:
        """Places in a whole epoch, done or not."""
        return len(self.places)

    def __iter__(self) -> Iterator[int]:
        order = torch.randperm(len(self.places), generator=generator(self.seed, "order", self.epoch))
        return iter(self.places[order[self.skip :]].tolist())


class SharedBatches(Sampler[Places]):
    """Consecutive runs of ``batch_size`` places, of which each process takes its share; the last may be shorter.

    So the steps are those of one process, however many share them. What is left over joins the batch before it where
    it is too small: one image, of which batch normalisation has no variance, fewer than there are processes, or fewer
    than ``smallest``.

    Attributes:
        rank: number of this process.
        processes: how many there are.
    """

    def __init__(self, sampler: EpochSampler, batch_size: int, smallest: int = 2) -> None:
        self.sampler = sampler
        self.batch_size = batch_size
        self.smallest = smallest
        self.rank = 0
        self.processes = 1

    def set_epoch(self, epoch: int) -> None:
        """Passed on to the sampler; Lightning calls it at the start of every epoch."""
        self.sampler.set_epoch(epoch)

    def __len__(self) -> int:
        """Batches in a whole epoch."""
        full, rest = divmod(len(self.sampler), self.batch_size)
        return max(full + (rest >= self._smallest), 1)

    def __iter__(self) -> Iterator[Places]:
        places = list(self.sampler)
        starts = list(range(0, len(places), self.batch_size))
        if len(starts) > 1 and len(places) - starts[-1] < self._smallest:
            starts.pop()
        for start, stop in zip(starts, [*starts[1:], len(places)], strict=True):
            share = Share.of(stop - start, self.rank, self.processes)
            yield Places(places[start + share.start : start + share.stop], share)

    @property
    def _smallest(self) -> int:
        return max(self.smallest, self.processes)


class ImageDataModule(pl.LightningDataModule):
    """Training and validation batches of a dataset's training split; its test split is not touched.

    Args:
        dataset: in memory.
        batch_size: images a step, over all processes; the last batch of an epoch may have fewer, or up to
            ``smallest`` more.
        validation: share of the training images held out to watch the loss, always the same ones for a seed; 0 for
            none. A share above 0 holds out at least one image.
        seed: of the order and of what is held out.
        workers: loader processes; the batches do not depend on it.
        smallest: a training batch of fewer images joins the one before it.

    Attributes:
        training_places: ``(n,)`` int64, places in ``dataset.train`` that are trained on, ascending.
        validation_places: the others, ascending.
        sampler: where training is.
    """

    def __init__(
        self,
        dataset: Dataset,
        *,
        batch_size: int,
        validation: float = 0.05,
        seed: int = 0,
        workers: int = 0,
        smallest: int = 2,
    ) -> None:
        super().__init__()
        self.batch_size = batch_size
        self.seed = seed
        self.workers = workers
        self.images = IndexedImages(dataset.train)
        self.training_places, self.validation_places = _hold_out(len(dataset.train), validation, seed)
        self.sampler = EpochSampler(self.training_places, seed)
        self.batches = SharedBatches(self.sampler, batch_size, smallest)
        self._pin = False

    def setup(self, stage: str) -> None:
        """Learn rank and device from the Trainer, and move the images to the device if they fit."""
        if self.trainer is not None:
            self.batches.rank, self.batches.processes = self.trainer.global_rank, self.trainer.world_size
            device = self.trainer.strategy.root_device
            self._pin = device.type == "cuda" and not self.preload(device)
            if len(self.validation_places) == 0:
                self.trainer.limit_val_batches = 0  # an empty list of loaders alone is met with a warning

    def preload(self, device: torch.device) -> bool:
        """Keep the images on a CUDA ``device``, if they fit into half of its free memory; whether they are there now.

        Loader processes cannot share device memory, so with ``workers`` the images stay where they are.
        """
        images = self.images.images
        if device.type != "cuda" or self.workers > 0 or images.pixels.nbytes > torch.cuda.mem_get_info(device)[0] // 2:
            return False
        self.images.images = replace(images, pixels=images.pixels.to(device), labels=images.labels.to(device))
        return True

    def train_dataloader(self) -> DataLoader[Batch]:
        """Batches of one epoch, from where the sampler is."""
        return self._loader(self.batches)

    def val_dataloader(self) -> DataLoader[Batch] | list[DataLoader[Batch]]:
        """The images held out, in their own order, all of them in every process; no loader if there are none."""
        if len(self.validation_places) == 0:
            return []
        parts = self.validation_places.split(self.batch_size)
        return self._loader([Places(part.tolist(), Share.of(len(part))) for part in parts])

    def position(self, batches_done: int) -> Position:
        """Where training is after that many batches, counted over all epochs."""
        epoch, batch = divmod(batches_done, len(self.batches))
        return Position(epoch, batch * self.batch_size)

    def resume_at(self, batches_done: int) -> None:
        """Go to the place after that many batches; the next batch is the one an uninterrupted run would have had."""
        self.sampler.epoch, self.sampler.skip = self.position(batches_done)

    def _loader(self, batches: Sampler[Places] | list[Places]) -> DataLoader[Batch]:
        return DataLoader(
            self.images,
            batch_size=None,
            sampler=batches,
            num_workers=self.workers,
            persistent_workers=self.workers > 0,
            pin_memory=self._pin,
            # Its own, so that starting an epoch draws nothing from the global one.
            generator=generator(self.seed, "loader"),
        )


def count_trained_on(count: int, share: float) -> int:
    """How many of ``count`` images remain where a share of them is held out; one at least."""
    return max(count - max(round(share * count), 1), 1) if share > 0 else count


def _hold_out(count: int, share: float, seed: int) -> tuple[Tensor, Tensor]:
    """Places trained on and places held out, both ascending."""
    held_out = count - count_trained_on(count, share)
    order = torch.randperm(count, generator=generator(seed, "validation"))
    return order[held_out:].sort().values, order[:held_out].sort().values
