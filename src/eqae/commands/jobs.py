"""From a config to built models: the translation that modules know nothing of."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from pydantic import JsonValue

from eqae.checkpoint import ModelSpec
from eqae.config import Baseline, Config, HeadChoice, Ramp, Training, WeightedObjective
from eqae.data.base import Dataset
from eqae.errors import ConfigError, Problem
from eqae.evaluation.extraction import FeatureModel
from eqae.groups import D4
from eqae.heads import Head, build_head
from eqae.models import Autoencoder, build_model
from eqae.models.orbit_mean import OrbitMean
from eqae.nn.basis import blank_bases
from eqae.nn.filters import adopt_bases
from eqae.objectives import Subject, build_objective
from eqae.objectives.base import GIVEN
from eqae.processes import launched_here, machines
from eqae.registry import OBJECTIVES
from eqae.runs import RunDirectory
from eqae.training.augment import Augment
from eqae.training.fit import Recipe, seed_everything
from eqae.training.module import Optimization, Weighted
from eqae.training.weight import Weight

OF_A_MODEL = ("model", "head", "objective", "augmentation")
"""Sections of a config that a baseline may have of its own."""


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
        where: what its sections of the config are called by: ``baselines.cnn.`` or nothing.
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
    where: str = ""

    @property
    def sees_labels(self) -> bool:
        """Whether an objective of its training asks for labels."""
        return any("labels" in weighted.objective.needs for weighted in self.objectives.values())


def main_job(config: Config, dataset: Dataset, run: RunDirectory) -> Job:
    """The model the config is about."""
    return _job(config, dataset, run)


def baseline_jobs(config: Config, dataset: Dataset, run: RunDirectory) -> list[Job]:
    """The models trained beside it, in the config's order; an orbit mean shares its base's model object."""
    jobs: dict[str, Job] = {}
    for label, baseline in config.baselines.items():
        directory = run.baseline(label)
        if baseline.orbit_of is not None:
            jobs[label] = _orbit_job(label, baseline, jobs[baseline.orbit_of], directory)
        else:
            where = f"baselines.{label}."
            with told_of(where):
                jobs[label] = replace(_job(_alone(config, label, baseline), dataset, directory), where=where)
    return list(jobs.values())


def fresh_model(spec: ModelSpec) -> Autoencoder:
    """``spec``'s model at the initial weights its run began with."""
    seed_everything(spec.seed, "weights")
    return build_model(spec.model, spec.image_shape, spec.model_options)


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
    """The training section as plain arguments, its precision being settled."""
    assert training.precision != "auto"
    return Recipe(
        epochs=training.epochs,
        batch_size=training.batch_size,
        optimization=Optimization(training.learning_rate, training.weight_decay, training.schedule),
        gradient_clip=training.gradient_clip,
        validation=training.validation,
        precision=training.precision,
        accelerator=training.accelerator,
        devices=processes_here(training),
        machines=machines(),
        workers=training.workers,
        compile=training.compile,
        seed=seed,
    )


def processes_here(training: Training) -> int:
    """How many share a training on this machine."""
    return training.devices if training.devices != "auto" else launched_here() or 1


def _weight(given: float | Ramp) -> Weight:
    return Weight(given.start, given.end, given.until) if isinstance(given, Ramp) else Weight(given, given)


def _chosen(config: Config) -> Iterator[tuple[str, WeightedObjective]]:
    for name, given in config.objective.items():
        yield name, given if isinstance(given, WeightedObjective) else WeightedObjective(weight=given)


def _check_options(config: Config) -> None:
    """Of objectives that train nothing, because no gradient trains the model."""
    for name, chosen in _chosen(config):
        OBJECTIVES.check(name, chosen.options, f"objective.{name}", set(GIVEN))


def _objectives(config: Config, subject: Subject) -> dict[str, Weighted]:
    """What the config asks to minimise, at its initial weights."""
    seed_everything(config.seed, "objectives")
    built = {}
    for name, chosen in _chosen(config):
        objective = build_objective(name, subject, chosen.options, f"objective.{name}")
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
            "objective": config.objective if baseline.objective is None else baseline.objective,
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


@contextmanager
def told_of(where: str) -> Iterator[None]:
    """Errors in the sections that every model has one of name them as the config does."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError.of(
            _of(where, problem) if problem.where.split(".")[0] in OF_A_MODEL else problem for problem in error.problems
        ) from None


def _of(where: str, problem: Problem) -> Problem:
    beneath = f" (beneath {where.rstrip('.')})" if where and problem.fix else ""
    return replace(problem, where=where + problem.where, fix=problem.fix + beneath)


def _job(config: Config, dataset: Dataset, directory: RunDirectory) -> Job:
    if not config.objective:
        raise ConfigError("objective", "empty", "at least one objective", "objective: {reconstruction: 1.0}")
    spec = ModelSpec(
        model=config.model.name,
        model_options=config.model.options,
        head=config.head.name,
        head_options=config.head.options,
        image_shape=dataset.train.shape,
        dataset=dataset.name,
        seed=config.seed,
    )
    model = fresh_model(spec)
    untrained = copy.deepcopy(model) if model.trained_by == "gradient" else None
    head = build_head(spec.head, model, spec.head_options)
    objectives = _objectives(config, Subject.of(model, head, len(dataset.class_names))) if untrained else {}
    if not untrained:
        _check_options(config)
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
