"""``train.py``: train a model and its baselines, judge them, leave a run directory."""

from __future__ import annotations

import time
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from eqae.commands.resolving import read_config
from eqae.commands.shell import guarded, key_help
from eqae.processes import is_leader
from eqae.runs import RunDirectory


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and train; returns the exit code."""
    parser = ArgumentParser(
        "train.py",
        usage="train.py --config FILE [key.sub=value ...] [--resume]",
        description="Train an equivariant autoencoder and its baselines, judge them, and leave a run directory.",
        epilog=key_help() if _wants_help(arguments) else None,
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="a YAML file; see configs/")
    parser.add_argument("--resume", action="store_true", help="continue an interrupted run of the same name")
    parser.add_argument("overrides", nargs="*", metavar="key.sub=value", help="settings that go before the file's")
    known = parser.parse_intermixed_args(arguments)
    return guarded(lambda: train(known.config, known.overrides, resume=known.resume), "continue with --resume")


def train(path: Path, overrides: Sequence[str] = (), *, resume: bool = False, console: Console | None = None) -> None:
    """Train what the config at ``path`` says, with ``key.sub=value`` overrides.

    Raises:
        EqaeError: a mistake in config or data, found before anything is written; or training that diverged.
    """
    console = console or Console(soft_wrap=True, quiet=not is_leader())
    config = read_config(path, overrides)
    run = RunDirectory(Path(config.output) / config.name)
    if is_leader():
        run.check_resumable() if resume else run.check_free()
    console.print(
        f"[bold]{config.name}[/bold] · {config.model.name} on {config.data.name} → {run.path}", highlight=False
    )
    from eqae.commands.running import carry_out  # torch is imported only for a config that stands

    began = time.monotonic()
    carry_out(config, run, resume=resume, console=console)
    console.print(f"done in  {time.monotonic() - began:.0f} s", highlight=False)


def _wants_help(arguments: Sequence[str] | None) -> bool:
    import sys

    return bool({"-h", "--help"} & set(sys.argv[1:] if arguments is None else arguments))
