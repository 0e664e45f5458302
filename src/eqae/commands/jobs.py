"""From a config to built models: the translation that modules know nothing of."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from pydantic import JsonValue

from eqae.checkpoint import ModelSpec
from eqae.config import Baseline, Config, HeadChoice, Ramp, Training, WeightedObjective
from eqae.data.base import Dataset
from eqae.errors import ConfigError
from eqae.evaluation.extraction import FeatureModel
from eqae.groups import D4
from eqae.heads import Head, build_head
from eqae.models import Autoencoder, build_model
from eqae.models.orbit_mean import OrbitMean
from eqae.nn.basis import blank_bases
from eqae.nn.filters import adopt_bases
from eqae.objectives import Objective, Step, Subject, build_objective, check_objectives
from eqae.processes import launched_here, machines
from eqae.registry import EVALUATORS, OBJECTIVES
from eqae.runs import RunDirectory
from eqae.training.augment import Augment
from eqae.training.fit import Recipe, seed_everything
from eqae.training.module import Optimization, Weighted
from eqae.training.weight import Weight


@dataclass(frozen=True)
class Job:
    """One model of a run: built, perhaps to be trained, saved, judged.

    Attributes:
        label: its name in tables.
        model: at its initial weights until trained.
        untrained: a copy at the initial weights; None for models no gradient trains.
        head: gives the features of its checkpoint.
        spec: rebuilds model and head.
        untrained_head: the head of ``untrained``; None where there is none.
        objectives: what training minimises, and how much each counts, by name.
        augment: of its training images.
        directory: where its checkpoint goes.
        orbit_of: label of the job whose trained model this one wraps; None for all others.
        config: resolved config that retrains this model alone; None where none could.
    """

    label: str
    model: Autoencoder
    untrained: Autoencoder | None
    head: Head
    untrained_head: Head | None
    objectives: dict[str, Weighted]
    spec: ModelSpec
    augment: Augment
    directory: RunDirectory
    orbit_of: str | None = None
    config: Config | None = None


def main_job(config: Config, dataset: Dataset, run: RunDirectory) -> Job:
    """The model the config is about."""
    return _job(config, "", dataset, run)


def baseline_jobs(config: Config, dataset: Dataset, run: RunDirectory) -> list[Job]:
    """The models trained beside it, in the config's order; an orbit mean shares its base's model object."""
    jobs: dict[str, Job] = {}
    for label, baseline in config.baselines.items():
        directory = run.baseline(label)
        if baseline.orbit_of is not None:
            jobs[label] = _orbit_job(label, baseline, jobs[baseline.orbit_of], directory)
        else:
            jobs[label] = _job(_alone(config, label, baseline), f"baselines.{label}.", dataset, directory)
    return list(jobs.values())


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
    objectives = {name: weighted.objective for name, weighted in job.objectives.items()}
    check_objectives(objectives, job.model, job.head)
    for name, objective in objectives.items():
        objective.check(training.batch_size, len(dataset.train) - round(training.validation * len(dataset.train)))
        if objective.compares_images and (processes := _processes_here(training) * machines()) > 1:
            raise ConfigError(
                "training.devices", f"{processes} processes with objective.{name}", "1",
                "it looks at all images of a batch together, which processes do not exchange",
            )  # fmt: skip
    _step_of_blanks(job, objectives, dataset)


def _step_of_blanks(job: Job, objectives: Mapping[str, Objective], dataset: Dataset) -> None:
    count = 2 * max(objective.views for objective in objectives.values())
    model, images = copy.deepcopy(job.model), torch.zeros(count, *job.model.image_shape)
    output = model(images) if model.has_decoder else None
    embedding = model.encode(images) if output is None else output.embedding
    step = Step(
        images, model.views(images), embedding,
        features=None if job.head.needs_fit else job.head(embedding), reconstruction=output,
        logits=model.logits(embedding) if model.classes else None,
        labels=torch.zeros(count, dtype=torch.int64), views=count // 2,
    )  # fmt: skip
    if any("labels" in objective.needs for objective in objectives.values()) and not (dataset.train.labels >= 0).any():
        raise ConfigError("objective", "no training image has a label", "labels, for a supervised objective")
    for objective in objectives.values():
        copy.deepcopy(objective)(step)


def fresh_model(spec: ModelSpec, where: str = "model") -> Autoencoder:
    """``spec``'s model at the initial weights its run began with."""
    seed_everything(spec.seed, "weights")
    return build_model(spec.model, spec.image_shape, spec.model_options, where)


def untrained_twin(model: Autoencoder, spec: ModelSpec) -> Autoencoder:
    """The network of a trained ``model`` at the weights its run began with, on the kernel bases it was trained with."""
    with blank_bases():
        untrained = fresh_model(spec).eval()
    adopt_bases(untrained, model)
    return untrained


def head_label(label: str, choice: HeadChoice) -> str:
    """What the model ``label`` is called in tables under a further head: ``eqae_p4m:gram,band=3,post=l2+pca``."""
    options = {
        key: "+".join(map(str, value)) if isinstance(value, list | tuple) else value
        for key, value in choice.options.items()
    }
    return f"{label}:{choice.name}" + "".join(f",{key}={value}" for key, value in options.items())


def extra_heads(config: Config, main: Job) -> dict[str, FeatureModel]:
    """The main model under each further head, by label."""
    subjects: dict[str, FeatureModel] = {}
    for i, choice in enumerate(config.heads):
        label = head_label(main.label, choice)
        head = build_head(choice.name, main.model, choice.options, f"heads[{i}]")
        untrained = None if main.untrained is None else build_head(choice.name, main.untrained, choice.options)
        subjects[label] = FeatureModel(label, main.model, head, main.untrained, untrained, config.seed)
    return subjects


def recipe(training: Training, seed: int) -> Recipe:
    """The training section as plain arguments."""
    return Recipe(
        epochs=training.epochs,
        batch_size=training.batch_size,
        optimization=Optimization(training.learning_rate, training.weight_decay, training.schedule),
        gradient_clip=training.gradient_clip,
        validation=training.validation,
        precision=training.precision,
        accelerator=training.accelerator,
        devices=_processes_here(training),
        machines=machines(),
        workers=training.workers,
        compile=training.compile,
        seed=seed,
    )


def _processes_here(training: Training) -> int:
    return training.devices if training.devices != "auto" else launched_here() or 1


def _weight(given: float | Ramp) -> Weight:
    return Weight(given.start, given.end, given.until) if isinstance(given, Ramp) else Weight(given, given)


def _objectives(config: Config, where: str, subject: Subject) -> dict[str, Weighted]:
    """What the config asks to minimise, at its initial weights."""
    seed_everything(config.seed, "objectives")
    built = {}
    for name, given in config.objective.items():
        chosen = given if isinstance(given, WeightedObjective) else WeightedObjective(weight=given)
        objective = build_objective(name, subject, chosen.options, f"{where}objective.{name}")
        built[OBJECTIVES.canonical(name)] = Weighted(objective, _weight(chosen.weight))
    return built


def _alone(config: Config, label: str, baseline: Baseline) -> Config:
    """The config that trains one baseline by itself."""
    return config.model_copy(
        update={
            "name": label,
            "model": baseline.model,
            "head": baseline.head,
            "heads": (),
            "augmentation": baseline.augmentation or config.augmentation,
            "objective": baseline.objective or config.objective,
            "baselines": {},
        }
    )


def _orbit_job(label: str, baseline: Baseline, base: Job, directory: RunDirectory) -> Job:
    options: dict[str, JsonValue] = {"base": {"name": base.spec.model, **base.spec.model_options}}
    model = OrbitMean(base.model, D4)  # trained once, looked at twice
    head = build_head(baseline.head.name, model, baseline.head.options, f"baselines.{label}.head")
    spec = replace(
        base.spec,
        model="orbit_mean",
        model_options=options,
        head=baseline.head.name,
        head_options=baseline.head.options,
    )
    return Job(label, model, None, head, None, {}, spec, base.augment, directory, orbit_of=baseline.orbit_of)


def _job(config: Config, where: str, dataset: Dataset, directory: RunDirectory) -> Job:
    if not config.objective:
        raise ConfigError(f"{where}objective", "empty", "at least one objective", "objective: {reconstruction: 1.0}")
    spec = ModelSpec(
        model=config.model.name,
        model_options=config.model.options,
        head=config.head.name,
        head_options=config.head.options,
        image_shape=dataset.train.shape,
        dataset=dataset.name,
        seed=config.seed,
    )
    model = fresh_model(spec, f"{where}model")
    untrained = copy.deepcopy(model) if model.trained_by == "gradient" else None
    head = build_head(spec.head, model, spec.head_options, f"{where}head")
    objectives = _objectives(config, where, Subject.of(model, head, len(dataset.class_names))) if untrained else {}
    return Job(
        label=config.name,
        model=model,
        untrained=untrained,
        head=head,
        untrained_head=None if untrained is None else build_head(spec.head, untrained, spec.head_options),
        objectives=objectives,
        spec=spec,
        augment=Augment(**config.augmentation.model_dump()),
        directory=directory,
        config=config,
    )
