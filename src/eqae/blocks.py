"""Forward passes of one fixed size, so that what a network says of an image depends on that image alone."""

from __future__ import annotations

from torch import Tensor

BLOCK = 32
"""Images of every forward pass on the CPU. Kernels are chosen by batch size and round differently from one size to
another (by about 1e-7); with one size, the features of an image do not depend on which images it travels with."""


def filled_up(rows: Tensor, size: int) -> Tensor:
    """``rows (B, ...)`` with zeros below, up to ``size`` rows; as they are where they are that many."""
    if len(rows) == size:
        return rows
    block = rows.new_zeros((size, *rows.shape[1:]))
    block[: len(rows)] = rows
    return block
