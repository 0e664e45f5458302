"""Where extracted embeddings are kept, so that the next evaluation of the same model begins where this one ends."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

LIMIT = 4 * 2**30
"""Bytes that the cache may take; beyond them, what was longest unused goes first."""
LAYOUT = "embeddings-1"
"""Folder of our own inside the one that the user names, which may hold anything else."""
LOCK = "lock"
_KEY = re.compile(r"[0-9a-f]{32}")


@contextmanager
def workplace(cache: Path | None, *identity: str | None) -> Iterator[Path]:
    """A folder for the stores of one pass, which no other process uses meanwhile.

    Args:
        cache: folder of the cache; None for none.
        identity: fingerprints that determine what will be stored; one that is None forbids keeping it.

    Yields:
        The same folder whenever the same identity is asked for. One that is removed at the end where there is no
        cache or identity, where the cache cannot be written, or where another process is filling that folder.
    """
    known = [part for part in identity if part is not None]
    if cache is not None and len(known) == len(identity):
        folder = cache / LAYOUT / hashlib.sha256("\n".join(known).encode()).hexdigest()[:32]
        lock = _locked(folder)
        if lock is not None:
            try:
                yield folder
            finally:
                os.close(lock)
            return
    with TemporaryDirectory(prefix="eqae-features-") as scratch:
        yield Path(scratch)


def make_room(cache: Path, limit: int = LIMIT) -> None:
    """Remove what was longest unused until no more than ``limit`` bytes are taken.

    Touches nothing but folders that :func:`workplace` made and nobody is using.
    """
    ages: list[tuple[float, int, Path]] = []
    for folder in (cache / LAYOUT).glob("*/"):
        with suppress(OSError):  # another process may be tidying up too
            if _is_ours(folder):
                size = sum(file.stat().st_size for file in folder.iterdir())
                ages.append((folder.stat().st_mtime, size, folder))
    taken = 0
    for _, size, folder in sorted(ages, reverse=True):
        taken += size
        if taken > limit:
            _remove(folder)


def _is_ours(folder: Path) -> bool:
    names = {file.name for file in folder.iterdir()}
    return bool(_KEY.fullmatch(folder.name)) and all(name == LOCK or name.endswith(".npy") for name in names)


def _remove(folder: Path) -> None:
    lock = _locked(folder)
    if lock is not None:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _locked(folder: Path) -> int | None:
    """The descriptor of the folder's lock, held until it is closed; None where it is taken or cannot be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.utime(folder)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor
