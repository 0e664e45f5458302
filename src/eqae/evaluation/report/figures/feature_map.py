"""Features laid out in the plane, one dot an image, coloured by class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from eqae.evaluation.report.colours import CLASSES, GRID, MUTED, OTHER
from eqae.evaluation.report.markup import Markup
from eqae.evaluation.report.picture import dense_drawing


def feature_map(points: NDArray[np.floating], labels: NDArray[np.integer], shown: Sequence[int], alt: str) -> Markup:
    """A scatter of ``points`` ``(n, 2)``; the classes in ``shown`` have colours, all others are grey."""
    colours = np.full(len(points), OTHER, dtype=object)
    for label, colour in class_colours(shown).items():
        colours[np.asarray(labels) == label] = colour
    if not shown:
        colours[:] = MUTED
    # In shuffled order no class lies on top of the others; what is grey lies below them all.
    order = np.random.default_rng(0).permutation(len(points))
    order = order[np.argsort(colours[order] != OTHER, kind="stable")]

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        size = float(np.clip(8000 / max(len(points), 1), 4, 16))
        across, up = np.asarray(points)[order].T
        axes.scatter(across, up, c=list(colours[order]), s=size, alpha=0.8, lw=0)
        axes.set_aspect("equal", adjustable="datalim")
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set_visible(True)
        axes.spines[:].set_color(GRID)

    return dense_drawing(draw, alt, size=(2.6, 2.6))


def largest_classes(labels: NDArray[np.integer]) -> list[int]:
    """The classes that get a colour: the ten with most images, in label order; none where nothing is labelled."""
    found, counts = np.unique(labels[labels >= 0], return_counts=True)
    largest = found[np.argsort(-counts, kind="stable")[: len(CLASSES)]]
    return sorted(int(label) for label in largest)


def class_colours(shown: Sequence[int]) -> dict[int, str]:
    """The colour of each class that has one."""
    return dict(zip(shown, CLASSES, strict=False))
