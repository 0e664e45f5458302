"""Features addressed by index: rows are written where they belong, and every row exactly once."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from eqae.evaluation.evidence import FloatArray


class IndexedRows:
    """An ``(N, O, D)`` float32 array that is filled block by block, in any order.

    Averages taken inside a loop over batches count padded or repeated images twice and hide lost ones; here neither
    can go unseen.
    """

    def __init__(self, images: int, columns: int, width: int) -> None:
        self._values = np.zeros((images, columns, width), np.float32)
        self._seen = np.zeros((images, columns), np.int64)

    def write(self, rows: slice, column: int, values: Tensor) -> None:
        """Put ``values (B, D)`` into the given rows of one column.

        Raises:
            ValueError: the shape is not that of the place; nothing is broadcast.
        """
        place = self._values[rows, column]
        if tuple(values.shape) != place.shape:
            raise ValueError(f"values of shape {tuple(values.shape)} for rows of shape {place.shape}")
        place[:] = values.float().cpu().numpy()
        self._seen[rows, column] += 1

    def complete(self) -> FloatArray:
        """The filled array.

        Raises:
            RuntimeError: a row was never written, or more than once; the first one is named.
        """
        if not (self._seen == 1).all():
            row, column = (int(i) for i in np.argwhere(self._seen != 1)[0])
            times = self._seen[row, column]
            raise RuntimeError(
                f"features of image {row}, transform {column} were written {times} times instead of once"
            )
        return self._values
