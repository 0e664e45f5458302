"""A user's folder of images, in class sub-folders or flat."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from eqae.data.base import UNLABELED, Dataset, Images
from eqae.data.duplicates import warn_of_shared_images
from eqae.data.folder_layout import ImageFile, all_images, byte_sorted, find_images, split_files
from eqae.data.options import Fraction, Size
from eqae.data.picture import Bytes, UnreadablePicture, read_picture
from eqae.data.root import require_root
from eqae.errors import DataError

OnCorrupt = Literal["error", "skip"]

_NAMED_AT_MOST = 5
_LEAST_CONTRAST = 32
"""Of 255: that of 12-bit images in 16-bit files is 16."""


Pixels = Mapping[ImageFile, Bytes]
"""``(C, H, W)`` of each file."""


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
        DataError: no folder, fewer than two images, images both beside and inside sub-folders, or unreadable images.
    """
    root = require_root(root, "images")
    pixels = _read(root, find_images(root), size, channels, invert, on_corrupt)
    if len(pixels) < 2:
        found = "one image" if pixels else "none can be read"
        raise DataError(f"{root}: images", found, "at least two, one to train and one to judge", "add or repair images")
    train, test = split_files(list(pixels), test_fraction)
    class_names = byte_sorted({file.class_name for file in pixels if file.class_name})
    dataset = Dataset(
        "folder", _images(train, pixels, class_names, f"{root}: training images"),
        _images(test, pixels, class_names, f"{root}: test images"), tuple(class_names),
    )  # fmt: skip
    warn_of_shared_images(dataset)
    _warn_of_low_contrast(root, dataset.train)
    return dataset


def load_files(root: Path, *, size: int, channels: Literal[1, 3], invert: bool) -> Images:
    """All images in a folder and below it as :func:`load_folder` reads them, without classes and without a split.

    What cannot be read is left out, and named in a warning.

    Args:
        root: the folder.
        size: height and width of the images.
        channels: 1 (grey) or 3 (RGB).
        invert: turn white into black.

    Returns:
        uint8 images, ordered by the bytes of their names, which are relative to ``root``; all unlabelled.

    Raises:
        DataError: no images, or none that can be read.
    """
    pixels = _read(root, all_images(root), size, channels, invert, "skip")
    return _images(list(pixels), pixels, (), f"{root}: images")


def _read(
    root: Path, files: Sequence[ImageFile], size: int, channels: Literal[1, 3], invert: bool, on_corrupt: OnCorrupt
) -> Pixels:
    """Pixels of the files that can be read, in the order given; the others are an error or a warning."""

    def read(file: ImageFile) -> Bytes | str:
        try:
            file.name.encode()
            return read_picture(root / file.name, size, channels, invert=invert)
        except UnicodeEncodeError:  # tables and pages that name it could not be written
            return "its name is not UTF-8: rename it"
        except UnreadablePicture as problem:
            return str(problem)

    with ThreadPoolExecutor() as pool:
        found = dict(zip(files, pool.map(read, files), strict=True))
    broken = {file.name: reason for file, reason in found.items() if isinstance(reason, str)}
    if broken:
        _report_unreadable(root, broken, len(files), on_corrupt)
    return {file: pixels for file, pixels in found.items() if not isinstance(pixels, str)}


def _report_unreadable(root: Path, broken: Mapping[str, str], count: int, on_corrupt: OnCorrupt) -> None:
    named = [f"{name.encode(errors='backslashreplace').decode()} ({reason})" for name, reason in broken.items()]
    more = len(named) - _NAMED_AT_MOST
    listed = ", ".join(named[:_NAMED_AT_MOST]) + (f" and {more} more" if more > 0 else "")
    found = f"{len(named)} of {count} images cannot be read: {listed}"
    if on_corrupt == "error":
        raise DataError(str(root), found, "readable images", "repair or remove them, or set data.on_corrupt: skip")
    warnings.warn(f"{root}: {found}; left out", stacklevel=3)


def _warn_of_low_contrast(root: Path, images: Images) -> None:
    low, high = (int(value) for value in images.pixels.aminmax())
    if high - low < _LEAST_CONTRAST:
        warnings.warn(
            f"{root}: the pixels of all training images lie between {low} and {high} of 0 to 255, almost one grey; "
            "16-bit files are read as 0 to 65535: scale up what uses fewer bits",
            stacklevel=3,
        )


def _images(files: Sequence[ImageFile], pixels: Pixels, class_names: Sequence[str], where: str) -> Images:
    if not files:
        raise DataError(where, "none can be read", "at least one image", "repair the images")
    label = {name: index for index, name in enumerate(class_names)}
    return Images(
        torch.from_numpy(np.stack([pixels[file] for file in files])),
        torch.tensor([label.get(file.class_name or "", UNLABELED) for file in files]),
        tuple(file.name for file in files),
    )
