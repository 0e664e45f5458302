"""The user's own modules."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from eqae.errors import ConfigError


def load_plugins(names: Sequence[str]) -> None:
    """Import the modules a user's YAML names; each registers its own groups, heads, models, datasets or evaluators.

    The working directory is searched too. Only configs given on the command line come here, never a checkpoint's.

    Raises:
        ConfigError: no such module.
    """
    if names and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    for name in names:
        try:
            import_module(name)
        except ModuleNotFoundError as error:
            raise ConfigError(
                "plugins", f"module {name!r} cannot be imported ({error})", "an importable module",
                "install it, or run from the folder that holds it",
            ) from None  # fmt: skip
