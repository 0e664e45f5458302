"""Sprites on a background, at every position of a grid."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from eqae.evaluation.evidence import NotAvailable
from eqae.evaluation.shift.sprites import Sprites

Background = Literal["zero", "grey", "noise"]

ANCHORS = ("TL", "TR", "C", "BL", "BR")
"""Top left, top right, centre, bottom left and bottom right position."""

_CELLS = 8  # of the noise, along each axis


class Stage:
    """A frame in which sprites stand at the positions of a grid, ``stride`` pixels apart, from the top left corner.

    Positions are numbered row by row: number ``i`` is row ``i // columns``, column ``i % columns``. Every canvas is a
    window of the sprite's plane, which is dark for a frame's width around it; a batch of canvases is therefore one
    gather, and no pixel is ever interpolated.

    Attributes:
        sprites: on the device of the canvases.
        rows, columns: positions along each axis.
        anchors: number of each of :data:`ANCHORS`, ``(5,)``.

    Raises:
        NotAvailable: the frame has no room for two positions along each axis.
    """

    def __init__(
        self, sprites: Sprites, image_shape: tuple[int, int, int], stride: int, background: Tensor | None = None
    ) -> None:
        """``background``: ``(C, H, W)`` on the sprites' device; None is black."""
        _, self._height, self._width = image_shape
        self.sprites = sprites
        self._stride = stride
        self._background = background
        self.rows = (self._height - sprites.side) // stride + 1
        self.columns = (self._width - sprites.side) // stride + 1
        if min(self.rows, self.columns) < 2:
            raise NotAvailable("the frame has no room for two positions along each axis")
        middle = (self.rows - 1) // 2, (self.columns - 1) // 2
        last = self.rows * self.columns - 1
        centre = middle[0] * self.columns + middle[1]
        self.anchors = torch.tensor([0, self.columns - 1, centre, last - self.columns + 1, last])

    def __len__(self) -> int:
        return self.rows * self.columns

    def interior(self, margin: float) -> NDArray[np.bool_]:
        """Where the sprite keeps at least ``margin`` of the frame's sides between itself and every edge.

        ``(rows, columns)``; the margin is in shares of the height above and below, of the width on either side.
        """
        down = self._clear(self.rows, self._height, margin * self._height)
        across = self._clear(self.columns, self._width, margin * self._width)
        return down[:, None] & across

    def _clear(self, positions: int, length: int, margin: float) -> NDArray[np.bool_]:
        start = np.arange(positions) * self._stride
        clear: NDArray[np.bool_] = (start >= margin) & (start + self.sprites.side <= length - margin)
        return clear

    def canvases(self, sprite: int, positions: Tensor) -> Tensor:
        """Images ``(B, C, H, W)`` of one sprite at the numbered ``positions (B,)``."""
        rows = positions // self.columns * self._stride
        columns = positions % self.columns * self._stride
        drawn = self._windows(self.sprites.colour[sprite], rows, columns)
        if self._background is None:
            return drawn
        covered = self._windows(self.sprites.alpha[sprite], rows, columns)
        return self._background * (1 - covered) + drawn

    def _windows(self, picture: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        down, across = self._height - self.sprites.side, self._width - self.sprites.side
        plane = F.pad(picture, (across, across, down, down))
        windows = plane.unfold(1, self._height, 1).unfold(2, self._width, 1).permute(1, 2, 0, 3, 4)
        return windows[down - rows, across - columns]  # the further down the sprite, the higher up the window


def make_background(kind: Background, image_shape: tuple[int, int, int], seed: int) -> Tensor | None:
    """What lies behind the sprites, ``(C, H, W)``, the same on all canvases; None is black.

    ``"grey"``: 0.5 everywhere. ``"noise"``: 8 x 8 uniform random values in [0, 1] a channel, bilinearly enlarged.
    """
    if kind == "zero":
        return None
    if kind == "grey":
        return torch.full(image_shape, 0.5)
    channels, *size = image_shape
    cells = np.random.default_rng(seed).random((1, channels, _CELLS, _CELLS), np.float32)
    return F.interpolate(torch.from_numpy(cells), size=size, mode="bilinear", align_corners=False)[0]
