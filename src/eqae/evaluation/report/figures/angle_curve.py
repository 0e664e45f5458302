"""How far features move, by the angle the image is turned by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator
from numpy.typing import NDArray

from eqae.evaluation.report.markup import Markup
from eqae.evaluation.report.picture import line_drawing

_LOWEST = 1e-9


def angle_curve(curves: Mapping[str, Mapping[str, Any]], colours: Mapping[str, str]) -> Markup:
    """Relative invariance error against angle, log scale, every model in its colour.

    Args:
        curves: by model, ``angles`` (degrees), ``error``, ``floor`` (dotted) and ``untrained`` (None or a list; drawn
            faintly for the first model alone).
        colours: hex colour of each model.
    """

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for place, (model, curve) in enumerate(curves.items()):
            _model(axes, curve, colours[model], untrained=place == 0, zorder=3 + len(curves) - place)
        _dress(axes, ticks=45 if figure.get_figwidth() > 6 else 90)

    alt = "Relative invariance error against the angle of turn, one curve a model, logarithmic scale."
    return line_drawing(draw, alt, wide=(10.0, 4.1), narrow=(4.0, 3.7))


def _model(axes: Axes, curve: Mapping[str, Any], colour: str, *, untrained: bool, zorder: float) -> None:
    angles = np.asarray(curve["angles"], dtype=float)
    axes.plot(angles, _positive(curve["error"]), color=colour, lw=1.7, zorder=zorder, solid_joinstyle="round")
    if curve.get("floor") is not None:
        axes.plot(angles, _positive(curve["floor"]), ":", color=colour, lw=1.2, alpha=0.75, zorder=2)
    if untrained and curve.get("untrained") is not None:
        axes.plot(angles, _positive(curve["untrained"]), color=colour, lw=3.2, alpha=0.22, zorder=2)


def _dress(axes: Axes, ticks: int) -> None:
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, _LOWEST), high)
    axes.yaxis.set_major_locator(LogLocator(numticks=8))
    axes.minorticks_off()
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0e}")
    axes.set_xlim(0, 360)
    axes.set_xticks(range(0, 361, ticks))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}°")
    axes.grid()
    axes.tick_params(length=0)
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.set_title("Relative invariance error")


def _positive(values: Any) -> NDArray[np.float64]:
    """Zeros, as at no turn at all, have no place on a log scale: they become gaps."""
    array = np.asarray(values, dtype=float)
    return np.where(array > 0, array, np.nan)
