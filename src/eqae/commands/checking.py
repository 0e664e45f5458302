"""What is refused before anything is trained or written."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from eqae.commands.jobs import Job, processes_here, told_of
from eqae.config import Config, Training
from eqae.data.base import Dataset
from eqae.data.datamodule import count_trained_on
from eqae.errors import ConfigError
from eqae.objectives import Objective, Step, check_all_trained, check_objectives
from eqae.processes import launched_here, machines
from eqae.registry import EVALUATORS
from eqae.training.augment import Augment


def check_evaluators(config: Config) -> None:
    """Check the options of every evaluator now, not after the training.

    Raises:
        ConfigError: an unknown or ill-typed option.
    """
    for name, options in config.evaluators.items():
        EVALUATORS.check(name, options, f"evaluators.{name}", {"evidence"})


def check_devices(config: Config) -> None:
    """Refuse a GPU that is not there, and processes that do not fit the batches or what a launcher started.

    Raises:
        ConfigError: ``training.accelerator: gpu`` on a machine without one, ``training.devices`` above
            ``training.batch_size``, or other than the number of processes that torchrun or SLURM started.
    """
    training, launched = config.training, launched_here()
    if training.accelerator == "gpu" and not torch.accelerator.is_available():
        raise ConfigError(
            "training.accelerator",
            "found 'gpu', but torch sees none",
            "a GPU that torch can use",
            "set it to auto or cpu",
        )
    if training.devices == "auto":
        return
    if training.devices > training.batch_size:
        raise ConfigError(
            "training.devices", f"found {training.devices}", f"at most training.batch_size, {training.batch_size}",
            "every process needs an image of each batch",
        )  # fmt: skip
    if launched not in (None, training.devices):
        raise ConfigError(
            "training.devices", f"found {training.devices}", f"{launched}, the processes started on this machine",
            "leave it at auto, or start as many",
        )  # fmt: skip


def check_trainable(job: Job, training: Training, dataset: Dataset) -> None:
    """One step of two blank images through every objective, so that a mismatch shows before training.

    Raises:
        ConfigError: an objective asks for something that the model, the batches or the dataset have not.
    """
    if job.model.trained_by != "gradient" or job.orbit_of is not None:
        return
    with told_of(job.where):
        _check_objectives(job, training, dataset)


def _check_objectives(job: Job, training: Training, dataset: Dataset) -> None:
    objectives = {name: weighted.objective for name, weighted in job.objectives.items()}
    check_objectives(objectives, job.model, job.head)
    counting = {name: weighted.objective for name, weighted in job.objectives.items() if not weighted.weight.is_zero}
    check_all_trained(counting, job.model)
    for name, objective in objectives.items():
        objective.check(training.batch_size, count_trained_on(len(dataset.train), training.validation))
        _check_images(name, objective, dataset, job.augment)
        if (processes := processes_here(training) * machines()) > 1:
            _check_alone(name, objective, dataset, processes)
        loss: object = _step_of_blanks(job, objective)  # whatever the code of a plugin returns
        if not isinstance(loss, Tensor) or loss.shape != ():
            found = f"of shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else f"a {type(loss).__name__}"
            raise ConfigError(f"objective.{name}", f"its loss is {found}", "a scalar tensor, the mean over images")


def _check_alone(name: str, objective: Objective, dataset: Dataset, processes: int) -> None:
    """Refuse several processes for a loss that is not the mean of what each of them has."""
    why = ""
    if objective.compares_images:
        why = "it looks at all images of a batch together, which processes do not exchange"
    elif "labels" in objective.needs and (dataset.train.labels < 0).any():
        why = "it is a mean over labelled images, and processes have different numbers of them"
    if why:
        raise ConfigError("training.devices", f"{processes} processes with objective.{name}", "1", why)


def _check_images(name: str, objective: Objective, dataset: Dataset, augment: Augment) -> None:
    """Refuse an objective that needs labels where none are, or views that would all be the same."""
    if "labels" in objective.needs and not (dataset.train.labels >= 0).any():
        raise ConfigError(f"objective.{name}", "no training image has a label", "labels, which it learns from")
    if objective.views > 1 and augment == Augment():
        raise ConfigError(
            "augmentation", f"nothing changes an image, of which objective.{name} compares {objective.views} views",
            "views that differ", "set augmentation.orientation: o2, and what else should make no difference",
        )  # fmt: skip


def _step_of_blanks(job: Job, objective: Objective) -> Tensor:
    """The loss of two blank images, given no more than the objective says it needs."""
    count = 2 * objective.views
    model, images = copy.deepcopy(job.model), torch.zeros(count, *job.model.image_shape)
    given = model(images) if "decoder" in objective.needs else model.encode(images)
    labels = torch.zeros(2, dtype=torch.int64)
    step = Step.of(given, images, labels, objective.needs, model=model, head=job.head, views=objective.views)
    loss: Tensor = copy.deepcopy(objective)(step)
    return loss
