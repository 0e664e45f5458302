"""Reliability diagrams: how often a classifier is right when it says that it is so sure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from eqae.evaluation.report.colours import GRID, MUTED
from eqae.evaluation.report.markup import Markup
from eqae.evaluation.report.picture import line_drawing

_LARGEST = 110  # area, in square points, of the dot of a bin that holds all images


def reliability(drawing: Mapping[str, Any], colour: str, alt: str) -> Markup:
    """Accuracy against confidence by bin: hollow as fitted, filled after temperature scaling.

    Args:
        drawing: ``confidence``, ``accuracy`` and ``images`` by bin, and the same with ``scaled_`` before them. The area
            of a dot is the share of the images in its bin.
        colour: of the model.
        alt: the picture in words.
    """

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], color=GRID, lw=1.2, zorder=1)
        _bins(axes, drawing, "", colour, filled=False)
        _bins(axes, drawing, "scaled_", colour, filled=True)
        axes.set(xlim=(-0.04, 1.06), ylim=(-0.04, 1.06), aspect="equal", xlabel="confidence", ylabel="accuracy")
        axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
        axes.set_yticks([0, 0.5, 1], ["0", "0.5", "1"])
        axes.tick_params(length=0)
        axes.spines[["left", "bottom"]].set_color(GRID)

    return line_drawing(draw, alt, wide=(2.4, 2.4), narrow=(2.0, 2.0))


def _bins(axes: Axes, drawing: Mapping[str, Any], prefix: str, colour: str, *, filled: bool) -> None:
    confidence, accuracy, images = (
        _numbers(drawing[f"{prefix}{name}"]) for name in ("confidence", "accuracy", "images")
    )
    known = np.isfinite(confidence) & np.isfinite(accuracy) & (images > 0)
    area = 6 + _LARGEST * images[known] / max(images.sum(), 1)
    edge, face = (colour, colour) if filled else (MUTED, "none")
    axes.plot(confidence[known], accuracy[known], color=edge, lw=0.9, alpha=0.7, zorder=3 if filled else 2)
    axes.scatter(confidence[known], accuracy[known], s=area, facecolors=face, edgecolors=edge, lw=0.9,
                 alpha=0.85, zorder=3 if filled else 2)  # fmt: skip


def _numbers(values: Any) -> NDArray[np.float64]:
    """Also of what was read back from a file, where NaN is None."""
    return np.array([np.nan if value is None else value for value in values], np.float64)
