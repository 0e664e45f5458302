"""Writing files so that a reader never meets half of one."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterable
from pathlib import Path

TEMPORARY = re.compile(r"\..+\.[0-9a-f]{8}\.tmp")
"""Names under which files are written before they take their own."""


def user_cache() -> Path:
    """``eqae`` in the user's cache directory (XDG base directory specification)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "eqae"


def write_atomically(path: str | Path, data: bytes | str | Iterable[str]) -> None:
    """Write ``data`` to ``path`` in one step; text is encoded as UTF-8, and may come in parts.

    The data goes to a temporary file in the same folder (another disk would turn the last step into a copy), is
    flushed to the disk, and takes the name ``path`` only when complete. After a crash at any moment ``path`` holds
    either all of the old content or all of the new.

    Raises:
        OSError: the folder does not exist or cannot be written; ``path`` is then untouched.
    """
    path = Path(path)
    parts = [data] if isinstance(data, bytes | str) else data
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as file:
            for part in parts:
                file.write(part.encode() if isinstance(part, str) else part)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)


def is_leftover(path: Path) -> bool:
    """Whether a killed :func:`write_atomically` has left this file, by its name."""
    return TEMPORARY.fullmatch(path.name) is not None


def remove_leftovers(folder: Path) -> None:
    """Remove what killed writes have left in ``folder`` and below; nobody else may be writing there."""
    for path in filter(is_leftover, folder.rglob(".*")):
        path.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
