"""New image files, read the way a trained run read its own."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, cast

import torch

from eqae.config import parse_config
from eqae.data.base import UNLABELED, Images
from eqae.data.folder import load_files, load_folder
from eqae.data.picture import UnreadablePicture, read_picture
from eqae.errors import ConfigError, DataError
from eqae.registry import DATASETS, check_options
from eqae.runs import RunDirectory
from eqae.verification import read_manifest
from eqae.yaml_file import read_yaml


def load_images(path: str | Path, *, like: str | Path) -> Images:
    """Image files as an array for the extractor of a run that was trained on a folder.

    They are padded, resized, turned grey and inverted as the run's own were. Of a folder, all images in it and below
    it are read, whatever sub-folders it has; those that cannot be read are left out and named in a warning.

    Args:
        path: an image file, or a folder.
        like: the run directory.

    Returns:
        ``pixels (N, C, H, W)`` uint8, unlabelled, with ``names`` relative to ``path``, in the order of their bytes.

    Raises:
        CheckpointError: ``like`` is no run directory.
        ConfigError: the run was not trained on a folder.
        DataError: no such path, no images, or none that can be read.

    Example:
        >>> images = eqae.load_images("new", like="checkpoints/folder")  # doctest: +SKIP
        >>> features = eqae.load_extractor("checkpoints/folder").transform(images.pixels)  # doctest: +SKIP
    """
    path = Path(path).expanduser()
    channels, size, _ = read_manifest(like).spec.image_shape
    channels, invert = cast(Literal[1, 3], channels), _inverts(RunDirectory(Path(like)))
    if path.is_dir():
        return load_files(path, size=size, channels=channels, invert=invert)
    if not path.is_file():
        raise DataError(str(path), "no such file or folder", "an image file, or a folder of them", "correct the path")
    try:
        pixels = read_picture(path, size, channels, invert=invert)
    except UnreadablePicture as problem:
        raise DataError(str(path), f"cannot be read ({problem})", "an image file", "repair it") from None
    return Images(torch.from_numpy(pixels[None].copy()), torch.tensor([UNLABELED]), (path.name,))


def _inverts(run: RunDirectory) -> bool:
    """Whether the run's images were inverted.

    Raises:
        ConfigError: they did not come from a folder.
    """
    data = parse_config(read_yaml(run.config), str(run.config)).data
    if DATASETS.canonical(data.name, f"{run.config}: data.name") != "folder":
        raise ConfigError(
            f"{run.config}: data.name", f"{data.name!r}", "'folder', which says how image files become arrays",
            "make the array yourself, (N, H, W) or (N, C, H, W), as that run's images were made",
        )  # fmt: skip
    return bool(check_options(load_folder, data.options, f"{run.config}: data", {"root"}).get("invert", False))
