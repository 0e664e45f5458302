"""What others have published, beside what the record holds in their manner and the best line without labels.

    uv run benchmarks/published_figures.py

Prints the table of docs/rivals.md. Published figures are of other splits, sizes and trainings, which that page says.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import rivals_table
from recorded_runs import Entry, entries_of, mean_and_spread

TURNED, MIRRORED = "so2-mnist-12k", "o2-mnist-12k"


@dataclass(frozen=True)
class Published:
    """A published figure, and where the record has what compares with it.

    Attributes:
        title: what it is, and whose.
        figure: as it was published.
        metric: of the record; an accuracy whose complement was published ends up as an error in percent.
        data: the dataset here whose law is the published one's.
        network: made here in its manner; empty where there is none.
        head: of that network.
        with_best: whether the best line without labels stands beside it.
    """

    title: str
    figure: str
    metric: str
    data: str
    network: str = ""
    head: str = ""
    with_best: bool = False


FIGURES = (
    Published("kNN, turned digits: GIAE (Winter et al. 2022)", "0.90", "knn_accuracy", TURNED, "giae_style",
              with_best=True),
    Published("the same, on our encoder (C12)", "0.90", "knn_accuracy", TURNED, "giae_d12"),
    Published("the same: QAE (same table)", "0.82", "knn_accuracy", TURNED, "qae_style"),
    Published("the same: plain autoencoder (same table)", "0.68", "knn_accuracy", TURNED, "cnn", "+cnn"),
    Published("purity of ten k-means clusters, turned and mirrored digits: O2-VAE (Burgess et al. 2024)", "0.737",
              "kmeans_purity", MIRRORED, "o2vae_style", with_best=True),
    Published("the same, on our encoder (D12)", "0.737", "kmeans_purity", MIRRORED, "o2vae_d12"),
    Published("the same, Gaussian mixture", "0.818", "gmm_purity", MIRRORED, "o2vae_style", with_best=True),
    Published("the same, on that encoder", "0.818", "gmm_purity", MIRRORED, "o2vae_d12"),
    Published("error with all labels, turned digits: E2CNN, D16 restricted to C16 (Weiler & Cesa 2019)", "0.68 %",
              "classifier_accuracy", TURNED, "supervised_turned"),
    Published("the same: P4CNN (Cohen & Welling 2016)", "2.28 %", "classifier_accuracy", TURNED),
)  # fmt: skip


def table(runs: Sequence[Entry]) -> Iterator[str]:
    """The table in Markdown, mean ± standard deviation over seeds."""
    yield "| | published | in our manner, here | best line without labels here |"
    yield "|---|---|---|---|"
    for one in FIGURES:
        here = _said(_figures(runs, one.data, one.network, one.head), one.metric) if one.network else ""
        best = _said(_best(runs, one.data, one.metric), one.metric) if one.with_best else ""
        yield f"| {one.title} | {one.figure} | {here} | {best} |"


def _figures(runs: Sequence[Entry], data: str, network: str, head: str) -> list[dict[str, float]]:
    """Those of a line, a seed each."""
    return [entry["figures"][head] for entry in entries_of(runs, data, network, head)]


def _best(runs: Sequence[Entry], data: str, metric: str) -> list[dict[str, float]]:
    """The figures of the line with the highest mean, but for those that saw labels."""
    lines = (line for line in rivals_table.LINES if not line.network.startswith("supervised"))
    found = (_figures(runs, data, line.network, line.head) for line in lines)
    known = [figures for figures in found if figures and all(metric in one for one in figures)]
    return max(known, key=lambda figures: statistics.mean(one[metric] for one in figures), default=[])


def _said(figures: Sequence[dict[str, float]], metric: str) -> str:
    if metric != "classifier_accuracy" or not figures:
        return mean_and_spread(figures, metric)
    errors = [{metric: 100 * (1 - one[metric])} for one in figures]
    return f"{mean_and_spread(errors, metric, '.2f')} %"


if __name__ == "__main__":
    print("\n".join(table(rivals_table.RECORD.current())))
