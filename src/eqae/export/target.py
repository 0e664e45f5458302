"""Where an exported file goes; nothing heavy is imported here."""

from __future__ import annotations

from pathlib import Path

from eqae.errors import ConfigError
from eqae.export.formats import Format


def target(run: Path, format_: Format, head: str | None, out: Path | None) -> Path:
    """The file to write: ``out``, or ``features`` in the run's folder ``export``, ``features-HEAD`` for another head.

    Raises:
        ConfigError: a name of another format, or something is there already.
    """
    name = f"features-{head}" if head else "features"
    path = run / "export" / f"{name}{format_.suffix}" if out is None else out
    if path.suffix != format_.suffix:
        raise ConfigError("--out", f"{str(path)!r}", f"a name that ends in {format_.suffix}")
    if path.exists():
        raise ConfigError(
            str(path), "something is there already", "a free name", "choose another with --out, or move it away"
        )
    return path
