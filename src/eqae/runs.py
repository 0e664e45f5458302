"""Run directories: where a run's files lie, and the promise that none is silently overwritten."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from eqae.errors import ConfigError
from eqae.files import is_leftover, write_atomically


@dataclass(frozen=True)
class RunDirectory:
    """``checkpoints/<name>/`` and the files in it."""

    path: Path

    @property
    def config(self) -> Path:
        """The resolved config; training it again gives this run."""
        return self.path / "config.yaml"

    @property
    def manifest(self) -> Path:
        """Written last of a checkpoint: where it is, the weights are complete."""
        return self.path / "manifest.json"

    @property
    def results(self) -> Path:
        """Every score, as JSON."""
        return self.path / "results.json"

    @property
    def table(self) -> Path:
        """Every score, as CSV."""
        return self.path / "results.csv"

    @property
    def features(self) -> Path:
        """The features of every image beside its file name, as CSV; only where images have file names."""
        return self.path / "features.csv"

    @property
    def report(self) -> Path:
        """The page for people."""
        return self.path / "report.html"

    @property
    def card(self) -> Path:
        """The model's card, written last of a run."""
        return self.path / "README.md"

    @property
    def is_finished(self) -> bool:
        """Whether the run came to its end: its results, and after them its card, are there."""
        return self.results.is_file() and (self.card.is_file() or not self.config.is_file())

    @property
    def is_interrupted_evaluation(self) -> bool:
        """Whether an evaluation began to write here and did not come to its report."""
        return self.path.is_dir() and {file.name for file in self.path.iterdir()} == {"results.json", "results.csv"}

    def baseline(self, label: str) -> RunDirectory:
        """The directory of a baseline trained beside this run."""
        return RunDirectory(self.path / "baselines" / label)

    def check_free(self) -> None:
        """Refuse to train into a directory that holds anything but what a kill at the first write has left.

        Raises:
            ConfigError: the directory exists and is not empty.
        """
        if self.path.exists() and (not self.path.is_dir() or not all(map(is_leftover, self.path.iterdir()))):
            unfinished = self.config.is_file() and not self.is_finished
            raise ConfigError(
                str(self.path), "an unfinished run is there" if unfinished else self._taken(), "a free name",
                "continue it with --resume, or choose another with name=..." if unfinished
                else "choose another with name=... (evaluate.py: --out), or move the old one away",
            )  # fmt: skip

    def _taken(self) -> str:
        return "a run is there already" if self.is_finished else "something else is there already"

    def check_resumable(self) -> None:
        """Refuse to resume what never began.

        Raises:
            ConfigError: there is no config in the directory, or the run is finished.
        """
        if not self.config.is_file():
            raise ConfigError(
                str(self.path), "no run to resume", "a directory with config.yaml", "train without --resume"
            )
        if self.is_finished:
            raise ConfigError(
                str(self.path), "the run is finished", "an interrupted run", "judge it again with evaluate.py"
            )

    def create(self, config_text: str) -> None:
        """Make the directory and write the resolved config into it."""
        self.path.mkdir(parents=True, exist_ok=True)
        write_atomically(self.config, config_text)
