"""Where extracted embeddings are kept, so that the next evaluation of the same model begins where this one ends."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

LIMIT = 4 * 2**30
"""Bytes that the cache may take; beyond them, what was longest unused goes first."""


def default_cache() -> Path:
    """``eqae/features`` in the user's cache directory (XDG base directory specification)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "eqae" / "features"


@contextmanager
def workplace(cache: Path | None, *identity: str | None) -> Iterator[Path]:
    """A folder for the stores of one pass.

    Args:
        cache: folder of the cache; None for none.
        identity: fingerprints that determine what will be stored; one that is None forbids keeping it.

    Yields:
        The same folder whenever the same identity is asked for; without cache or identity, or where the cache
        cannot be written, one that is removed at the end.
    """
    known = [part for part in identity if part is not None]
    kept = None
    if cache is not None and len(known) == len(identity):
        kept = _kept(cache, hashlib.sha256("\n".join(known).encode()).hexdigest()[:32])
    if kept is not None:
        yield kept
        return
    with TemporaryDirectory(prefix="eqae-features-") as folder:
        yield Path(folder)


def make_room(cache: Path, limit: int = LIMIT) -> None:
    """Remove the folders that were longest unused until no more than ``limit`` bytes are taken."""
    folders = sorted((f for f in cache.glob("*/") if f.is_dir()), key=lambda f: f.stat().st_mtime, reverse=True)
    taken = 0
    for folder in folders:
        taken += sum(file.stat().st_size for file in folder.iterdir())
        if taken > limit:
            shutil.rmtree(folder, ignore_errors=True)


def _kept(cache: Path, key: str) -> Path | None:
    folder = cache / key
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.touch()
    except OSError:
        return None
    return folder
