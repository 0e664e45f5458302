"""Hull statistics against dimension, next to their controls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from eqae.evaluation.report.markup import Markup
from eqae.evaluation.report.picture import line_drawing

_STYLES = {"features": "-", "gaussian": "--", "permuted": ":"}
_TITLES = {"distance": "Distance to the hull / median distance", "inside": "Share of test images inside"}


def hull_curves(tables: Mapping[str, Mapping[str, Any]], colours: Mapping[str, str]) -> Markup:
    """Distance to the hull and share inside, by the number of dimensions: features and controls of every model.

    Args:
        tables: by model, ``dimensions``, and ``distance`` and ``inside``, each with a list for ``features``,
            ``gaussian`` and ``permuted``.
        colours: hex colour of each model.
    """

    def draw(figure: Figure) -> None:
        wide = figure.get_figwidth() > 6
        grid = figure.subplots(1, 2) if wide else figure.subplots(2, 1)
        for axes, (quantity, title) in zip(grid, _TITLES.items(), strict=True):
            for model, table in tables.items():
                _curves(axes, table, quantity, colours[model])
            _dress(axes, tables, title)

    alt = (
        "Mean distance of test images to the convex hull of the training images, and the share of them inside, by "
        "dimension; one colour a model, broken lines for the controls."
    )
    return line_drawing(draw, alt, wide=(10.0, 2.9), narrow=(4.0, 5.2))


def _curves(axes: Axes, table: Mapping[str, Any], quantity: str, colour: str) -> None:
    for cloud, style in _STYLES.items():
        own = cloud == "features"
        axes.plot(
            table["dimensions"], table[quantity][cloud], style, color=colour, lw=1.8 if own else 1.1,
            marker="o" if own else None, ms=4, mec="white", mew=0.6, zorder=3 if own else 2,
        )  # fmt: skip


def _dress(axes: Axes, tables: Mapping[str, Mapping[str, Any]], title: str) -> None:
    measured = sorted({dimension for table in tables.values() for dimension in table["dimensions"]})
    axes.set_xscale("log", base=2)
    axes.set_xticks(measured, [str(dimension) for dimension in measured])
    axes.minorticks_off()
    axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
    axes.set_xlabel("dimensions")
    axes.set_title(title)
    axes.grid(axis="y")
    axes.tick_params(length=0)
    axes.spines[["left", "bottom"]].set_visible(False)
