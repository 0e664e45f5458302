"""What one run does, in order: build all, train all, save all, judge all."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console

from eqae.card import write_card
from eqae.checkpoint import load_checkpoint, save_checkpoint
from eqae.commands.checking import check_devices, check_evaluators, check_trainable
from eqae.commands.fitting import fit_subjects
from eqae.commands.images import read_images
from eqae.commands.jobs import Job, baseline_jobs, extra_heads, main_job, recipe
from eqae.commands.judging import Contender, environment_facts, exit_on_failures, judge_and_report, pick_device
from eqae.commands.resolving import check_same, config_text
from eqae.commands.training_precision import with_precision
from eqae.config import Config
from eqae.data.base import Dataset
from eqae.evaluation.extraction import FeatureModel
from eqae.files import remove_leftovers
from eqae.heads.fitting import fit_heads
from eqae.processes import is_leader
from eqae.runs import RunDirectory
from eqae.training.fit import fit
from eqae.training.tracking import NoTracker, Tracker, Tracking


def carry_out(config: Config, run: RunDirectory, *, resume: bool, console: Console) -> None:
    """Train, save and judge everything in ``config``; ``run`` is created once all of it is known to be buildable.

    Where several processes share the training, all but the first do only that.

    Raises:
        EqaeError: see :func:`eqae.commands.train.train`.
    """
    begun = run if resume or (run.config.is_file() and not is_leader()) else None  # as the leader has it
    config = with_precision(config, begun, console)
    check_evaluators(config)
    check_devices(config)
    dataset = read_images(config.data)
    main, baselines = main_job(config, dataset, run), baseline_jobs(config, dataset, run)
    heads = extra_heads(config, main)
    for job in (main, *baselines):
        check_trainable(job, config.training, dataset)
    if not is_leader():
        _train_along((main, *baselines), dataset, config, resume)
        return
    check_same(config, run) if resume else run.create(config_text(config))
    remove_leftovers(run.path)
    jobs = (main, *baselines)
    labels = [job.label for job in jobs]
    with Tracking(config.tracking.wandb, config.tracking.project, run.path, labels, console) as tracking:
        trackers: dict[str, Tracker] = {}
        seconds: dict[str, float] = {}
        for job in jobs:
            trackers[job.label] = tracking.open(job.label, _settings(job, config))
            seconds[job.label] = _train(job, dataset, config, trackers[job.label], resume, console)
        contenders = [_contender(main, heads, config.seed), *(_contender(job, {}, config.seed) for job in baselines)]
        facts = _facts(config, jobs, seconds)
        for contender in contenders:
            fit_subjects(contender.subjects, dataset, pick_device(config.training.accelerator))
        title = f"{config.name} on {dataset.name}"
        results = judge_and_report(contenders, dataset, config, run, console, title, facts)
        rows = [asdict(row) for row in results.rows]
        write_card(run.path, main.spec, rows, facts | environment_facts())
        for job in jobs:
            trackers[job.label].log_results(rows)
            trackers[job.label].log_checkpoint(job.directory.path)
        exit_on_failures(results, console)


def _train_along(jobs: Sequence[Job], dataset: Dataset, config: Config, resume: bool) -> None:
    """This process's share of every training that the leader does; nothing is written or printed."""
    silent = Console(quiet=True)
    for job in jobs:
        if _needs_fit(job) and not (resume and job.directory.manifest.is_file()):
            _fit(job, dataset, config, NoTracker(), resume, silent)


def _needs_fit(job: Job) -> bool:
    return job.orbit_of is None and job.model.trained_by == "gradient"


def _fit(job: Job, dataset: Dataset, config: Config, tracker: Tracker, resume: bool, console: Console) -> None:
    fit(
        job.model, job.head, dataset, job.objectives, job.augment, recipe(config.training, config.seed),
        directory=job.directory.path, label=job.label, tracker=tracker, console=console, resume=resume,
    )  # fmt: skip


def _train(job: Job, dataset: Dataset, config: Config, tracker: Tracker, resume: bool, console: Console) -> float:
    """Train and save one model, unless an interrupted run has done so; the seconds it took."""
    began = time.monotonic()
    directory = job.directory
    if resume and directory.manifest.is_file():
        trained = load_checkpoint(directory.path)
        job.model.load_state_dict(trained.model.state_dict())
        job.head.restore(trained.head.statistics())
        console.print(f"  {job.label}: trained already", highlight=False)
        return 0.0
    if job.config is not None and not (resume and directory.config.is_file()):
        directory.create(config_text(job.config))
    else:
        directory.path.mkdir(parents=True, exist_ok=True)
    if _needs_fit(job):
        _fit(job, dataset, config, tracker, resume, console)
    elif job.orbit_of is None:
        job.model.fit(dataset.train.batch(slice(None)))
    fit_heads([job.head], job.model, dataset.train, pick_device(config.training.accelerator))
    save_checkpoint(directory.path, job.model, job.spec, head=job.head)
    return time.monotonic() - began


def _settings(job: Job, config: Config) -> dict[str, Any]:
    """What a dashboard can sort and filter a model by: all that trains it, and what it was trained with."""
    settings = (job.config or config).model_dump(mode="json")
    if job.config is None:  # nothing trains an average over an orbit
        settings |= {"name": job.label, "model": {"name": job.spec.model, **job.spec.model_options}, "baselines": {}}
    return settings | {"environment": environment_facts()}


def _contender(job: Job, heads: dict[str, FeatureModel], seed: int) -> Contender:
    main = FeatureModel(job.label, job.model.eval(), job.head, job.untrained, job.untrained_head, seed)
    return Contender((main, *heads.values()))


def _facts(config: Config, jobs: Sequence[Job], seconds: dict[str, float]) -> dict[str, str]:
    training, augmentation = config.training, config.augmentation
    main, told = jobs[0], [job.label for job in jobs if job.sees_labels]
    seen = f"labels seen by {', '.join(told)}" if told else "no labels"
    trained: Sequence[str] = [f"{label} {value:.0f} s" for label, value in seconds.items() if value >= 0.5]
    return {
        "model": f"{config.model.name} {main.spec.model_options or ''}".rstrip(),
        "training": f"{training.epochs} epochs, batch {training.batch_size}, learning rate {training.learning_rate:g}, "
        f"{training.precision}, orientation {augmentation.orientation}, noise {augmentation.noise:g}; {seen}",
        "training time": ", ".join(trained) or "none",
        "seed": str(config.seed),
    }
