"""From a YAML file and overrides to a config whose names are known, and back to the file of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from eqae.commands.plugins import load_plugins
from eqae.config import Config, check_names, parse_config
from eqae.errors import ConfigError, Problem
from eqae.runs import RunDirectory
from eqae.yaml_file import apply_overrides, dump_yaml, read_yaml

ORBIT_MEAN = "orbit_mean:"
"""Prefix of a model on ``evaluate.py``'s command line that is to be averaged over D4."""


def read_config(path: Path, overrides: Sequence[str]) -> Config:
    """The validated config at ``path``; its plugins are imported and every name is known.

    Raises:
        ConfigError: all mistakes at once.
    """
    values = apply_overrides(read_yaml(path), overrides)
    try:
        config = parse_config(values, str(path))
    except ConfigError as error:
        raise ConfigError.of([_told_apart(problem, str(path), overrides) for problem in error.problems]) from None
    load_plugins(config.plugins)
    check_names(config)
    return config


def _told_apart(problem: Problem, path: str, overrides: Sequence[str]) -> Problem:
    """The problem, said of the command line where its key, one around it or one within it was typed there."""
    key = problem.where.removeprefix(f"{path}: ")
    typed = [override.partition("=")[0] for override in overrides]
    if any(f"{key}.".startswith(f"{name}.") for name in typed):
        return replace(problem, where=f"command line: {key}")
    if any(name.startswith(f"{key}.") for name in typed):  # a section may be wrong for what either of them says
        return replace(problem, where=f"{path} and command line: {key}")
    return problem


def config_text(config: Config) -> str:
    """The resolved config as it is written into a run directory."""
    header = "# Resolved config of this run. `uv run train.py --config THIS_FILE name=...` trains it again.\n"
    return header + dump_yaml(config.model_dump(mode="json"))


def check_same(config: Config, run: RunDirectory) -> None:
    """Refuse to resume a run under another config.

    Raises:
        ConfigError: a key differs from the one the run began with.
    """
    before = parse_config(read_yaml(run.config), str(run.config)).model_dump(mode="json")
    for key, value in config.model_dump(mode="json").items():
        if before[key] != value:
            raise ConfigError(
                key, f"{value!r}", f"{before[key]!r}, with which {run.path} began", "resume with the same config"
            )
