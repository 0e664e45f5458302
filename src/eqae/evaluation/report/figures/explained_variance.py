"""How much of the variance of the features so many principal components explain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, NullLocator

from eqae.evaluation.report.markup import Markup
from eqae.evaluation.report.picture import line_drawing

_MARKED = 0.95


def explained_variance(curves: Mapping[str, Mapping[str, Any]], colours: Mapping[str, str]) -> Markup:
    """Cumulative explained variance against the number of components, logarithmic, every model in its colour.

    Args:
        curves: by model, ``components`` and ``share``.
        colours: hex colour of each model.
    """

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.axhline(_MARKED, color="#9aa0a6", lw=1, ls=":")
        for place, (model, curve) in enumerate(curves.items()):
            style = "o-" if len(curve["components"]) == 1 else "-"
            axes.plot(curve["components"], curve["share"], style, color=colours[model], lw=1.7, zorder=3 - place / 100)
        _dress(axes)

    alt = "Share of the variance explained against the number of principal components, one curve a model."
    return line_drawing(draw, alt, wide=(10.0, 3.6), narrow=(4.0, 3.4))


def _dress(axes: Axes) -> None:
    axes.set_xscale("log")
    axes.set_ylim(0, 1.02)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
    axes.set_title("Variance explained")
    axes.set_xlabel("Principal components")
    axes.grid()
    axes.tick_params(length=0)
    axes.spines[["left", "bottom"]].set_visible(False)
