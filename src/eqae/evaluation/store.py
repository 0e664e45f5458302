"""Arrays on disk, filled by index: each place exactly once, in any order, and continued where they stopped."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray
from torch import Tensor

from eqae.evaluation.evidence import IntArray


class RowStore:
    """An ``(N, O, ...)`` array beside a record of which blocks of images were written, under which of O transforms.

    Averages taken inside a loop over batches count padded or repeated images twice and hide lost ones; here neither
    can go unseen. The record is set after the values, so that a killed process leaves no block half-written and
    believed. Several processes may fill one store, each its own blocks.

    Args:
        path: of the files, without suffix: ``.npy`` holds the values, ``.done.npy`` the record. Files of another
            shape or type are replaced.
        shape: ``(N, O, ...)``.
        block: images of a block.
        dtype: of the values.
        members: which of the images that are passed over have a row, ascending, ``(N,)``; None where all do.
        images: how many are passed over; None for N.

    Raises:
        OSError: there is no room on the disk.
    """

    def __init__(
        self,
        path: Path,
        shape: Sequence[int],
        block: int,
        *,
        dtype: DTypeLike = np.float32,
        members: IntArray | None = None,
        images: int | None = None,
    ) -> None:
        self.block = block
        self.members = members
        self.images = shape[0] if images is None else images
        values = path.with_name(f"{path.name}.npy")
        record = path.with_name(f"{path.name}.done.npy")
        if not _holds(values, shape, dtype):
            record.unlink(missing_ok=True)  # it must never speak for values that are not there
            _create(values, shape, dtype)
        blocks = (-(-self.images // block), shape[1])
        if not _holds(record, blocks, np.uint8):
            _create(record, blocks, np.uint8)
        self.values: NDArray[Any] = np.lib.format.open_memmap(values, "r+")
        self._written: NDArray[np.uint8] = np.lib.format.open_memmap(record, "r+")

    def has(self, block: int, column: int) -> bool:
        """Whether this block was written under this transform."""
        return bool(self._written[block, column])

    def write(self, block: int, column: int, values: Tensor) -> None:
        """Put ``values``, one row an image of the block, in their place under one transform.

        Raises:
            ValueError: the shape is not that of the place (nothing is broadcast), or the place is filled already.
        """
        rows = slice(block * self.block, min((block + 1) * self.block, self.images))
        if self.members is not None:
            first, last = np.searchsorted(self.members, [rows.start, rows.stop])
            values = values[self.members[first:last] - rows.start]
            rows = slice(int(first), int(last))
        place = self.values[rows, column]
        if tuple(values.shape) != place.shape:
            raise ValueError(f"values of shape {tuple(values.shape)} for rows of shape {place.shape}")
        if self.has(block, column):
            raise ValueError(f"images {rows.start} to {rows.stop - 1}, transform {column}, were written already")
        place[...] = values.float().cpu().numpy()
        self._written[block, column] = 1

    @property
    def places(self) -> int:
        """How many (image, transform) pairs were passed over so far."""
        sizes = np.minimum(self.block, self.images - self.block * np.arange(len(self._written)))
        return int((self._written.sum(axis=1, dtype=np.int64) * sizes).sum())

    def complete(self) -> NDArray[Any]:
        """The filled array, backed by its file.

        Raises:
            RuntimeError: a block was never written; the first one is named.
        """
        if not self._written.all():
            block, column = (int(i) for i in np.argwhere(self._written == 0)[0])
            raise RuntimeError(f"features of image {block * self.block}, transform {column} were never written")
        return self.values


def _holds(path: Path, shape: Sequence[int], dtype: DTypeLike) -> bool:
    """Whether a whole array of this shape and type lies at ``path``."""
    try:
        found = np.lib.format.open_memmap(path, "r")
    except (OSError, ValueError):  # missing, empty, cut short, or something else
        return False
    return found.shape == tuple(shape) and found.dtype == np.dtype(dtype)


def _create(path: Path, shape: Sequence[int], dtype: DTypeLike) -> None:
    """An array of zeros with all of its room taken: a sparse file on a full disk would kill the process at a write."""
    part = path.with_name(f"{path.name}.part")
    try:
        array = np.lib.format.open_memmap(part, "w+", np.dtype(dtype), tuple(shape))
        with part.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, max(part.stat().st_size, 1))
        del array
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
