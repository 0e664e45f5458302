"""Confusion matrices: which class is taken for which."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.colors import LinearSegmentedColormap, PowerNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from eqae.evaluation.report.colours import GRID
from eqae.evaluation.report.markup import Markup
from eqae.evaluation.report.picture import dense_drawing

_MOST_NAMED = 12
_LONGEST_NAME = 9
_SHADES = LinearSegmentedColormap.from_list("shades", ["#ffffff", "#9cc3e0", "#0b3c66"])


def confusion(matrix: NDArray[np.integer], classes: Sequence[str], alt: str) -> Markup:
    """Rows are true classes, columns what was said; shades are shares of a row, on a square-root scale so that
    rare mistakes can be seen. Class names stand beside the matrix where they are few and short.
    """
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.imshow(shares, cmap=_SHADES, norm=PowerNorm(0.5, 0, 1), interpolation="nearest")
        named = len(classes) <= _MOST_NAMED and max(map(len, classes), default=0) <= _LONGEST_NAME
        names = list(classes) if named else []
        places = range(len(names))
        upright = max(map(len, names), default=0) <= 2
        axes.set_xticks(places, names, fontsize=7.5, rotation=0 if upright else 90)
        axes.set_yticks(places, names, fontsize=7.5)
        axes.tick_params(length=0, pad=2)
        axes.spines[:].set_visible(True)
        axes.spines[:].set_color(GRID)

    return dense_drawing(draw, alt, size=(2.6, 2.6))


def worst_mistake(matrix: NDArray[np.integer]) -> tuple[int, int, int] | None:
    """``(true, said, images)`` of the largest entry off the diagonal; None where there is no mistake."""
    mistakes = np.array(matrix, copy=True)
    np.fill_diagonal(mistakes, 0)
    if mistakes.size == 0 or mistakes.max() <= 0:
        return None
    true, said = np.unravel_index(int(mistakes.argmax()), mistakes.shape)
    return int(true), int(said), int(mistakes[true, said])
