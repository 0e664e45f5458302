"""Finding a dataset's files under the data root, with messages that say how to get what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from eqae.errors import DataError


def require_root(root: Path | None, needed: str, fix: str = "") -> Path:
    """The data root, which must be given and exist.

    Args:
        root: from ``data.root``, else from ``EQAE_DATA``, else None.
        needed: what the folder is to hold, for the message.
        fix: what gets the files, for the message.

    Raises:
        DataError: no root, or no such folder.
    """
    if root is None:
        raise DataError(
            "data.root", "not set, and neither is the environment variable EQAE_DATA",
            f"a folder that holds {needed}", fix or "set one of them",
        )  # fmt: skip
    if not root.is_dir():
        raise DataError(
            "data.root (or EQAE_DATA)", f"folder '{root}' does not exist", f"a folder that holds {needed}", fix
        )
    return root


def find_file(root: Path | None, names: Sequence[str], fix: str) -> Path:
    """The first file of ``names`` (relative to ``root``) that exists.

    Raises:
        DataError: no root, no such folder, or none of the files; the message ends with ``fix``.
    """
    needed = " or ".join(names)
    root = require_root(root, needed, fix)
    for name in names:
        if (root / name).is_file():
            return root / name
    raise DataError("data.root (or EQAE_DATA)", f"no file {needed} in '{root}'", f"{names[0]} in it", fix)
