"""W&B, kept at arm's length: it may be absent, offline or broken, and training goes on."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Container, Mapping, Sequence
from contextlib import ExitStack
from netrc import NetrcParseError, netrc
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Protocol
from urllib.parse import urlsplit

from rich.console import Console
from torch import Tensor

from eqae.files import write_atomically
from eqae.models.base import Autoencoder
from eqae.training.wandb_run import Line, WandbRun, first_line, open_run

Mode = Literal["auto", "online", "offline", "disabled"]
FOLDER = "wandb"
"""In the run directory: records, what waits to be uploaded, and the ids. A run that is not tracked has none."""
IDS = "ids.json"
PUBLIC_SERVER = "https://api.wandb.ai"
STAGING = "WANDB_DATA_DIR"
"""Where W&B copies what it will upload; in the home directory unless this variable says otherwise."""


class Tracker(Protocol):
    """Where curves, pictures, tables and weights of one model go besides its own directory."""

    def log(self, metrics: Mapping[str, float]) -> None:
        """Figures of one epoch, its number among them as ``epoch``."""

    def log_poses(self, model: Autoencoder, images: Tensor) -> None:
        """Reconstructions of a few images ``(B, C, H, W)`` in eight poses; they belong to the next figures."""

    def log_results(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """The rows of results.json; those of other models are left to their own trackers."""

    def log_checkpoint(self, directory: Path) -> None:
        """The finished checkpoint in ``directory``."""


class NoTracker:
    """Keeps nothing; metrics.csv has the curves anyway."""

    def log(self, metrics: Mapping[str, float]) -> None:
        """Keep nothing."""

    def log_poses(self, model: Autoencoder, images: Tensor) -> None:
        """Keep nothing."""

    def log_results(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Keep nothing."""

    def log_checkpoint(self, directory: Path) -> None:
        """Keep nothing."""


class Tracking:
    """The W&B runs of one training: one for the model and one for each baseline, together in one group.

    Their ids are in ``wandb/ids.json`` before anything is trained, so that a training that is resumed goes on in the
    same runs. To be used in a ``with`` statement, which ends the runs; W&B calls them failed where it was left by an
    exception.

    Args:
        mode: where records go; ``auto`` is online where there is a key, else offline.
        project: W&B project.
        directory: run directory; it exists.
        labels: of all models, that of the main one first, which is also the name of the group.
        console: for the one line that is printed when W&B cannot record.
    """

    def __init__(self, mode: Mode, project: str, directory: Path, labels: Sequence[str], console: Console) -> None:
        self.mode = _resolve(mode)
        self.project = project
        self.directory = directory
        self.labels = labels
        self.console = console
        self.line = Line(console)
        self._ids: dict[str, str] = {}
        self._known: Container[str] = ()
        self._runs: list[WandbRun] = []
        self._environment = ExitStack()

    def __enter__(self) -> Tracking:
        if self.mode != "disabled":
            try:
                self._ids, self._known = _run_ids(self.directory / FOLDER / IDS, self.labels)
            except OSError as error:
                self._give_up(error)
        if self.mode != "disabled" and STAGING not in os.environ:
            os.environ[STAGING] = str((self.directory / FOLDER).resolve())  # so that a record is whole by itself
            self._environment.callback(os.environ.pop, STAGING, None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._environment:
            for run in self._runs:
                run.finish(exit_code=0 if kind is None else 1)

    def open(self, label: str, config: Mapping[str, Any]) -> Tracker:
        """Begin or continue the W&B run of a model; where that fails, one line is printed and nothing kept.

        Args:
            label: one of those the tracking was made for.
            config: settings that the dashboard can sort and filter by.
        """
        if self.mode == "disabled" or (label != self.labels[0] and "WANDB_SWEEP_ID" in os.environ):
            return NoTracker()  # W&B takes every run that an agent starts for the run that the sweep asked for
        try:
            run = self._open(label, config)
        except Exception as error:  # no service, no disk, a key that is refused: all the same to training
            if self.mode == "online":
                self.console.print(f"  W&B cannot record online ({first_line(error)}); recording offline", markup=False)
                self.mode = "offline"
                return self.open(label, config)
            self._give_up(error)
            return NoTracker()
        self._runs.append(run)
        return run

    def _open(self, label: str, config: Mapping[str, Any]) -> WandbRun:
        assert self.mode != "disabled"
        run = open_run(
            mode=self.mode,
            project=self.project,
            group=self.labels[0],
            job_type="model" if label == self.labels[0] else "baseline",
            name=label,
            id=self._ids[label],
            resume="allow" if label in self._known else None,
            dir=str(self.directory),
            config=dict(config),
        )
        return WandbRun(run, label, self.line)

    def _give_up(self, error: Exception) -> None:
        line = f"  W&B cannot record {self.mode} ({first_line(error)}); the curves are in metrics.csv"
        self.console.print(line, markup=False)
        self.mode = "disabled"


def _run_ids(path: Path, labels: Sequence[str]) -> tuple[dict[str, str], Container[str]]:
    """One id a label, and the labels whose ids were in ``path`` already; those that were not are added to it.

    An agent of a sweep has an id ready for the model, in ``WANDB_RUN_ID``.

    Raises:
        OSError: the file cannot be written.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        known = {label: id for label, id in found.items() if isinstance(id, str)}
    except (OSError, ValueError, AttributeError):
        known = {}
    fresh = {label: secrets.token_hex(8) for label in labels}
    if os.environ.get("WANDB_RUN_ID"):
        fresh[labels[0]] = os.environ["WANDB_RUN_ID"]
    ids = fresh | known
    path.parent.mkdir(exist_ok=True)
    write_atomically(path, json.dumps(ids, indent=1) + "\n")
    return ids, known.keys()


def _resolve(mode: Mode) -> Literal["online", "offline", "disabled"]:
    environment = os.environ.get("WANDB_MODE", "")
    if mode == "auto":
        if environment in ("online", "offline", "disabled"):
            return environment  # type: ignore[return-value]
        return "online" if _has_key() else "offline"
    if mode == "online" and not _has_key():
        return "offline"
    return mode


def _has_key() -> bool:
    """Whether W&B would find a key for its server without asking anyone."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    server = urlsplit(os.environ.get("WANDB_BASE_URL") or PUBLIC_SERVER).hostname or ""
    try:
        return netrc(os.environ.get("NETRC")).authenticators(server) is not None
    except (OSError, NetrcParseError):
        return False
