"""The overview in docs/rivals.md and README: who reads, who finds neighbours, who clusters, on every dataset of record.

    uv run benchmarks/rivals_overview.py docs/pictures/rivals_overview.svg

Drawn from ``results/rivals_table.json``; the picture holds a digest of what it shows, by which
``tests/test_recorded_runs.py`` knows that it is of today's record.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import statistics
from collections.abc import Sequence
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator

import rivals_table
from recorded_runs import Entry, entries_of

ROWS = (
    ("contrast and neighbours, steps of 30°", "clusters", ""),
    ("contrast, steps of 30°, wide", "contrast_d12", ""),
    ("contrast, quarter turns", "contrast", ""),
    ("contrast, plain CNN", "cnn_contrast", ""),
    ("O2-VAE, in the manner of", "o2vae_style", ""),
    ("GIAE, in the manner of", "giae_style", ""),
    ("QAE, in the manner of", "qae_style", ""),
    ("CNN autoencoder, mean over D4", "cnn", "+cnn_orbit_mean"),
    ("CNN autoencoder, augmented", "cnn", ""),
    ("Zernike moments", "cnn", "+zernike"),
    ("PCA", "cnn", "+pca"),
    ("all labels", "supervised", ""),
)
"""What is written beside each row, the network, and its head or baseline."""
FIGURES = (
    ("linear probe", "linear_probe_accuracy", "o", 3.5, "#0072b2", "#0072b2"),
    ("kNN", "knn_accuracy", "s", 5.5, "#009e73", "none"),
    ("k-means ACC", "kmeans_acc", "^", 4.5, "#d55e00", "#d55e00"),
)
"""Title, metric, mark, its size, colour and filling: a linear probe lies within kNN where both are alike."""
ACROSS = 3
"""Panels beside each other."""
OURS = 3
"""The first rows, which a line divides from the rivals."""
STYLE = {
    "svg.fonttype": "none", "svg.hashsalt": "eqae", "font.family": "sans-serif", "font.size": 9, "axes.linewidth": 0.5,
    "axes.edgecolor": "#999999",
}  # fmt: skip
Shown = dict[str, dict[str, dict[str, float]]]
"""Means over seeds, by dataset, row and metric."""


def shown(runs: Sequence[Entry]) -> Shown:
    """What the picture is of."""
    found: Shown = {}
    for data in rivals_table.DATA:
        for title, network, head in ROWS:
            said = [entry["figures"][head] for entry in entries_of(runs, data, network, head)]
            for _, metric, *_ in FIGURES:
                values = [figures[metric] for figures in said if metric in figures]
                if values:
                    found.setdefault(data, {}).setdefault(title, {})[metric] = round(statistics.mean(values), 4)
    return found


def digest(figures: Shown) -> str:
    """A hash of what is shown, as the picture holds it."""
    return hashlib.sha256(json.dumps(figures, sort_keys=True).encode()).hexdigest()


def draw(figures: Shown) -> Figure:
    """A panel a dataset, a row a network, a mark a figure."""
    down = math.ceil(len(figures) / ACROSS)
    page = Figure(figsize=(8.0, (0.22 * len(ROWS) + 0.5) * down + 0.3), layout="constrained")
    panels = page.subplots(down, ACROSS, sharex=True, sharey=True, squeeze=False)
    for panel, (data, rows) in zip(panels.flat, figures.items(), strict=False):
        _panel(panel, data, rows)
    for panel in panels.flat[len(figures) :]:
        panel.set_axis_off()
    panels[0, 0].set_yticks(range(len(ROWS)), [title for title, *_ in ROWS])
    panels[0, 0].set_ylim(len(ROWS) - 0.4, -0.6)
    handles, titles = panels[0, 0].get_legend_handles_labels()
    page.legend(handles, titles, loc="outside lower right", ncols=len(FIGURES), frameon=False)
    return page


def _panel(panel: Axes, data: str, rows: dict[str, dict[str, float]]) -> None:
    for title, metric, mark, size, colour, fill in FIGURES:
        places = [
            (row[metric], height) for height, (name, *_) in enumerate(ROWS) if metric in (row := rows.get(name, {}))
        ]
        panel.plot(*zip(*places, strict=True), mark, color=colour, markersize=size, markerfacecolor=fill, label=title)
    for height in (OURS - 0.5, len(ROWS) - 1.5):
        panel.axhline(height, color="#999999", linewidth=0.5)
    panel.set_title(data, fontsize=9)
    panel.set_xlim(0, 1.03)
    panel.xaxis.set_major_locator(MultipleLocator(0.5))
    panel.xaxis.set_minor_locator(MultipleLocator(0.1))
    panel.grid(axis="x", which="both", color="#eeeeee", linewidth=0.5)
    panel.set_axisbelow(True)
    panel.tick_params(which="both", length=0)


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", type=Path)
    picture: Path = parser.parse_args().picture
    figures = shown(rivals_table.RECORD.current())
    picture.parent.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context(STYLE):
        draw(figures).savefig(picture, metadata={"Date": None, "Description": digest(figures)})


if __name__ == "__main__":
    main()
