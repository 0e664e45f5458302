"""Images: registered datasets, one file each, and the one door to them; see :data:`eqae.registry.DATASETS`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from eqae.data.base import Dataset, Images
from eqae.errors import DataError
from eqae.registry import DATASETS

__all__ = ["Dataset", "Images", "load_dataset"]


def load_dataset(name: str, root: str | Path | None, options: Mapping[str, Any], where: str = "data") -> Dataset:
    """The dataset called ``name``, read into memory.

    Args:
        name: a registered name, e.g. ``"digits"``.
        root: folder of the data files; None takes the environment variable ``EQAE_DATA``. Some datasets need none.
        options: the dataset's own, e.g. ``{"size": 32}``; checked against what it declares.
        where: the config key the options come from, for messages.

    Raises:
        ConfigError: unknown name, or an unknown or ill-typed option.
        DataError: the folder or a file in it is missing, or its content cannot be used.
    """
    folder = _existing(root, f"{where}.root") if root is not None else _from_environment()
    dataset: Dataset = DATASETS.build(name, options, where, root=folder)
    return dataset


def _from_environment() -> Path | None:
    # Not checked here: a variable left over from elsewhere must not stop a dataset that needs no files.
    value = os.environ.get("EQAE_DATA")
    return Path(value).expanduser() if value else None


def _existing(root: str | Path, where: str) -> Path:
    folder = Path(root).expanduser()
    if not folder.is_dir():
        found = "is not a folder" if folder.exists() else "does not exist"
        raise DataError(where, f"{str(folder)!r} {found}", "a folder", f"correct {where}")
    return folder
