"""A bar on a terminal, a line an epoch elsewhere."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar


class Progress:
    """Progress of one training run, used as a context manager around it.

    On a terminal a bar moves with each step; in a log file about ten lines are written in all.
    """

    def __init__(self, label: str, console: Console) -> None:
        self.label = label
        self.console = console
        self.bar = Bar(
            TextColumn("  [bold]{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("[dim]{task.fields[note]}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self.task = self.bar.add_task(label, total=None, note="")
        self.began = time.monotonic()

    def __enter__(self) -> Progress:
        self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.stop()

    def start(self, total: int, done: int = 0) -> None:
        """Set the number of steps, and how many an interrupted run has done already."""
        self.bar.update(self.task, total=total, completed=done)

    def advance(self) -> None:
        """One step further."""
        self.bar.advance(self.task)

    def epoch(self, epoch: int, epochs: int, metrics: Mapping[str, float]) -> None:
        """Show the figures of a finished epoch."""
        note = f"loss {metrics.get('train/loss', float('nan')):.4f}"
        if "equivariance_error" in metrics:
            note += f" · equivariance error {metrics['equivariance_error']:.1e}"
        self.bar.update(self.task, note=note)
        if not self.console.is_terminal and (epoch == epochs or epoch % max(1, epochs // 10) == 0):
            seconds = time.monotonic() - self.began
            self.console.print(f"  {self.label}: epoch {epoch}/{epochs} · {note} · {seconds:.0f} s", highlight=False)
