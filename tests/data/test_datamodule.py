from __future__ import annotations

from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from eqae.data.base import Dataset, Images
from eqae.data.datamodule import Batch, EpochSampler, ImageDataModule, Places, SharedBatches
from eqae.processes import Share
from eqae.seeding import generator
from eqae.training.augment import Augment


def dataset(count: int, dtype: torch.dtype = torch.uint8) -> Dataset:
    """``count`` images; every pixel of image ``i`` is ``i``, and so is its label."""
    pixels = torch.arange(count).view(-1, 1, 1, 1).expand(-1, 1, 3, 3).to(torch.uint8)
    images = Images(pixels if dtype == torch.uint8 else pixels.float() / 255, torch.arange(count))
    return Dataset("numbered", images, images.take(slice(0, 1)))


def seen(data: ImageDataModule, epochs: int) -> list[list[int]]:
    """Places of every batch of some epochs, from where the module is."""
    loader = data.train_dataloader()
    batches = []
    for epoch in range(data.sampler.epoch, epochs):
        data.batches.set_epoch(epoch)
        batches += [batch.indices.tolist() for batch in loader]
    return batches


COUNTS = {"count": st.integers(2, 40), "batch_size": st.integers(2, 12), "seed": st.integers(0, 5)}


@settings(max_examples=60, deadline=None)
@given(**COUNTS, validation=st.sampled_from([0.0, 0.05, 0.5]))
def test_every_image_is_either_trained_on_once_an_epoch_or_held_out(
    count: int, batch_size: int, seed: int, validation: float
) -> None:
    data = ImageDataModule(dataset(count), batch_size=batch_size, validation=validation, seed=seed)
    held_out = data.validation_places.tolist()
    for epoch in range(3):
        data.sampler.set_epoch(epoch)
        trained = [place for batch in data.train_dataloader() for place in batch.indices.tolist()]
        assert sorted(trained + held_out) == list(range(count))
    assert (len(held_out) == 0) == (validation == 0)
    loader: Any = data.val_dataloader()
    validated = [place for batch in loader for place in batch.indices.tolist()]
    assert validated == held_out


@settings(max_examples=60, deadline=None)
@given(**COUNTS)
def test_no_batch_has_one_image_and_none_is_much_larger_than_asked(count: int, batch_size: int, seed: int) -> None:
    data = ImageDataModule(dataset(count), batch_size=batch_size, validation=0, seed=seed)
    sizes = [len(batch.places) for batch in data.batches]
    assert len(sizes) == len(data.batches)
    assert min(sizes) >= 2
    assert max(sizes) <= batch_size + 1
    assert set(sizes[:-1]) <= {batch_size}


@settings(max_examples=60, deadline=None)
@given(**COUNTS, data=st.data())
def test_from_any_position_training_goes_on_as_if_it_had_not_stopped(
    count: int, batch_size: int, seed: int, data: st.DataObject
) -> None:
    def module() -> ImageDataModule:
        return ImageDataModule(dataset(count), batch_size=batch_size, validation=0.1, seed=seed)

    whole = seen(module(), 3)
    done = data.draw(st.integers(0, len(whole) - 1))
    resumed = module()
    resumed.resume_at(done)
    assert seen(resumed, 3) == whole[done:]


def test_the_position_counts_epochs_and_images() -> None:
    data = ImageDataModule(dataset(21), batch_size=5, validation=0)  # batches of 5, 5, 5 and 6
    assert len(data.batches) == 4
    assert [tuple(data.position(done)) for done in (0, 3, 4, 9)] == [(0, 0), (0, 15), (1, 0), (2, 5)]


def test_the_order_differs_from_epoch_to_epoch_and_from_seed_to_seed() -> None:
    def order(seed: int, epoch: int) -> tuple[int, ...]:
        sampler = EpochSampler(torch.arange(100), seed)
        sampler.set_epoch(epoch)
        return tuple(sampler)

    orders = {order(seed, epoch) for seed in range(4) for epoch in range(4)}
    assert len(orders) == 16
    assert all(sorted(places) == list(range(100)) for places in orders)


def test_asking_twice_gives_the_same_order_even_in_the_middle_of_an_epoch() -> None:
    sampler = EpochSampler(torch.arange(20), 0)
    whole = list(sampler)
    sampler.epoch, sampler.skip = 0, 8
    sampler.set_epoch(0)
    assert list(sampler) == list(sampler) == whole[8:]
    assert len(sampler) == 20
    sampler.set_epoch(1)
    assert len(list(sampler)) == 20


@settings(max_examples=60, deadline=None)
@given(**COUNTS, processes=st.integers(1, 4), epoch=st.integers(0, 3))
def test_processes_share_the_batches_that_one_process_would_have(
    count: int, batch_size: int, seed: int, processes: int, epoch: int
) -> None:
    batch_size = max(batch_size, processes)

    def batches(rank: int, processes: int) -> list[Places]:
        sampler = EpochSampler(torch.arange(count), seed)
        sampler.set_epoch(epoch)
        shared = SharedBatches(sampler, batch_size)
        shared.rank, shared.processes = rank, processes
        assert len(list(shared)) == len(shared)
        return list(shared)

    if count < processes:
        return
    steps = list(zip(*(batches(rank, processes) for rank in range(processes)), strict=True))
    together = [[place for share in step for place in share.places] for step in steps]
    alone = [batch.places for batch in batches(0, 1)]
    assert together[:-1] == alone[: len(together) - 1]
    assert [*chain(*together)] == [*chain(*alone)]
    for step in steps:
        sizes = [len(share.places) for share in step]
        assert min(sizes) >= 1
        assert max(sizes) - min(sizes) <= 1
        assert sum(share.share.weight(processes) for share in step) == pytest.approx(processes)


def test_draws_do_not_depend_on_how_many_processes_share_a_batch() -> None:
    images = torch.rand(7, 1, 9, 9)
    augment = Augment(
        "o2", scale=0.2, shear=0.2, shift=1.0, elastic=0.5, thickness=1.5, blur=0.6, contrast=0.3, noise=0.5
    )
    whole = augment(images, generator(1))
    for processes in (2, 3):
        shares = [Share.of(7, rank, processes) for rank in range(processes)]
        parts = [augment(share.cut(images), generator(1), share) for share in shares]
        for together, alone in zip(zip(*parts, strict=True), whole, strict=True):
            assert torch.equal(torch.cat(together), alone)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_a_batch_holds_the_images_it_names(dtype: torch.dtype) -> None:
    data = ImageDataModule(dataset(30, dtype), batch_size=8)
    for loader in (data.train_dataloader(), data.val_dataloader()):
        for batch in loader:
            assert isinstance(batch, Batch)
            assert batch.images.dtype == torch.float32
            assert batch.images.shape == (len(batch.indices), 1, 3, 3)
            torch.testing.assert_close(batch.images[:, 0, 0, 0] * 255, batch.indices.float())
            assert torch.equal(batch.labels, batch.indices)


def test_what_is_held_out_depends_on_the_seed_alone() -> None:
    def held_out(seed: int, batch_size: int) -> list[int]:
        return ImageDataModule(
            dataset(200), batch_size=batch_size, validation=0.1, seed=seed
        ).validation_places.tolist()

    assert len(held_out(0, 8)) == 20
    assert held_out(0, 8) == held_out(0, 16) != held_out(1, 8)


@pytest.mark.parametrize(("count", "validation", "expected"), [(2, 0.05, 1), (10, 0.99, 9), (1, 0.5, 0)])
def test_something_is_always_trained_on(count: int, validation: float, expected: int) -> None:
    data = ImageDataModule(dataset(count), batch_size=4, validation=validation)
    assert len(data.validation_places) == expected
    assert len(data.training_places) == count - expected


def test_an_epoch_leaves_the_global_generator_alone() -> None:
    data = ImageDataModule(dataset(20), batch_size=4)
    before = torch.get_rng_state()
    list(data.train_dataloader())
    assert torch.equal(torch.get_rng_state(), before)


def test_on_the_cpu_there_is_nothing_to_preload() -> None:
    data = ImageDataModule(dataset(20), batch_size=4)
    assert not data.preload(torch.device("cpu"))
    assert data.images.images.pixels.device.type == "cpu"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("workers", [0, 2])
def test_images_that_fit_are_gathered_on_the_cuda_device(workers: int) -> None:
    given_data = dataset(20)
    data = ImageDataModule(given_data, batch_size=4, workers=workers)
    here = seen(ImageDataModule(given_data, batch_size=4), 2)
    assert data.preload(torch.device("cuda")) == (workers == 0)
    batch = next(iter(data.train_dataloader()))
    assert {part.device.type for part in (batch.images, batch.labels)} == {"cpu" if workers else "cuda"}
    assert seen(data, 2) == here
    assert given_data.train.pixels.device.type == "cpu"


# Under Lightning

ADVICE = pytest.mark.filterwarnings(
    "ignore:.*does not have many workers.*",
    "ignore:This DataLoader will create",  # two workers on one core
    "ignore:.*your dataloader is not resumable.*",
    "ignore:.*isinstance.treespec, LeafSpec.*:FutureWarning",  # Lightning with a newer torch
)


class Recorder(pl.LightningModule):
    """Learns one number and writes down which images each step saw."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.trained: list[tuple[int, list[int]]] = []
        self.validated: list[int] = []

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        assert isinstance(batch, Batch)
        self.trained.append((self.current_epoch, batch.indices.tolist()))
        return (self.weight - batch.images.mean()) ** 2

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        self.validated += batch.indices.tolist()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


class Interruption(Exception):  # noqa: N818 - it is meant
    pass


class GoOn(pl.Callback):
    """Writes a checkpoint after some steps and stops there; moves the data to where a checkpoint was written."""

    def __init__(self, data: ImageDataModule, path: Path, steps: int) -> None:
        self.data, self.path, self.steps = data, path, steps

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        if trainer.global_step == self.steps:
            trainer.save_checkpoint(self.path, weights_only=False)
            raise Interruption

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        progress = checkpoint["loops"]["fit_loop"]["epoch_loop.batch_progress"]
        self.data.resume_at(progress["total"]["processed"])


def fit(workers: int, checkpoint: Path, *, steps: int = -1, resume: bool = False) -> Recorder:
    data = ImageDataModule(dataset(23), batch_size=5, validation=0.1, workers=workers)
    module = Recorder()
    trainer = pl.Trainer(
        max_epochs=3, accelerator="cpu", devices=1, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, num_sanity_val_steps=0, use_distributed_sampler=False,
        callbacks=[GoOn(data, checkpoint, steps)],
    )  # fmt: skip
    with suppress(Interruption):
        trainer.fit(module, data, ckpt_path=checkpoint if resume else None, weights_only=True if resume else None)
    return module


@ADVICE
@pytest.mark.parametrize("workers", [0, 2])
def test_lightning_sees_the_same_batches_whatever_the_workers_and_interruptions(workers: int, tmp_path: Path) -> None:
    data = ImageDataModule(dataset(23), batch_size=5, validation=0.1)
    expected = seen(data, 3)
    checkpoint = tmp_path / "cut.ckpt"
    whole = fit(workers, checkpoint)
    assert [batch for _, batch in whole.trained] == expected
    assert [epoch for epoch, _ in whole.trained] == [0] * 4 + [1] * 4 + [2] * 4
    assert whole.validated == data.validation_places.tolist() * 3
    for steps in (2, 4, 7):  # within the first epoch, at its end, before the last batch of the second
        first = fit(workers, checkpoint, steps=steps)
        second = fit(workers, checkpoint, resume=True)
        assert len(first.trained) == steps
        assert first.trained + second.trained == whole.trained
        assert torch.equal(second.weight, whole.weight)


@ADVICE
def test_lightning_trains_without_validation() -> None:
    data = ImageDataModule(dataset(9), batch_size=4, validation=0)
    module = Recorder()
    pl.Trainer(
        max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, use_distributed_sampler=False,
    ).fit(module, data)  # fmt: skip
    assert [len(batch) for _, batch in module.trained] == [4, 5]
    assert module.validated == []


def test_the_leftover_image_joins_the_batch_before_it() -> None:
    batches = SharedBatches(EpochSampler(torch.arange(13), 0), 4)
    assert [len(batch.places) for batch in batches] == [4, 4, 5]
    assert len(batches) == 3
