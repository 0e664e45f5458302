"""One model's W&B run: curves against the epoch, pictures, its results, and its checkpoint as an artifact."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import Tensor
from torchvision.utils import make_grid

from eqae.groups import D4
from eqae.manifest import MANIFEST
from eqae.models.base import Autoencoder
from eqae.verification import read_manifest

LONGEST_START = 20.0
"""Seconds for the service to answer before a run is recorded offline."""
LONGEST_END = 60.0
"""Seconds for what is left to be uploaded; the rest stays on disk, where ``wandb sync`` finds it."""
FLUSH_INTERVAL = 1.0
"""Seconds that a record may wait in memory; a process that is killed loses no more than that."""
LONGEST_NAME = 128
"""Characters of an artifact's name that W&B takes."""
BESIDE = ("README.md", "results.json")
"""Files that are kept with a checkpoint where it has them, besides those that its manifest names."""


class Line:
    """The connection to W&B that all runs of a training share: it breaks once, and is spoken of once."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.broken = False

    def attempt(self, action: Callable[[], None]) -> None:
        """Do ``action``, whatever it throws."""
        try:
            action()
        except Exception as error:  # whatever a remote service throws, training goes on
            if not self.broken:
                line = f"  W&B stopped taking records ({first_line(error)}); training goes on without it"
                self.console.print(line, markup=False)
            self.broken = True


class WandbRun:
    """One W&B run. After the first failure, which is printed, nothing is tried any more; none reaches training."""

    def __init__(self, run: Any, label: str, line: Line) -> None:
        self.run = run
        self.label = label
        self.line = line
        self._pictures: dict[str, Any] = {}

    def log(self, metrics: Mapping[str, float]) -> None:
        """One row of history, at the step ``metrics["epoch"]``; written at once, not when the next one comes."""
        row = {**metrics, **self._pictures}
        self._pictures = {}
        self._record(lambda: self.run.log(row, step=int(metrics["epoch"]), commit=True))

    def log_poses(self, model: Autoencoder, images: Tensor) -> None:
        """Keep a picture for the next row: inputs in eight poses above their reconstructions."""
        if model.has_decoder:
            self._record(lambda: self._keep_poses(model, images))

    def log_results(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """A table of this model's rows, and a summary figure a row, called the same in the run of every model."""
        own = [row for row in rows if re.split("[: ]", row["model"], maxsplit=1)[0] == self.label]
        if own:
            self._record(lambda: self._log_figures(own))
            self._record(lambda: self._log_table(own))

    def log_checkpoint(self, directory: Path) -> None:
        """An artifact that, downloaded, :func:`eqae.load_extractor` opens; the manifest's facts are its metadata."""
        self._record(lambda: self._log_checkpoint(directory))

    def finish(self, exit_code: int) -> None:
        """Flush what is left, also after a failure."""
        self.line.attempt(lambda: self.run.finish(exit_code=exit_code))

    def _record(self, action: Callable[[], None]) -> None:
        if not self.line.broken:
            self.line.attempt(action)

    def _keep_poses(self, model: Autoencoder, images: Tensor) -> None:
        import wandb

        pixels = poses_grid(model, images).mul(255).round().byte().permute(1, 2, 0).cpu().numpy()
        self._pictures["reconstructions"] = wandb.Image(pixels, caption="poses above, reconstructions below")

    def _log_figures(self, rows: Sequence[Mapping[str, Any]]) -> None:
        trained = [row for row in rows if not row["model"].endswith(")")]
        self.run.summary.update({_figure(row, self.label): row["value"] for row in trained})

    def _log_table(self, rows: Sequence[Mapping[str, Any]]) -> None:
        import wandb

        columns: list[str | int] = list(rows[0])
        self.run.summary["results"] = wandb.Table(columns=columns, data=[list(row.values()) for row in rows])

    def _log_checkpoint(self, directory: Path) -> None:
        import wandb

        manifest = read_manifest(directory)
        facts = manifest.model_dump(mode="json", include={"spec", "group", "parameters", "files", "versions"})
        artifact = wandb.Artifact(artifact_name(self.run.group, self.label), type="model", metadata=facts)
        for name in (*manifest.files, MANIFEST, *BESIDE):
            path = directory.resolve() / name  # also right for a later `wandb sync` from another folder
            if path.is_file():
                artifact.add_file(str(path), policy="immutable", skip_cache=True)  # no copies of what stays
        self.run.log_artifact(artifact)


def open_run(**arguments: Any) -> Any:
    """Begin a W&B run, beside others that are open; arguments as for ``wandb.init``.

    Raises:
        Exception: whatever W&B throws where it has no network, key or disk.
    """
    import wandb

    settings = wandb.Settings(
        silent=True,
        console="off",
        init_timeout=LONGEST_START,
        finish_timeout=LONGEST_END,
        finish_timeout_raises=True,
        x_transaction_log_flush_interval=FLUSH_INTERVAL,
    )
    try:
        run = wandb.init(**arguments, reinit="create_new", settings=settings)
    except Exception:
        if wandb.setup().most_recent_active_run is None:
            wandb.teardown()  # the service holds on to the id of a run that it could not begin
        raise
    run.define_metric("epoch")
    run.define_metric("*", step_metric="epoch")  # the horizontal axis, unless a chart is told otherwise
    return run


def artifact_name(group: str, label: str) -> str:
    """What the checkpoint of a model is called in its project: the run, and the baseline if it is one."""
    name = label if label == group else f"{group}-{label}"
    return re.sub("[^A-Za-z0-9_.-]", "_", name)[:LONGEST_NAME]


def first_line(error: Exception) -> str:
    """The first line of its message, or what kind of error it is."""
    return next(iter(str(error).splitlines()), "") or type(error).__name__


def poses_grid(model: Autoencoder, images: Tensor) -> Tensor:
    """Each image in the eight poses of D4 above its reconstructions: one picture ``(C, H', W')`` in [0, 1]."""
    training = model.training
    model.eval()
    rows = []
    with torch.no_grad():
        for image in images:
            poses = torch.stack([D4.act(g, image) for g in range(D4.order)])
            rows += [poses, model(poses).images.float().clamp(0, 1)]
    model.train(training)
    return make_grid(torch.cat(rows), nrow=D4.order, padding=1, pad_value=0.5)


def _figure(row: Mapping[str, Any], label: str) -> str:
    """``evaluator/metric/condition``; of a further head, behind the head's name."""
    head = row["model"].removeprefix(label).removeprefix(":")
    return "/".join(part for part in (head, row["evaluator"], row["metric"], row["condition"]) if part)
