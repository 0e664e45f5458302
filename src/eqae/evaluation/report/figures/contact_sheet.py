"""A cluster at a glance: the image in its middle, those around it, and those at its edge, as one picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from eqae.evaluation.clusters import FARTHEST, NEAREST
from eqae.evaluation.report.colours import INK
from eqae.evaluation.report.markup import Markup, tag
from eqae.evaluation.report.picture import png_uri

_TILE = 64
_FILLED = 0.8
_GAP = 4
_ROWS = 2
_FRAME = 3
_ASIDE = 20  # between the nearest and the farthest
_PALETTE = 128

Pixels = NDArray[np.uint8]


def contact_sheet(medoid: Pixels, nearest: Sequence[Pixels], farthest: Sequence[Pixels], alt: str) -> Markup:
    """The medoid, framed and twice as large, then two rows of the nearest, then two rows of the farthest.

    Args:
        medoid: ``(C, H, W)``, C = 1 or 3.
        nearest: in the order of the rows; where there are fewer than a cluster may show, their room stays empty, so
            that all sheets of a page have one scale.
        farthest: likewise.
        alt: what the picture shows.
    """
    step, large = _TILE + _GAP, _ROWS * (_TILE + _GAP) - _GAP
    across, beyond = NEAREST // _ROWS, FARTHEST // _ROWS
    left = large + 2 * _FRAME + 2 * _GAP
    right = left + across * step + _ASIDE
    sheet = Image.new("RGB", (right + beyond * step - _GAP, large + 2 * _FRAME), "white")
    ImageDraw.Draw(sheet).rectangle((0, 0, large + 2 * _FRAME - 1, large + 2 * _FRAME - 1), outline=INK, width=_FRAME)
    _paste(sheet, medoid, _FRAME, _FRAME, large)
    for images, start, columns in ((nearest, left, across), (farthest, right, beyond)):
        for place, image in enumerate(images):
            row, column = divmod(place, columns)
            _paste(sheet, image, start + column * step, _FRAME + row * step, _TILE)
    return tag("img", src=png_uri(sheet.convert("L") if len(medoid) == 1 else sheet.quantize(_PALETTE)), alt=alt)


def _paste(sheet: Image.Image, image: Pixels, left: int, top: int, side: int) -> None:
    """Put an image into the middle of a square."""
    coloured = np.broadcast_to(image, (3, *image.shape[1:])).transpose(1, 2, 0)
    tile = _fitted(Image.fromarray(np.ascontiguousarray(coloured)), side)
    sheet.paste(tile, (left + (side - tile.width) // 2, top + (side - tile.height) // 2))


def _fitted(image: Image.Image, side: int) -> Image.Image:
    """Enlarged by a whole factor, which keeps pixels sharp, where that fills the square well; else interpolated."""
    longest = max(image.size)
    factor = side // longest
    if factor * longest >= _FILLED * side:
        return image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)
    size = max(1, round(image.width * side / longest)), max(1, round(image.height * side / longest))
    return image.resize(size, Image.Resampling.LANCZOS)
