"""Colours that colour-blind readers can tell apart, and that mean the same model everywhere on the page."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import cycle

INK = "#22262b"
MUTED = "#6b7280"
GRID = "#e3e5e8"
OTHER = "#c9ccd1"

# Okabe & Ito, "Color universal design" (2008), without its yellow, which is too pale for lines on white; then three of
# Paul Tol's "muted" set for the eighth model and on.
_MODELS = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#4D4D4D", "#882255", "#999933", "#332288",
)  # fmt: skip

# Petroff, "Accessible color sequences for data visualization" (arXiv:2107.02270), the sequence of ten.
CLASSES = (
    "#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6", "#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd",
)  # fmt: skip


def model_colours(labels: Iterable[str]) -> dict[str, str]:
    """One hex colour a model, in order; the eleventh model starts over."""
    return dict(zip(labels, cycle(_MODELS), strict=False))
