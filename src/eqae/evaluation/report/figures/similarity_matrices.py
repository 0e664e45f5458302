"""Similarity matrices of images sorted by class: blocks on the diagonal are classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from eqae.evaluation.report.colours import GRID
from eqae.evaluation.report.markup import Markup
from eqae.evaluation.report.picture import dense_drawing

_SHADES = LinearSegmentedColormap.from_list("similarity", ["#ffffff", "#9cc3e0", "#0b3c66"])
_MOST_NAMED = 12
_LONGEST_NAME = 9


def similarity_matrices(
    matrices: Mapping[str, NDArray[np.floating]],
    labels: Sequence[int],
    classes: Sequence[str],
    scale: tuple[float, float],
    alt: str,
) -> Markup:
    """Square matrices side by side, darker where images are more alike.

    Args:
        matrices: by title, ``(n, n)``.
        labels: of the images, in rising order; -1 where unknown.
        classes: names in label order; they stand beside the matrices where they are few and short.
        scale: what is white and what is darkest.
        alt: what the picture shows, in words.
    """

    def draw(figure: Figure) -> None:
        for place, (axes, (title, matrix)) in enumerate(
            zip(np.atleast_1d(figure.subplots(1, len(matrices))), matrices.items(), strict=True)
        ):
            axes.imshow(matrix, cmap=_SHADES, vmin=scale[0], vmax=scale[1], interpolation="nearest")
            axes.set_title(title, fontsize=8)
            _name_classes(axes, labels, classes, beside=place == 0)

    return dense_drawing(draw, alt, size=(3.7, 2.0))


def _name_classes(axes: Axes, labels: Sequence[int], classes: Sequence[str], *, beside: bool) -> None:
    known = [label for label in dict.fromkeys(labels) if 0 <= label < len(classes)]
    names = [classes[label] for label in known]
    if len(names) > _MOST_NAMED or max(map(len, names), default=0) > _LONGEST_NAME:
        known, names = [], []
    middles = [float(np.flatnonzero(np.asarray(labels) == label).mean()) for label in known]
    axes.set_xticks([])
    axes.set_yticks(middles, names if beside else [""] * len(names), fontsize=6)
    axes.tick_params(length=0, pad=2)
    axes.spines[:].set_visible(True)
    axes.spines[:].set_color(GRID)
