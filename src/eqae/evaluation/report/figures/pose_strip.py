"""Images side by side as one picture."""

from __future__ import annotations

import numpy as np
from PIL import Image
from torch import Tensor

from eqae.evaluation.report.markup import Markup, tag
from eqae.evaluation.report.picture import png_uri

_TILE = 112  # pixels; smaller images are enlarged by a whole factor, larger ones are reduced
_GAP = 6


def pose_strip(images: Tensor, alt: str) -> Markup:
    """Images ``(N, C, H, W)`` in [0, 1], C = 1 or 3, from left to right on white."""
    tiles = [_tile(image) for image in images]
    width, height = tiles[0].size
    strip = Image.new("RGB", (len(tiles) * (width + _GAP) - _GAP, height), "white")
    for place, tile in enumerate(tiles):
        strip.paste(tile, (place * (width + _GAP), 0))
    shown = strip if images.shape[1] == 3 else strip.convert("L")
    return tag("img", src=png_uri(shown), alt=alt)


def _tile(image: Tensor) -> Image.Image:
    pixels = image.detach().float().nan_to_num().clamp(0, 1).mul(255).round().byte().cpu().numpy()
    array = np.broadcast_to(pixels, (3, *pixels.shape[1:])).transpose(1, 2, 0)
    picture = Image.fromarray(np.ascontiguousarray(array))
    width, height = picture.size
    if max(width, height) > _TILE:
        factor = _TILE / max(width, height)
        size = max(1, round(width * factor)), max(1, round(height * factor))
        return picture.resize(size, Image.Resampling.LANCZOS)
    factor = _TILE // max(width, height)
    return picture.resize((width * factor, height * factor), Image.Resampling.NEAREST)
