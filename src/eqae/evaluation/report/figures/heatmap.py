"""Maps of numbers side by side, on a colour scale that other pictures may share."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from eqae.evaluation.report.markup import Markup, tag
from eqae.evaluation.report.picture import png_uri

Maps = Mapping[str, NDArray[np.floating]]
Cell = tuple[int, int]
Scale = tuple[float, float]
Pixels = NDArray[np.uint8]

_SIDE = 180  # pixels; smaller maps are enlarged by a whole factor
_GAP = 8
_BAR = (240, 10)  # pixels across and down

# Colours by number: 0 to 253 are the scale, then what lies around it. A palette of its own keeps colours exact, so
# that one means the same number in every picture.
_LEVELS = 254
_WHITE, _BLACK = 254, 255


def heatmaps(maps: Maps, scale: Scale, alt: str, marks: Mapping[str, Cell] | None = None) -> Markup:
    """Heatmaps from left to right, white where a value is not finite.

    Args:
        maps: ``(rows, columns)`` each, all of one shape, by name.
        scale: lowest and highest value of the colours; give all pictures that are compared the same one.
        alt: what the picture shows, in words.
        marks: by name, the row and column of a cell to be ringed.
    """
    panels = [_panel(values, scale, (marks or {}).get(name)) for name, values in maps.items()]
    gap = np.full((len(panels[0]), _GAP), _WHITE, np.uint8)
    spaced = [part for panel in panels for part in (gap, panel)][1:]
    return tag("img", src=_coloured(np.concatenate(spaced, axis=1)), alt=alt)


def colour_bar(scale: Scale) -> Markup:
    """The colours of ``scale`` from its lowest to its highest value, with both written beside."""
    low, high = scale
    width, height = _BAR
    colours = np.broadcast_to(np.linspace(0, _LEVELS - 1, width).round().astype(np.uint8), (height, width))
    bar = tag("img", src=_coloured(colours), alt="Colour scale.", style=f"width:{width}px")
    return tag("p", tag("span", f"{low:.2f}"), bar, tag("span", f"{high:.2f}"), class_="legend")


def shared_scale(maps: Mapping[str, Maps], highest: float | None = None) -> Scale:
    """Lowest and highest finite value of all maps of all models; ``highest`` instead where it is given."""
    values = np.concatenate([np.ravel(values) for row in maps.values() for values in row.values()])
    values = values[np.isfinite(values)]
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    high = high if highest is None else highest
    return min(low, high - 0.01), high  # a constant still needs a scale of some width


def _panel(values: NDArray[np.floating], scale: Scale, mark: Cell | None) -> Pixels:
    low, high = scale
    shares = np.clip((np.nan_to_num(values) - low) / (high - low), 0, 1)
    numbers = np.where(np.isfinite(values), np.round(shares * (_LEVELS - 1)), _WHITE).astype(np.uint8)
    factor = max(1, _SIDE // max(values.shape))
    enlarged = numbers.repeat(factor, 0).repeat(factor, 1)
    if mark is not None:
        enlarged[_ring(enlarged.shape, [(place + 0.5) * factor - 0.5 for place in mark])] = _BLACK
    return enlarged


def _ring(shape: tuple[int, ...], centre: list[float]) -> NDArray[np.bool_]:
    """A ring that stays inside the picture, wherever its middle is."""
    radius = _SIDE / 36
    middle = [min(max(c, radius), side - 1 - radius) for c, side in zip(centre, shape, strict=True)]
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    distance = np.hypot(rows - middle[0], columns - middle[1])
    ring: NDArray[np.bool_] = np.abs(distance - radius + 1) <= 1
    return ring


def _coloured(numbers: Pixels) -> str:
    colours = matplotlib.colormaps["viridis"](np.linspace(0, 1, _LEVELS))[:, :3]
    palette = np.concatenate([np.round(255 * colours), [[255.0] * 3, [0.0] * 3]]).astype(np.uint8)
    image = Image.fromarray(np.ascontiguousarray(numbers))
    image.putpalette(palette.tobytes())
    return png_uri(image)
