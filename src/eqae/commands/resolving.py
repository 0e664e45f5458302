"""From a YAML file and overrides to a config whose names are known, and back to the file of a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from eqae.commands.plugins import load_plugins
from eqae.config import Config, check_names, parse_config
from eqae.errors import ConfigError
from eqae.runs import RunDirectory
from eqae.yaml_file import apply_overrides, dump_yaml, read_yaml

ORBIT_MEAN = "orbit_mean:"
"""Prefix of a model on ``evaluate.py``'s command line that is to be averaged over D4."""


def read_config(path: Path, overrides: Sequence[str]) -> Config:
    """The validated config at ``path``; its plugins are imported and every name is known.

    Raises:
        ConfigError: all mistakes at once.
    """
    config = parse_config(apply_overrides(read_yaml(path), overrides), str(path))
    load_plugins(config.plugins)
    check_names(config)
    return config


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
