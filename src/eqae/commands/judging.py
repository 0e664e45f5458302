"""The end of both commands: one extraction and evaluation loop, then table, files and page."""

from __future__ import annotations

import platform
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from eqae.blocks import BLOCK
from eqae.config import Config
from eqae.data.base import Dataset
from eqae.errors import ConfigError
from eqae.evaluation.cache import make_room
from eqae.evaluation.evidence import Evidence
from eqae.evaluation.extraction import FeatureModel, extract_evidences
from eqae.evaluation.feature_table import FeatureTable
from eqae.evaluation.loop import judge, needs_of_all
from eqae.evaluation.report import Poses, eight_poses, print_table, write_report
from eqae.evaluation.results import Results
from eqae.evaluation.views import Extraction
from eqae.files import user_cache
from eqae.models import Autoencoder
from eqae.runs import RunDirectory


@dataclass(frozen=True)
class Contender:
    """One model with all the heads it is judged by; heads share a single pass of the encoder."""

    subjects: tuple[FeatureModel, ...]

    @property
    def model(self) -> Autoencoder:
        """The network behind all subjects."""
        return self.subjects[0].model


def judge_and_report(
    contenders: Sequence[Contender],
    dataset: Dataset,
    config: Config,
    out: RunDirectory,
    console: Console,
    title: str,
    facts: Mapping[str, str],
) -> Results:
    """Judge every contender; write ``results.json``, ``results.csv`` and ``report.html``; print the table.

    Where images have file names, ``features.csv`` has the features of the first model.
    """
    _make(out)
    features = FeatureTable(dataset, contenders[0].subjects[0])
    with _display(console) as display:
        task = display.add_task("judging", total=None, note="")
        evidences = features.watch(_extract_all(contenders, dataset, config, display, task))

        def announce(what: str) -> None:
            display.update(task, note=f"{what} …")
            if not console.is_terminal:
                console.print(f"    {what}", highlight=False)

        results = judge(evidences, config.evaluators, announce, project=True, keep=lambda done: _save(done, out))
    _save(results, out)
    poses = [_poses(contender, dataset) for contender in contenders if contender.model.has_decoder]
    models = {subject.label: describe(subject) for contender in contenders for subject in contender.subjects}
    facts = {**dataset_facts(dataset), **facts, **environment_facts()}
    write_report(out.report, results, poses, title, facts, models, dataset)
    print_table(results, console)
    console.print(f"\nreport   {out.report}", highlight=False, soft_wrap=True)
    if features.is_wanted:
        features.write(out.features, results.drawings.get((features.model.label, "clusters")))
        console.print(f"features {out.features}: {features.summary}", highlight=False, soft_wrap=True)
    return results


def exit_on_failures(results: Results, console: Console) -> None:
    """End the command where an evaluator failed with an error of its own; everything else is written by then.

    Raises:
        SystemExit: with exit code 1.
    """
    if results.failures:
        console.print(f"failed   {', '.join(results.failures)}; the traceback stands above", highlight=False)
        raise SystemExit(1)


def pick_device(accelerator: str) -> torch.device:
    """The GPU when there is one and the config does not ask for the CPU."""
    if accelerator == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda")


def describe(subject: FeatureModel) -> str:
    """One line on a model: group, features, parameters."""
    model = subject.model
    parameters = sum(parameter.numel() for parameter in model.parameters())
    counted = f"{parameters:,} parameters" if parameters else "no trained parameters"
    return f"{model.group.name}, V of {model.group.order} x {model.channels}, {subject.head.width} features, {counted}"


def dataset_facts(dataset: Dataset) -> dict[str, str]:
    """What the images are."""
    channels, height, width = dataset.train.shape
    return {
        "dataset": dataset.name,
        "images": f"{len(dataset.train):,} training, {len(dataset.test):,} test; {height}x{width}x{channels}",
        "classes": f"{len(dataset.class_names)}" if dataset.class_names else "unlabelled",
    }


def environment_facts() -> dict[str, str]:
    """What produced the figures."""
    names = ("eqae", "torch", "pytorch-lightning", "scikit-learn", "numpy")
    return {
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "versions": ", ".join(f"{name} {version(name)}" for name in names),
        "machine": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}, "
        f"{torch.get_num_threads()} threads",
    }


def _display(console: Console) -> Progress:
    return Progress(
        TextColumn("  [bold]{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("[dim]{task.fields[note]}"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


def _extract_all(
    contenders: Sequence[Contender], dataset: Dataset, config: Config, display: Progress, task: TaskID
) -> Iterator[Evidence]:
    """Evidence of one contender after the other, so that only one's features are in memory."""
    asked = config.evaluation
    device = pick_device(config.training.accelerator)
    cache = _cache(asked.cache)
    extraction = Extraction(
        needs=needs_of_all(config.evaluators),
        orbit_images=asked.orbit_images,
        map_images=asked.map_images,
        conditions=None if dataset.test.shape[1] != dataset.test.shape[2] else asked.conditions,
        device=device,
        block=BLOCK if device.type == "cpu" else asked.batch_size,
        processes=asked.processes,
        cache=cache,
        progress=lambda done, total: display.update(task, completed=done, total=total),
    )
    for number, contender in enumerate(contenders, 1):
        label = contender.subjects[0].label
        if not display.console.is_terminal:
            display.console.print(f"  judging {label} ({number}/{len(contenders)})", highlight=False)
        display.update(task, note=f"{label}: extracting features")
        try:
            yield from extract_evidences(contender.subjects, dataset, extraction)
        finally:
            if cache is not None:
                make_room(cache)


def _cache(chosen: str | None) -> Path | None:
    """The folder that keeps embeddings, as the config says."""
    if chosen is None:
        return None
    return user_cache() if chosen == "auto" else Path(chosen).expanduser()


def _make(out: RunDirectory) -> None:
    try:
        out.path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror or "it cannot be made"
        raise ConfigError(str(out.path), reason, "a folder that can be written", "choose another with --out") from None


def _save(results: Results, out: RunDirectory) -> None:
    results.to_json(out.results)
    results.to_csv(out.table)


def _poses(contender: Contender, dataset: Dataset) -> Poses:
    return eight_poses(contender.model, dataset.test.batch([0])[0], contender.subjects[0].label)
