"""Key figures of every model with their intervals, one panel a figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from eqae.evaluation.report.colours import INK
from eqae.evaluation.report.markup import Markup
from eqae.evaluation.report.number_text import is_number
from eqae.evaluation.report.picture import line_drawing
from eqae.evaluation.report.standings import ranking
from eqae.evaluation.report.vocabulary import metric_wording

if TYPE_CHECKING:
    from eqae.evaluation.row import Row

_LONGEST_LABEL = 26


def dot_plot(panels: Mapping[str, Mapping[str, Row]], colours: Mapping[str, str]) -> Markup:
    """Accuracies in percent by model.

    Args:
        panels: by metric name, the row of each model.
        colours: hex colour of each model; its order is the order of the models from top to bottom.
    """
    height = 0.62 + 0.23 * len(colours)

    def draw(figure: Figure) -> None:
        across = len(panels) if figure.get_figwidth() > 6 else 1
        grid = figure.subplots(-(-len(panels) // across), across, squeeze=False)
        for place, (axes, (metric, rows)) in enumerate(zip(grid.flat, panels.items(), strict=True)):
            _panel(axes, metric, rows, colours, names=place % across == 0)

    titles = ", ".join(metric_wording(metric).title for metric in panels)
    alt = f"Dot plot with 95 % intervals by model: {titles}. The numbers stand in the table above."
    return line_drawing(draw, alt, wide=(10.0, height), narrow=(4.0, height * len(panels)))


def shortened(label: str, longest: int = _LONGEST_LABEL) -> str:
    """A label for a drawing, cut at ``longest`` characters."""
    return label if len(label) <= longest else f"{label[: longest - 1]}…"


def _panel(axes: Axes, metric: str, rows: Mapping[str, Row], colours: Mapping[str, str], names: bool) -> None:
    _shade_best(axes, list(rows.values()))
    for height, (model, colour) in enumerate(colours.items()):
        row = rows.get(model)
        if row is None or not is_number(row.value):
            continue
        if is_number(row.low) and is_number(row.high):
            axes.plot([100 * (row.low or 0), 100 * (row.high or 0)], [height, height], color=colour, lw=1.6)
        axes.plot([100 * row.value], [height], "o", color=colour, ms=5.5, mec="white", mew=0.8)
    labels = [shortened(model) if names else "" for model in colours]
    axes.set_yticks(range(len(colours)), labels)
    axes.set_ylim(len(colours) - 0.4, -0.6)
    axes.margins(x=0.08)
    axes.locator_params(axis="x", nbins=4, min_n_ticks=2)
    axes.set_title(metric_wording(metric).title)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g} %")
    axes.grid(axis="y")
    axes.tick_params(length=0)
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.tick_params(axis="y", labelcolor=INK)


def _shade_best(axes: Axes, rows: Sequence[Row]) -> None:
    order = ranking(rows)
    if len(order) > 1 and is_number(order[0].low) and is_number(order[0].high):
        axes.axvspan(100 * (order[0].low or 0), 100 * (order[0].high or 0), color="#f0f1f3", lw=0)
