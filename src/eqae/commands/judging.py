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

from eqae.config import Config
from eqae.data.base import Dataset
from eqae.evaluation.evidence import Evidence
from eqae.evaluation.extraction import FeatureModel, extract_evidences
from eqae.evaluation.loop import judge
from eqae.evaluation.report import Poses, eight_poses, print_table, write_report
from eqae.evaluation.results import Results
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
    """Judge every contender; write ``results.json``, ``results.csv`` and ``report.html``; print the table."""
    device = pick_device(config.training.accelerator)
    with _display(console) as display:
        task = display.add_task("judging", total=None, note="")
        evidences = _extract_all(contenders, dataset, config, device, display, task)
        results = judge(evidences, config.evaluators, lambda what: display.update(task, note=f"{what} …"), project=True)
    out.path.mkdir(parents=True, exist_ok=True)
    results.to_json(out.results)
    results.to_csv(out.table)
    poses = [_poses(contender, dataset) for contender in contenders if contender.model.has_decoder]
    models = {subject.label: describe(subject) for contender in contenders for subject in contender.subjects}
    write_report(out.report, results, poses, title, {**dataset_facts(dataset), **facts, **environment_facts()}, models)
    print_table(results, console)
    console.print(f"\nreport   {out.report}", highlight=False, soft_wrap=True)
    return results


def pick_device(accelerator: str) -> torch.device:
    """The GPU when there is one and the config does not ask for the CPU; figures are in full float32 on either."""
    if accelerator == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    torch.backends.cudnn.allow_tf32 = False  # on by default for convolutions: errors of 1e-3 instead of 1e-7
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
    contenders: Sequence[Contender],
    dataset: Dataset,
    config: Config,
    device: torch.device,
    display: Progress,
    task: TaskID,
) -> Iterator[Evidence]:
    """Evidence of one contender after the other, so that only one's features are in memory."""
    for number, contender in enumerate(contenders, 1):
        label = contender.subjects[0].label
        if not display.console.is_terminal:
            display.console.print(f"  judging {label} ({number}/{len(contenders)})", highlight=False)
        display.update(task, note=f"{label}: extracting features")
        yield from extract_evidences(
            contender.subjects,
            dataset,
            orbit_images=config.evaluation.orbit_images,
            batch_size=config.evaluation.batch_size,
            device=device,
            progress=lambda done, total: display.update(task, completed=done, total=total),
        )
        for subject in contender.subjects:
            subject.model.cpu()
            subject.head.cpu()


def _poses(contender: Contender, dataset: Dataset) -> Poses:
    return eight_poses(contender.model, dataset.test.batch([0])[0], contender.subjects[0].label)
