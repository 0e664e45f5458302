"""How far from the decision boundary right and wrong answers lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from eqae.evaluation.report.colours import MUTED
from eqae.evaluation.report.markup import Markup
from eqae.evaluation.report.picture import line_drawing

_WRONG = "#D55E00"


def boundary_histogram(drawing: Mapping[str, Any], alt: str) -> Markup:
    """Shares of the right answers (grey) and of the wrong ones (outlined) by distance to the boundary.

    Args:
        drawing: ``edges`` of the bins, and how many images are in each: ``correct`` and ``wrong``.
        alt: words for those who do not see it.
    """
    edges = np.asarray(drawing["edges"], dtype=float)

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.stairs(_shares(drawing["correct"]), edges, fill=True, color=MUTED, alpha=0.35, lw=0)
        axes.stairs(_shares(drawing["wrong"]), edges, color=_WRONG, lw=1.4)
        axes.set_yticks([])
        axes.set_xlim(0, edges[-1])
        axes.locator_params(axis="x", nbins=4)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.tick_params(length=0, labelsize=7.5)
        axes.spines["left"].set_visible(False)

    return line_drawing(draw, alt, wide=(2.6, 1.4), narrow=(2.2, 1.4))


def _shares(counts: Sequence[int]) -> np.ndarray[Any, np.dtype[np.float64]]:
    values = np.asarray(counts, dtype=np.float64)
    return values / max(values.sum(), 1.0)
