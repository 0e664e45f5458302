"""A quantity around the circle, by the angle the image is turned by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
from matplotlib.figure import Figure
from matplotlib.projections.polar import PolarAxes
from matplotlib.ticker import MaxNLocator

from eqae.evaluation.report.markup import Markup
from eqae.evaluation.report.picture import line_drawing

Curves = Mapping[str, Mapping[str, Any]]

_FEWEST_FOR_A_LINE = 5


def orbit_polar(curves: Curves, colours: Mapping[str, str]) -> Markup:
    """Mean cosine by angle: 1 on the rim, one curve a model, and a dashed circle at its control level.

    Args:
        curves: by model, ``angles`` (degrees, rising from 0) and ``cosine``; ``mirrored_angles`` and
            ``mirrored_cosine``, drawn as rings; ``floor``, the control level, or None.
        colours: hex colour of each model.
    """
    lowest = min(_lowest(curve) for curve in curves.values())
    inner = np.floor(10 * lowest - 1) / 10

    def draw(figure: Figure) -> None:
        axes = cast(PolarAxes, figure.add_subplot(projection="polar"))
        for place, (model, curve) in enumerate(curves.items()):
            _curve(axes, curve, colours[model], zorder=3 + len(curves) - place)
        axes.set_ylim(inner, 1.02)
        ticks = [tick for tick in MaxNLocator(4).tick_values(inner, 1) if inner < tick <= 1]
        axes.set_yticks(ticks, [f"{tick:.2g}" for tick in ticks], fontsize=7.5)
        axes.set_rlabel_position(22.5)
        axes.spines["polar"].set_visible(False)
        axes.xaxis.set_major_formatter(lambda value, _: f"{np.rad2deg(value):g}°")

    alt = "Mean cosine between features of an image and of its turned copies, by angle, one closed curve a model."
    return line_drawing(draw, alt, wide=(10.0, 4.6), narrow=(4.0, 4.0))


def _curve(axes: PolarAxes, curve: Mapping[str, Any], colour: str, zorder: float) -> None:
    angles, cosine = (list(curve[key]) for key in ("angles", "cosine"))
    if len(angles) >= _FEWEST_FOR_A_LINE:
        axes.plot(np.deg2rad([*angles, angles[0]]), [*cosine, cosine[0]], color=colour, lw=1.7, zorder=zorder)
    else:
        axes.plot(np.deg2rad(angles), cosine, "o", color=colour, ms=5, zorder=zorder)
    rings = np.deg2rad(curve["mirrored_angles"])
    axes.plot(
        rings, curve["mirrored_cosine"], "o", mfc="white", mec=colour, mew=1.2, ms=5, zorder=zorder, clip_on=False
    )
    if curve["floor"] is not None:
        round_ = np.linspace(0, 2 * np.pi, 181)
        axes.plot(round_, np.full(181, curve["floor"]), "--", color=colour, lw=1, zorder=2)


def _lowest(curve: Mapping[str, Any]) -> float:
    floor = [] if curve["floor"] is None else [curve["floor"]]
    return float(min([*curve["cosine"], *curve["mirrored_cosine"], *floor]))
