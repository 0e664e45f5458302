"""What happens around training steps: metrics on file, resume points, pictures, proof of equivariance, divergence."""

from __future__ import annotations

import csv
import io
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from eqae.data.datamodule import ImageDataModule
from eqae.errors import TrainingDiverged
from eqae.files import write_atomically
from eqae.heads.base import Head
from eqae.models.base import Autoencoder
from eqae.objectives.base import Objective
from eqae.objectives.spread import relative_spread
from eqae.precision import exact_products
from eqae.seeding import mix
from eqae.training.module import AutoencoderModule
from eqae.training.progress import Progress
from eqae.training.tracking import Tracker

RESUME_FILE = "last.ckpt"
METRICS_FILE = "metrics.csv"
SPREAD = 1e-3
"""Of the features of different images, relative to their length, below which they count as one: rounding is 1e-6, and
the Gram features of an untrained network differ by 0.05."""
COMPARED = 0.02
"""The same of what objectives compare, where 1 is usual."""


class EquivarianceMonitor(pl.Callback):
    """Logs ``equivariance_error`` each epoch: the largest relative error of V over the group, on a few images.

    Training can exploit approximations, so exactness is measured on the weights as they are, not once at the start.
    """

    def __init__(self, images: Tensor) -> None:
        self.images = images

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Encode the images under every element of the model's group."""
        model = _model(pl_module)
        if model.group.order > 1:  # nothing to be equivariant to is no merit
            error = equivariance_error(model, _like_weights(self.images, pl_module))
            pl_module.log("equivariance_error", error, sync_dist=True)  # the same in all processes


def equivariance_error(model: Autoencoder, images: Tensor) -> Tensor:
    """``max_g |V(gx) − g·V(x)| / |V(x)|`` in full float32, averaged over images ``(B, C, H, W)``; a scalar.

    Over the elements that move pixels onto pixels, which are the ones that an exact network is exact for.
    """
    training = model.training
    model.eval()
    with torch.no_grad(), exact_products():
        embedding = model.encode(images)
        norm = embedding.flatten(1).norm(dim=1).clamp_min(torch.finfo(embedding.dtype).tiny)
        errors = [
            (model.encode(model.group.act(g, images)) - model.group.permute(g, embedding)).flatten(1).norm(dim=1) / norm
            for g in model.group.exact_elements
        ]
    model.train(training)
    return torch.stack(errors).amax(0).mean()


class KeepSigterm(pl.Callback):
    """Leaves SIGTERM the meaning it has outside of training.

    Lightning would finish the step and exit with 0, and where several processes train it would ask the others from
    within the handler, while they wait for it elsewhere. Nothing needs to be finished: resume points are whole.
    """

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Learn the meaning before Lightning changes it."""
        self.handler = signal.getsignal(signal.SIGTERM)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Change it back."""
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self.handler)

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Stop the processes that this one has started, before they miss it."""
        launcher = trainer.strategy.launcher
        if isinstance(exception, SystemExit) and launcher is not None:
            launcher.kill(signal.SIGTERM)


class StopOnNonFinite(pl.Callback):
    """Stops before anything that is not finite can reach the weights or a resume point.

    Raises:
        TrainingDiverged: with step, losses, learning rate and the last good resume point.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        """Look at losses, gradients, weights and statistics; on a GPU, which looking waits for, at every 20th step."""
        if pl_module.device.type != "cpu" and trainer.global_step % 20:
            return
        weights, statistics = dict(pl_module.named_parameters()), dict(pl_module.named_buffers())
        gradients = {f"the gradient of {name}": weight.grad for name, weight in weights.items()}
        # Causes before consequences: a loss spoils the statistics of its forward pass, a weight spoils the loss.
        self._look(trainer, pl_module, weights | _losses(pl_module) | gradients | statistics)

    def on_validation_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *batch_and_what_came_of_it: object
    ) -> None:
        """Look at the losses of held-out images, after the weights, which spoil them."""
        self._look(trainer, pl_module, dict[str, Tensor](pl_module.named_parameters()) | _losses(pl_module))

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Look at all that the resume point will hold, on every device."""
        moments = {
            f"the optimiser's {key} of parameter {number}": value
            for number, state in enumerate(trainer.optimizers[0].state.values())
            for key, value in state.items()
        }
        self._look(trainer, pl_module, pl_module.state_dict() | moments)

    def _look(self, trainer: pl.Trainer, pl_module: pl.LightningModule, tensors: Mapping[str, Tensor | None]) -> None:
        bad = first_not_finite(tensors)
        # All processes stop at the same step, or those that did not look at the same numbers would wait for ever.
        if trainer.strategy.reduce_boolean_decision(bad is None, all=True):
            return
        last = self.directory / RESUME_FILE
        losses = ", ".join(f"{name} {value.item():.6g}" for name, value in _losses(pl_module).items())
        rate = trainer.optimizers[0].param_groups[0]["lr"]
        raise TrainingDiverged(
            f"step {trainer.global_step} (epoch {trainer.current_epoch})",
            f"{bad or 'what another process has'} is NaN or infinite; {losses}; learning rate {rate:.3g}",
            "finite losses, gradients and weights",
            f"{_remedy(bad)}, and train again; last good state: {last if last.exists() else 'none yet'}",
        )


def _remedy(bad: str | None) -> str:
    """Of what is not finite, by its name."""
    remedy = "lower training.learning_rate or set training.gradient_clip: 1.0"
    if bad is not None and bad.startswith("validation/"):
        remedy += ", or make the objective finite for the few images that may be held out"
    return remedy


class StopOnCollapse(pl.Callback):
    """Stops when different images have the same features, or are the same to an objective that compares them behind
    its own layers: a constant agrees with itself in every view.

    Raises:
        TrainingDiverged: after an epoch, with the spread that is left and what may have caused it.
    """

    def __init__(self, images: Tensor, head: Head) -> None:
        self.images = images
        self.head = head

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Look at a few images, in evaluation mode; those that hardly differ themselves say nothing."""
        if relative_spread(self.images.flatten(1)) < SPREAD:
            return
        for what, spread, least in self._spreads(pl_module):
            if trainer.strategy.reduce_boolean_decision(spread >= least, all=True):
                continue
            raise TrainingDiverged(
                f"epoch {trainer.current_epoch}",
                f"{what} collapsed: over {len(self.images)} images they differ by {spread:.1g}",
                f"{least:g} at least",
                "add an objective that needs them to differ (reconstruction, or vicreg with variance and covariance), "
                "let neighbours have a balance, or lower training.learning_rate",
            )

    def _spreads(self, pl_module: pl.LightningModule) -> list[tuple[str, float, float]]:
        """What is looked at, how much images differ in it, and how much they should."""
        assert isinstance(pl_module, AutoencoderModule)
        model = pl_module.model.eval()
        with torch.no_grad(), torch.autocast(pl_module.device.type, enabled=False):
            embedding = model.encode(_like_weights(self.images, pl_module))
            features = embedding.flatten(1) if self.head.needs_fit else self.head(embedding)
            spreads = [("the features have", relative_spread(features), SPREAD)]
            for name, objective in pl_module.objectives.items():
                assert isinstance(objective, Objective)
                with _unmoved(objective):
                    compared = objective.spread(features) if "features" in objective.needs else None
                if compared is not None:
                    spreads.append((f"what objective.{name} compares has", compared, COMPARED))
        model.train()
        return spreads


@contextmanager
def _unmoved(module: nn.Module) -> Iterator[None]:
    """Put running statistics back to what they were."""
    before = [(buffer, buffer.clone()) for buffer in module.buffers()]
    try:
        yield
    finally:
        for buffer, value in before:
            buffer.copy_(value)


def first_not_finite(tensors: Mapping[str, Tensor | None]) -> str | None:
    """Name of the first tensor that holds NaN or infinity; their device is waited for once if there is none."""
    numbers = {name: t for name, t in tensors.items() if t is not None and t.is_floating_point()}
    # A sum is cheap and never finite where a term is not; where it overflows, the search finds nothing.
    if torch.isfinite(sum((tensor.detach().sum() for tensor in numbers.values()), torch.zeros(()))):
        return None
    return next((name for name, tensor in numbers.items() if not torch.isfinite(tensor).all()), None)


def _losses(pl_module: pl.LightningModule) -> dict[str, Tensor]:
    assert isinstance(pl_module, AutoencoderModule)
    return pl_module.losses


class ExactResume(pl.Callback):
    """Writes ``last.ckpt`` after each epoch, and brings the data's order back to the position a checkpoint was made at.

    The order of images is a function of (seed, epoch), so the number of batches done restores it; see
    :class:`eqae.data.datamodule.EpochSampler`. So is what layers such as dropout draw, of (seed, epoch, batch).
    """

    def __init__(self, directory: Path, data: ImageDataModule, facts: dict[str, Any]) -> None:
        self.directory = directory
        self.data = data
        self.facts = facts

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Seed torch for this step alone."""
        torch.manual_seed(mix(self.facts["seed"], "step", trainer.current_epoch, batch_idx, trainer.global_rank))

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save after validation has run."""
        trainer.save_checkpoint(self.directory / RESUME_FILE)

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Add what must not differ between a run and its continuation."""
        checkpoint["eqae"] = self.facts

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Move the sampler; ``total.processed`` is right however the checkpoint came about."""
        progress = checkpoint["loops"]["fit_loop"]["epoch_loop.batch_progress"]
        self.data.resume_at(progress["total"]["processed"])


class MetricsFile(pl.Callback):
    """Appends one row an epoch to ``metrics.csv``; after a resume the rows of epochs to come are dropped first."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / METRICS_FILE
        self.rows: list[dict[str, str]] = []

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take over what an interrupted run has written."""
        if self.path.exists():
            with self.path.open(newline="") as file:
                self.rows = [row for row in csv.DictReader(file) if int(row["epoch"]) < trainer.current_epoch]

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write all rows; the file is replaced as a whole, so it is never half a row."""
        # Every process asks, because means over processes are formed when they are asked for.
        self.rows.append({key: f"{value:.9g}" for key, value in epoch_metrics(trainer).items()})
        if not trainer.is_global_zero:
            return
        text = io.StringIO(newline="")
        columns = list(dict.fromkeys(key for row in self.rows for key in row))
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        write_atomically(self.path, text.getvalue())


class Report(pl.Callback):
    """Sends each epoch's metrics to terminal and tracker, and reconstructions under rotation to the tracker."""

    def __init__(self, progress: Progress, tracker: Tracker, images: Tensor) -> None:
        self.progress = progress
        self.tracker = tracker
        self.images = images

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the bar where a resumed run continues."""
        self.progress.start(int(trainer.num_training_batches) * int(trainer.max_epochs or 0), trainer.global_step)

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """One step further."""
        self.progress.advance()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """One line on the terminal, one step on the dashboard."""
        metrics = epoch_metrics(trainer)
        self.progress.epoch(trainer.current_epoch + 1, int(trainer.max_epochs or 0), metrics)
        self.tracker.log_poses(_model(pl_module), _like_weights(self.images, pl_module))
        self.tracker.log(metrics)  # last: it closes the dashboard's step, to which the picture belongs


def epoch_metrics(trainer: pl.Trainer) -> dict[str, float]:
    """What was logged in this epoch, with its number and the learning rate."""
    rate = trainer.optimizers[0].param_groups[0]["lr"]
    logged = {key: float(value) for key, value in sorted(trainer.callback_metrics.items())}
    return {"epoch": trainer.current_epoch, "step": trainer.global_step, "learning_rate": float(rate)} | logged


def _like_weights(images: Tensor, pl_module: pl.LightningModule) -> Tensor:
    """The images on the device, and in the precision, of the weights."""
    return images.to(next(pl_module.parameters()))


def _model(pl_module: pl.LightningModule) -> Autoencoder:
    model = pl_module.model
    assert isinstance(model, Autoencoder)
    return model
