"""W&B, kept at arm's length: it may be absent, offline or broken, and training goes on."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from netrc import NetrcParseError, netrc
from pathlib import Path
from typing import Any, Literal, Protocol

import torch
from rich.console import Console
from torch import Tensor
from torchvision.utils import make_grid

from eqae.groups import D4
from eqae.models.base import Autoencoder

Mode = Literal["auto", "online", "offline", "disabled"]
LONGEST_WAIT = 20.0
"""Seconds for the service to answer before a run is recorded offline."""


class Tracker(Protocol):
    """Where curves, pictures and tables of one run go besides its own directory."""

    def log(self, metrics: Mapping[str, float]) -> None:
        """Figures of one epoch."""

    def log_poses(self, model: Autoencoder, images: Tensor) -> None:
        """Reconstructions of a few images ``(B, C, H, W)`` in eight poses."""

    def log_results(self, rows: list[dict[str, Any]]) -> None:
        """The rows of results.json."""

    def finish(self) -> None:
        """Nothing more will come."""


class NoTracker:
    """Keeps nothing; metrics.csv has the curves anyway."""

    def log(self, metrics: Mapping[str, float]) -> None:
        """Keep nothing."""

    def log_poses(self, model: Autoencoder, images: Tensor) -> None:
        """Keep nothing."""

    def log_results(self, rows: list[dict[str, Any]]) -> None:
        """Keep nothing."""

    def finish(self) -> None:
        """Nothing to close."""


class WandbTracker:
    """One W&B run. The first failure is printed; later ones are silent, and none reaches training."""

    def __init__(self, run: Any, console: Console) -> None:
        self.run = run
        self.console = console
        self.failed = False

    def log(self, metrics: Mapping[str, float]) -> None:
        """Figures of one epoch, at its step."""
        self._safely(lambda: self.run.log(dict(metrics)))

    def log_poses(self, model: Autoencoder, images: Tensor) -> None:
        """A picture: inputs in eight poses above their reconstructions."""
        if model.has_decoder:
            self._safely(lambda: self._log_poses(model, images))

    def log_results(self, rows: list[dict[str, Any]]) -> None:
        """One table and one summary figure a row."""
        self._safely(lambda: self._log_results(rows))

    def finish(self) -> None:
        """Flush what is left."""
        self._safely(lambda: self.run.finish())

    def _log_poses(self, model: Autoencoder, images: Tensor) -> None:
        import wandb

        grid = poses_grid(model, images)
        picture = wandb.Image(grid.permute(1, 2, 0).cpu().numpy(), caption="poses above, reconstructions below")
        self.run.log({"reconstructions": picture}, commit=False)

    def _log_results(self, rows: list[dict[str, Any]]) -> None:
        import wandb

        if not rows:
            return
        columns: list[str | int] = list(rows[0])
        table = wandb.Table(columns=columns, data=[list(row.values()) for row in rows])
        self.run.log({"results": table})
        for row in rows:
            key = "/".join(part for part in (row["model"], row["metric"], row["condition"]) if part)
            self.run.summary[key] = row["value"]

    def _safely(self, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception as error:  # whatever a remote service throws, training goes on
            if not self.failed:
                self.console.print(f"  W&B stopped taking records ({error}); training goes on without it")
            self.failed = True


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


def start_tracking(
    mode: Mode, project: str, name: str, directory: Path, config: Mapping[str, Any], console: Console
) -> Tracker:
    """Open a W&B run, or say in one line why there is none; never a prompt, never a crash."""
    resolved = _resolve(mode)
    if resolved == "disabled":
        return NoTracker()
    attempts: tuple[Literal["online", "offline"], ...] = (
        ("offline",) if resolved == "offline" else ("online", "offline")
    )
    for attempt in attempts:
        try:
            return WandbTracker(_open_run(attempt, project, name, directory, config), console)
        except Exception as error:  # no service, no disk, a key that is refused: all the same to training
            rest = "recording offline" if attempt == "online" else "the curves are in metrics.csv"
            console.print(f"  W&B cannot record {attempt} ({error}); {rest}")
    return NoTracker()


def _open_run(
    mode: Literal["online", "offline"], project: str, name: str, directory: Path, config: Mapping[str, Any]
) -> Any:
    import wandb

    settings = wandb.Settings(silent=True, console="off", init_timeout=LONGEST_WAIT)
    return wandb.init(project=project, name=name, dir=str(directory), mode=mode, config=dict(config), settings=settings)


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
    if os.environ.get("WANDB_API_KEY"):
        return True
    try:
        return netrc().authenticators("api.wandb.ai") is not None
    except (OSError, NetrcParseError):
        return False
