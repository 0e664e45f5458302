"""How far features move, by the angle the image is turned by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, NullLocator
from numpy.typing import NDArray

from eqae.evaluation.report.markup import Markup
from eqae.evaluation.report.picture import line_drawing
from eqae.evaluation.report.standings import ROUNDING

Curves = Mapping[str, Mapping[str, Any]]
FloatArray = NDArray[np.float64]

_DODGE = 3.5  # degrees between the dots of two models


def angle_curve(curves: Curves, colours: Mapping[str, str]) -> Markup:
    """Relative invariance error against angle, every model in its colour, on a log scale that is broken between what
    is rounding and what is not: seven empty decades would flatten the curves.

    Args:
        curves: by model, ``angles`` (degrees), ``error``, ``floor`` (None or dotted) and ``untrained`` (None, or drawn
            broad and faint for the first model alone).
        colours: hex colour of each model.
    """
    exact = [model for model, curve in curves.items() if (_rounding(curve["error"]) > 0).any()]

    def draw(figure: Figure) -> None:
        grid = figure.subplots(
            2 if exact else 1, 1, sharex=True, squeeze=False, height_ratios=[4, 1] if exact else None
        )
        for place, (model, curve) in enumerate(curves.items()):
            _lines(grid[0, 0], curve, colours[model], first=place == 0, zorder=3 + len(curves) - place)
        _dress_upper(grid[0, 0])
        for place, model in enumerate(exact):
            shift = _DODGE * (place - (len(exact) - 1) / 2)
            _dots(grid[1, 0], curves[model], colours[model], shift)
        if exact:
            _dress_lower(grid[1, 0])
        _dress_angles(grid[-1, 0], step=45 if figure.get_figwidth() > 6 else 90)

    alt = "Relative invariance error against the angle of turn, one curve a model, logarithmic scale."
    return line_drawing(draw, alt, wide=(10.0, 4.4), narrow=(4.0, 4.2))


def _lines(axes: Axes, curve: Mapping[str, Any], colour: str, *, first: bool, zorder: float) -> None:
    angles = np.asarray(curve["angles"], dtype=float)
    axes.plot(angles, _above(curve["error"]), color=colour, lw=1.7, zorder=zorder, solid_joinstyle="round")
    if curve.get("floor") is not None:
        axes.plot(angles, _above(curve["floor"]), ":", color=colour, lw=1.2, zorder=2)
    if first and curve.get("untrained") is not None:
        axes.plot(angles, _above(curve["untrained"]), color=colour, lw=4, alpha=0.2, zorder=2, solid_capstyle="butt")


def _dots(axes: Axes, curve: Mapping[str, Any], colour: str, shift: float) -> None:
    angles, error = np.asarray(curve["angles"], dtype=float), _rounding(curve["error"])
    axes.plot(angles[error > 0] + shift, error[error > 0], "o", color=colour, ms=5, mec="white", mew=0.7)


def _dress_upper(axes: Axes) -> None:
    _dress(axes)
    axes.set_title("Relative invariance error")
    low, high = axes.get_ylim()
    decades = np.log10(high / low)
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if decades < 3 else (1,)))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")


def _dress_lower(axes: Axes) -> None:
    _dress(axes)
    axes.set_ylim(1e-9, ROUNDING)
    axes.set_yticks([1e-8, 1e-6])
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0e}")
    axes.set_title("Rounding", fontweight="normal")


def _dress_angles(axes: Axes, step: int) -> None:
    axes.set_xlim(-6, 366)
    axes.set_xticks(range(0, 361, step))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}°")


def _dress(axes: Axes) -> None:
    axes.set_yscale("log")
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.grid()
    axes.tick_params(length=0)
    axes.spines[["left", "bottom"]].set_visible(False)


def _above(values: Any) -> FloatArray:
    """Errors that are more than rounding; gaps elsewhere."""
    array = np.asarray(values, dtype=float)
    return np.where(array >= ROUNDING, array, np.nan)


def _rounding(values: Any) -> FloatArray:
    """Errors that are rounding; 0 elsewhere and where the image was not turned at all."""
    array = np.nan_to_num(np.asarray(values, dtype=float))
    return np.where(array < ROUNDING, np.maximum(array, 0), 0.0)
