"""Fitting one model in one directory: the only place that builds a Lightning Trainer."""

from __future__ import annotations

import io
import logging
import os
import random
import signal
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal
from zipfile import ZipFile

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO
from rich.console import Console

from eqae.data.base import Dataset
from eqae.data.datamodule import ImageDataModule
from eqae.errors import CheckpointError
from eqae.files import write_atomically
from eqae.heads.base import Head
from eqae.models.base import Autoencoder
from eqae.seeding import mix
from eqae.training.augment import Augment
from eqae.training.callbacks import (
    RESUME_FILE,
    EquivarianceMonitor,
    ExactResume,
    KeepSigterm,
    MetricsFile,
    Report,
    StopOnCollapse,
    StopOnNonFinite,
)
from eqae.training.module import AutoencoderModule, Optimization, Weighted
from eqae.training.progress import Progress
from eqae.training.tracking import Tracker

MONITORED_IMAGES = 32
PICTURED_IMAGES = 4
ASSUMED = {"smallest_batch": 2}
"""Facts that older resume points do not tell, as they were."""


@dataclass(frozen=True)
class Recipe:
    """How a model is trained; keys and units as in :class:`eqae.config.Training`."""

    epochs: int
    batch_size: int
    optimization: Optimization
    gradient_clip: float | None
    validation: float
    precision: Literal["32-true", "bf16-mixed", "64-true"]
    accelerator: str
    devices: int
    machines: int
    workers: int
    compile: bool
    seed: int


def fit(
    model: Autoencoder,
    head: Head,
    dataset: Dataset,
    objectives: Mapping[str, Weighted],
    augment: Augment,
    recipe: Recipe,
    *,
    directory: Path,
    label: str,
    tracker: Tracker,
    console: Console,
    resume: bool = False,
) -> None:
    """Train ``model`` in place; ``directory`` receives ``metrics.csv`` and ``last.ckpt``.

    Raises:
        TrainingDiverged: a loss, gradient, weight or statistic is no longer finite, or all features are the same.
        CheckpointError: ``resume`` of a run that began with other data or another recipe.
    """
    compared = any(weighted.objective.compares_images for weighted in objectives.values())
    smallest = max(recipe.batch_size // 2, 2) if compared else 2  # a few images say little of each other
    data = ImageDataModule(
        dataset,
        batch_size=recipe.batch_size,
        validation=recipe.validation,
        seed=recipe.seed,
        workers=recipe.workers,
        smallest=smallest,
    )
    module = AutoencoderModule(
        model, head, objectives, augment, recipe.optimization, seed=recipe.seed, compiled=recipe.compile
    )
    facts = _facts(recipe, dataset) | {"smallest_batch": smallest}
    resume_file = _resume_file(directory, facts) if resume else None
    watched = dataset.train.batch(slice(0, MONITORED_IMAGES))
    # Folders come class by class: images from all over them differ in what they show.
    places = torch.linspace(0, len(dataset.train) - 1, min(MONITORED_IMAGES, len(dataset.train))).long()
    with Progress(label, console) as progress, _quiet(), _interruptible():
        callbacks = [
            KeepSigterm(),
            EquivarianceMonitor(watched),
            StopOnNonFinite(directory),
            StopOnCollapse(dataset.train.batch(places), head),
            MetricsFile(directory),
            ExactResume(directory, data, facts),
            # After the resume point: what a dashboard has of an epoch is never trained, and sent, a second time.
            Report(progress, tracker, watched[:PICTURED_IMAGES]),
        ]
        trainer = _trainer(recipe, directory, callbacks)
        model.train()
        trainer.fit(module, data, ckpt_path=resume_file, weights_only=True if resume_file else None)
    for trained in (model, head):  # whatever precision and device it was trained in
        trained.eval().cpu().float()
    module.objectives.cpu()


def _trainer(recipe: Recipe, directory: Path, callbacks: list[pl.Callback]) -> pl.Trainer:
    """A Trainer that writes nothing of its own: files, progress and the order of images are the callbacks'."""
    return pl.Trainer(
        max_epochs=recipe.epochs,
        accelerator=recipe.accelerator,
        devices=recipe.devices,
        num_nodes=recipe.machines,
        # Several processes average their gradients; the layers share the statistics of a batch themselves.
        strategy="ddp" if recipe.devices * recipe.machines > 1 else "auto",
        precision=recipe.precision,
        gradient_clip_val=recipe.gradient_clip,
        callbacks=callbacks,
        plugins=[AtomicCheckpoints()],
        logger=False,
        default_root_dir=directory,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
    )


class AtomicCheckpoints(TorchCheckpointIO):
    """Lightning's checkpoints, written beside their place and moved there whole.

    The default writes to the system's temporary folder; where that is another disk the move is a copy, and a kill
    during it destroys the previous checkpoint.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        """Serialise to memory, then replace the file at ``path``."""
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        write_atomically(Path(path), buffer.getvalue())


def seed_everything(seed: int, purpose: str) -> None:
    """Seed torch, numpy and python from (seed, purpose), just before something random is built."""
    value = mix(seed, purpose)
    torch.manual_seed(value)
    np.random.seed(value % 2**32)
    random.seed(value)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Give Ctrl-C back its meaning: Lightning turns it into a silent exit, and ignores it from then on."""
    try:
        yield
    except SystemExit as stop:
        if isinstance(stop.__context__, KeyboardInterrupt):
            signal.signal(signal.SIGINT, signal.default_int_handler)
            raise KeyboardInterrupt from stop
        raise


def _facts(recipe: Recipe, dataset: Dataset) -> dict[str, Any]:
    """What a run and its continuation must have in common, as plain values; where they run may change."""
    places = {"accelerator", "devices", "machines", "workers", "compile", "optimization"}
    shared = {key: value for key, value in asdict(recipe).items() if key not in places}
    return {"images": len(dataset.train)} | shared | asdict(recipe.optimization)


def _resume_file(directory: Path, facts: Mapping[str, Any]) -> Path | None:
    """The resume point, if one was written; refused when the run it belongs to was set up otherwise."""
    path = directory / RESUME_FILE
    if not path.is_file():
        return None
    try:
        with ZipFile(path) as archive:
            damaged = archive.testzip()  # torch compares no checksums
        found = dict(torch.load(path, map_location="cpu", weights_only=True)["eqae"])
    except Exception as error:  # anything that reading a damaged file throws
        damaged, found = type(error).__name__, {}
    if damaged is not None:
        raise CheckpointError(
            str(path), f"damaged ({damaged})", "a resume point", "delete it to train from the beginning"
        )
    for key, value in facts.items():
        began = found.get(key, ASSUMED.get(key, value))
        if began != value:
            raise CheckpointError(
                str(path),
                f"made with {key} {began!r}",
                f"{value!r}",
                "resume with the config the run began with",
            )
    return path


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence Lightning's banner and the advice that does not apply to data held in memory."""
    loggers = [logging.getLogger(name) for name in ("pytorch_lightning", "lightning_fabric", "lightning")]
    levels = [logger.level for logger in loggers]
    os.environ.setdefault("LIGHTNING_FABRIC_DISABLE_TIPS", "1")
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*does not have many workers.*")
            warnings.filterwarnings("ignore", message=".*dataloader.*stateful.*")
            warnings.filterwarnings("ignore", message=".*not resumable.*")
            warnings.filterwarnings("ignore", message=".*LeafSpec.*")  # Lightning on newer torch
            warnings.filterwarnings("ignore", message=".*GPU available but not used.*")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
