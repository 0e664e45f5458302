"""From a matplotlib drawing to a picture inside the page: no file beside it, and none of matplotlib's global state."""

from __future__ import annotations

import warnings
from base64 import b64encode
from collections.abc import Callable
from io import BytesIO
from typing import Any

import matplotlib
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from PIL import Image

from eqae.evaluation.report.colours import GRID, INK, MUTED
from eqae.evaluation.report.markup import Markup, tag

Draw = Callable[[Figure], None]
Inches = tuple[float, float]

_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.edgecolor": GRID,
    "axes.labelcolor": MUTED,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "xtick.color": GRID,
    "ytick.color": GRID,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "text.color": INK,
    "text.parse_math": False,  # a model or class may be called "$x$"
    "svg.fonttype": "none",  # text stays text: small, sharp, and set in the fonts of the page
    "svg.hashsalt": "eqae",  # the same results give the same bytes
}
_PAGE_FONTS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
_DOTS_PER_INCH = 192  # two dots a CSS pixel
_PALETTE = 128  # colours of a PNG; flat drawings lose nothing that can be seen


def line_drawing(draw: Draw, alt: str, wide: Inches, narrow: Inches) -> Markup:
    """A drawing of lines and words as SVG, in two sizes (inches): one for desks and print, one for phones."""
    return tag(
        "picture",
        tag("source", media="screen and (max-width: 600px)", srcset=_svg(draw, narrow)),
        tag("img", src=_svg(draw, wide), alt=alt),
    )


def dense_drawing(draw: Draw, alt: str, size: Inches) -> Markup:
    """A drawing of many points or cells as PNG of ``size`` inches."""
    buffer = BytesIO()
    _render(draw, size, buffer, "png")
    buffer.seek(0)
    with Image.open(buffer) as image:
        return tag("img", src=png_uri(image.convert("RGB").quantize(_PALETTE)), alt=alt)


def png_uri(image: Image.Image) -> str:
    """An image as a ``data:`` URI."""
    buffer = BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return f"data:image/png;base64,{b64encode(buffer.getvalue()).decode()}"


def _svg(draw: Draw, size: Inches) -> str:
    buffer = BytesIO()
    _render(draw, size, buffer, "svg")
    text = buffer.getvalue().decode().replace("'DejaVu Sans'", _PAGE_FONTS)
    return f"data:image/svg+xml;base64,{b64encode(text.encode()).decode()}"


def _render(draw: Draw, size: Inches, target: BytesIO, kind: str) -> None:
    with matplotlib.rc_context(_STYLE), warnings.catch_warnings():
        # Letters that DejaVu lacks are measured as boxes but shown in the reader's own fonts.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.02, hspace=0.06))
        draw(figure)
        metadata = {"Date": None} if kind == "svg" else {"Software": None}
        figure.savefig(target, format=kind, dpi=_DOTS_PER_INCH, metadata=metadata)
