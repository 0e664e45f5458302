"""Images from a user's numpy archive."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray
from torch import Tensor

from eqae.data.base import UNLABELED, Dataset, Images, check_pixels
from eqae.data.duplicates import warn_of_shared_images
from eqae.data.options import Fraction, Size
from eqae.data.resize import invert as inverted
from eqae.data.resize import resize
from eqae.errors import DataError
from eqae.seeding import generator

Arrays = Mapping[str, NDArray[Any]]


def load_npz(
    root: Path | None, *, path: Path, size: Size | None = None, invert: bool = False, test_fraction: Fraction = 0.2
) -> Dataset:
    """Images of an ``.npz`` file.

    The file's arrays: ``images``, ``(N, H, W)``, ``(N, H, W, C)`` or ``(N, C, H, W)`` with 1 or 3 channels, uint8 or
    float in [0, 1]; optionally ``labels`` ``(N,)``, integers from 0, -1 where unknown; optionally ``class_names``;
    optionally the split, as a mask ``test`` ``(N,)``, or as ``split`` ``(N,)`` of indices into ``split_names``, where
    ``"train"`` trains and all the others judge. Without a split a fixed random share judges.

    Args:
        root: folder that a relative ``path`` starts from; None for the working directory.
        path: the file.
        size: images, which must then be square, are resized to ``size`` x ``size``; None leaves them as they are.
        invert: turn white into black, for images on a white background.
        test_fraction: share of the images that judge, where the file has no split of its own.

    Raises:
        DataError: the file is missing, damaged or holds pickled objects, or an array is not as described.
    """
    file = (root or Path()) / path.expanduser()
    arrays = read_arrays(file, ("images",))
    pixels = _pixels(arrays["images"], f"{file}: images")
    check_pixels(pixels, f"{file}: images")
    if size is not None and pixels.shape[-1] != pixels.shape[-2]:
        raise DataError(
            f"{file}: images", f"{pixels.shape[-2]}x{pixels.shape[-1]} pixels", "square images, as 'size' is set",
            "pad them to a square: resizing would distort them",
        )  # fmt: skip
    pixels = pixels if size is None else resize(pixels, size)
    labels = _labels(arrays, len(pixels), str(file))
    test = _test_mask(arrays, len(pixels), test_fraction, str(file))
    images = Images(inverted(pixels) if invert else pixels, labels)
    train, judged = (images.take(mask.nonzero().flatten()) for mask in (~test, test))
    dataset = Dataset("npz", train, judged, _class_names(arrays, labels, str(file)))
    warn_of_shared_images(dataset)
    return dataset


def read_arrays(path: Path, required: Sequence[str]) -> dict[str, NDArray[Any]]:
    """All arrays of an ``.npz`` file, by name; pickled objects are refused.

    Raises:
        DataError: no such file, not an ``.npz`` file, a damaged or pickled array, or one of ``required`` is missing.
    """
    if not path.is_file():
        raise DataError(str(path), "no such file", "an .npz file", "correct the path; relative ones start at data.root")
    try:
        # Opened here, because numpy leaves the file open when it is not an archive.
        with path.open("rb") as file:
            archive = np.load(file, allow_pickle=False)
            if not isinstance(archive, NpzFile):
                raise ValueError("a single array without a name")
            arrays = dict(archive)
    except (ValueError, OSError, EOFError, RuntimeError, zlib.error, zipfile.BadZipFile) as error:
        raise DataError(
            str(path), f"cannot be read ({error})", "an .npz file of plain arrays", "write it with numpy.savez"
        ) from None
    missing = [name for name in required if name not in arrays]
    if missing:
        raise DataError(
            str(path), f"no array {missing[0]!r} among {', '.join(arrays) or 'no arrays'}", ", ".join(required),
            "name the arrays in the call: numpy.savez(path, images=..., labels=...)",
        )  # fmt: skip
    return arrays


def _pixels(array: NDArray[Any], where: str) -> Tensor:
    """``(N, C, H, W)``, uint8 or float32."""
    if array.dtype.kind not in "f" and array.dtype != np.uint8:
        raise DataError(
            where, f"dtype {array.dtype}", "uint8 (0..255) or float in [0, 1]",
            "divide by the largest value the sensor gives",
        )  # fmt: skip
    pixels = torch.from_numpy(array if array.dtype == np.uint8 else array.astype(np.float32, copy=False))
    if pixels.ndim == 3:
        return pixels[:, None]
    if pixels.ndim != 4:
        raise DataError(where, f"shape {array.shape}", "(N, H, W), (N, H, W, C) or (N, C, H, W)")
    first, last = pixels.shape[1] in (1, 3), pixels.shape[3] in (1, 3)
    if first == last:
        found = "both the second and the last axis could be" if first else "neither the second nor the last axis is"
        raise DataError(where, f"shape {array.shape}: {found} 1 or 3 channels", "(N, H, W, C) or (N, C, H, W)")
    return pixels if first else pixels.permute(0, 3, 1, 2).contiguous()


def _labels(arrays: Arrays, count: int, file: str) -> Tensor:
    """``(N,)`` int64, ``UNLABELED`` throughout where the file has none."""
    if "labels" not in arrays:
        return torch.full((count,), UNLABELED)
    labels = arrays["labels"]
    if labels.dtype.kind not in "iu" or labels.shape != (count,):
        raise DataError(f"{file}: labels", f"{labels.dtype} of shape {labels.shape}", f"integers of shape ({count},)")
    if labels.min() < UNLABELED:
        raise DataError(f"{file}: labels", f"label {labels.min()}", f"classes from 0, or {UNLABELED} for unknown")
    return torch.from_numpy(labels.astype(np.int64))


def _class_names(arrays: Arrays, labels: Tensor, file: str) -> tuple[str, ...]:
    """The file's, or else the numbers as words; every class must then have an image."""
    present = set(labels.tolist()) - {UNLABELED}
    classes = max(present, default=-1) + 1
    if "class_names" in arrays:
        names = tuple(map(str, arrays["class_names"].ravel()))
        if len(names) < classes:
            raise DataError(
                f"{file}: class_names", f"{len(names)} names", f"{classes}, as the largest label is {classes - 1}"
            )
        return names
    gaps = sorted(set(range(classes)) - present)
    if gaps:
        raise DataError(
            f"{file}: labels", f"no image of class {gaps[0]}, but one of class {classes - 1}", "classes from 0 on",
            "number the classes without gaps, or add an array class_names",
        )  # fmt: skip
    return tuple(map(str, range(classes)))


def _test_mask(arrays: Arrays, count: int, fraction: float, file: str) -> Tensor:
    """``(N,)`` bool: which images judge; some do, and some do not."""
    if "test" in arrays:
        where, test = f"{file}: test", arrays["test"]
        if test.dtype != np.bool_ or test.shape != (count,):
            raise DataError(where, f"{test.dtype} of shape {test.shape}", f"bool of shape ({count},)")
    elif "split" in arrays:
        where, test = f"{file}: split", _not_training(arrays, count, file)
    else:
        return _random_mask(count, fraction, file)
    if test.all() or not test.any():
        raise DataError(where, f"no {'training' if test.all() else 'test'} images", "both training and test images")
    return torch.from_numpy(test)


def _not_training(arrays: Arrays, count: int, file: str) -> NDArray[np.bool_]:
    split, names = arrays["split"], [str(name) for name in arrays.get("split_names", np.array([])).ravel()]
    if "train" not in names:
        raise DataError(f"{file}: split_names", f"{names}", "names of the splits, 'train' among them")
    if split.dtype.kind not in "iu" or split.shape != (count,) or not ((split >= 0) & (split < len(names))).all():
        raise DataError(
            f"{file}: split", f"{split.dtype} of shape {split.shape}",
            f"integers of shape ({count},) from 0 to {len(names) - 1}, indices into split_names",
        )  # fmt: skip
    return np.asarray(split != names.index("train"))


def _random_mask(count: int, fraction: float, file: str) -> Tensor:
    """A fixed permutation's first images judge."""
    if count < 2:
        raise DataError(f"{file}: images", "one image", "at least two, one to train and one to judge")
    test = torch.zeros(count, dtype=torch.bool)
    judged = min(max(round(fraction * count), 1), count - 1)
    test[torch.randperm(count, generator=generator("npz split", count))[:judged]] = True
    return test
