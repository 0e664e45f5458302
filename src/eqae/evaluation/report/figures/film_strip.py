"""Rows of small images as one picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from eqae.evaluation.report.markup import Markup, tag
from eqae.evaluation.report.picture import png_uri

_TILE = 64  # pixels; smaller images are enlarged by a whole factor
_GAP = 4
_PALETTE = 128


def film_strip(images: NDArray[np.uint8], alt: str) -> Markup:
    """Images ``(rows, columns, C, H, W)``, C = 1 or 3, side by side and below each other on white."""
    rows, columns, channels, height, width = images.shape
    factor = max(1, _TILE // max(height, width))
    tiles = images.repeat(factor, axis=3).repeat(factor, axis=4)
    down, across = tiles.shape[3] + _GAP, tiles.shape[4] + _GAP
    sheet = np.full((channels, rows * down - _GAP, columns * across - _GAP), 255, np.uint8)
    for row in range(rows):
        for column in range(columns):
            top, left = row * down, column * across
            sheet[:, top : top + tiles.shape[3], left : left + tiles.shape[4]] = tiles[row, column]
    if channels == 1:
        return tag("img", src=png_uri(Image.fromarray(sheet[0])), alt=alt)
    return tag("img", src=png_uri(Image.fromarray(sheet.transpose(1, 2, 0)).quantize(_PALETTE)), alt=alt)
