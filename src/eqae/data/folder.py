"""A user's folder of images, in class sub-folders or flat."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch

from eqae.data.base import UNLABELED, Dataset, Images
from eqae.data.duplicates import warn_of_shared_images
from eqae.data.folder_layout import ImageFile, byte_sorted, split_files
from eqae.data.options import Fraction, Size
from eqae.data.picture import Bytes, UnreadablePicture, read_picture
from eqae.data.root import require_root
from eqae.errors import DataError

OnCorrupt = Literal["error", "skip"]

_NAMED_AT_MOST = 5


class _Picture(NamedTuple):
    """A file with its pixels, or with the reason why it has none."""

    file: ImageFile
    pixels: Bytes | None
    reason: str = ""


def load_folder(
    root: Path | None,
    *,
    size: Size = 32,
    channels: Literal[1, 3] = 1,
    on_corrupt: OnCorrupt = "error",
    invert: bool = False,
    test_fraction: Fraction = 0.2,
) -> Dataset:
    """Images of any size and mode, padded to squares and resized; see :func:`eqae.data.picture.read_picture`.

    Sub-folders are classes (deeper folders belong to them); a folder without sub-folders is unlabelled. With the
    sub-folders ``train`` and ``test`` each of these is laid out so, and they are the split. Otherwise the hash of an
    image's name decides: see :func:`eqae.data.folder_layout.in_test`. Names that begin with a dot, and files that are
    not images by their extension, are ignored.

    Args:
        root: the folder.
        size: height and width of the images.
        channels: 1 (grey) or 3 (RGB).
        on_corrupt: what happens when images cannot be read: an error that names them, or a warning that does.
        invert: turn white into black, for images on a white background.
        test_fraction: share of the images that judge, where there are no ``train`` and ``test``.

    Returns:
        uint8 images, ordered by the bytes of their names, which are relative to ``root``.

    Raises:
        DataError: no folder, no images, images both beside and inside sub-folders, or unreadable images.
    """
    root = require_root(root, "images")
    splits = split_files(root, test_fraction)
    class_names = byte_sorted({file.class_name for split in splits for file in split if file.class_name})

    def read(file: ImageFile) -> _Picture:
        try:
            return _Picture(file, read_picture(root / file.name, size, channels, invert=invert))
        except UnreadablePicture as problem:
            return _Picture(file, None, str(problem))

    with ThreadPoolExecutor() as pool:
        train, test = (list(pool.map(read, split)) for split in splits)
    _report_unreadable(root, [*train, *test], on_corrupt)
    dataset = Dataset(
        "folder", _images(train, class_names, f"{root}: training images"),
        _images(test, class_names, f"{root}: test images"), tuple(class_names),
    )  # fmt: skip
    warn_of_shared_images(dataset)
    return dataset


def _report_unreadable(root: Path, pictures: Sequence[_Picture], on_corrupt: OnCorrupt) -> None:
    broken = [f"{picture.file.name} ({picture.reason})" for picture in pictures if picture.pixels is None]
    if not broken:
        return
    more = len(broken) - _NAMED_AT_MOST
    named = ", ".join(broken[:_NAMED_AT_MOST]) + (f" and {more} more" if more > 0 else "")
    found = f"{len(broken)} of {len(pictures)} images cannot be read: {named}"
    if on_corrupt == "error":
        raise DataError(str(root), found, "readable images", "repair or remove them, or set data.on_corrupt: skip")
    warnings.warn(f"{root}: {found}; left out", stacklevel=3)


def _images(pictures: Sequence[_Picture], class_names: Sequence[str], where: str) -> Images:
    readable = [(picture.file, picture.pixels) for picture in pictures if picture.pixels is not None]
    if not readable:
        raise DataError(where, "none can be read", "at least one image", "repair the images")
    label = {name: index for index, name in enumerate(class_names)}
    return Images(
        torch.from_numpy(np.stack([pixels for _, pixels in readable])),
        torch.tensor([label.get(file.class_name or "", UNLABELED) for file, _ in readable]),
        tuple(file.name for file, _ in readable),
    )
