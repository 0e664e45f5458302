"""The table of Kuzminykh et al. (2018), ours beside the paper's: trains what is missing, prints, writes JSON.

    uv run benchmarks/paper_table.py --data o2-mnist-12k plankton --seeds 3 --root PATH

Five networks give the paper's seven rows, mean and Gram pooling being two heads of one network; further lines are other
heads of them and a sixth network, of steerable kernels. Each is trained by ``train.py``
from its file in ``configs/paper`` into ``checkpoints/paper/DATA/NETWORK-sSEED``, a run like any other: ``evaluate.py``
judges it and ``load_extractor`` loads it. What the JSON holds is not trained again, unless its config has changed
since; an interrupted run is resumed. Several calls may share the work (``--networks``, ``--seeds``); each merges its
figures into the same JSON.

Labels: no network and no head saw one. LR, NN and the spread over seeds come from probes, which do. Reconstruction,
effective rank and invariance need none: by these networks can be chosen without labels.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from recorded_runs import Entry, Record, entries_of, make_table, mean_and_spread, minutes_of

RESULTS = Path(__file__).parent / "results" / "paper_table.json"
DATA = ("o2-mnist-12k", "plankton")
NETWORKS = ("autoencoder", "d4", "d4_attention", "d12", "d12_attention", "d12_steerable")
OPTIONS = {"plankton": ("data.size=32", "training.epochs=8", "augmentation.noise=0.3")}
"""What a dataset needs besides its name: the settings of ``configs/plankton``, not tuned for this table."""
FIGURES = (
    ("linear_probe_accuracy", ""),
    ("mlp_probe_accuracy", ""),
    ("knn_accuracy", ""),
    ("linear_probe_accuracy_10", ""),
    ("reconstruction_mse", ""),
    ("effective_rank", ""),
    ("relative_invariance_error", "D4"),
    ("relative_invariance_error", "30deg"),
    ("relative_invariance_error", "any-angle"),
    ("relative_interpolation_floor", "30deg"),
    ("relative_interpolation_floor", "any-angle"),
)


@dataclass(frozen=True)
class Line:
    """A line of the table: which head of which network, and the paper's accuracies in percent, LR and NN."""

    title: str
    group: str
    network: str
    head: str
    paper: dict[str, tuple[float, float]]

    def printed(self, data: str) -> str:
        """The paper's LR and NN as fractions."""
        return " | ".join(f"{value / 100:.3f}" for value in self.paper[data]) if data in self.paper else "– | –"


def _line(title: str, group: str, network: str, head: str, *paper: float) -> Line:
    known = {"o2-mnist-12k": paper[:2], "plankton": paper[2:]} if paper else {}
    return Line(title, group, network, head, known)  # type: ignore[arg-type]


LINES = (
    _line("Autoencoder", "–", "autoencoder", "", 47.8, 58.3, 44.3, 53.3),
    _line("Average pooling", "D4", "d4", "mean", 58.2, 60.8, 48.0, 56.1),
    _line("Average pooling", "D12", "d12", "mean", 80.7, 82.5, 53.9, 58.3),
    _line("Equivariant attention", "D4", "d4_attention", "", 81.6, 83.8, 49.1, 58.0),
    _line("Equivariant attention", "D12", "d12_attention", "", 72.6, 76.5, 49.5, 57.8),
    _line("Gram pooling", "D4", "d4", "", 65.2, 67.5, 55.2, 57.8),
    _line("Gram pooling", "D12", "d12", "", 87.9, 88.8, 55.7, 62.2),
    _line("Correlation, band of 9", "D4", "d4", "correlation,band=9"),
    _line("Bispectrum", "D4", "d4", "bispectrum"),
    _line("Bispectrum", "D12", "d12", "bispectrum"),
    _line("Average pooling, steerable", "D12", "d12_steerable", "mean,of=code"),
    _line("Gram pooling, steerable", "D12", "d12_steerable", ""),
    _line(
        "Gram pooling, steerable, signed roots and unit length",
        "D12",
        "d12_steerable",
        "gram,of=code,post=signed_root+l2",
    ),
    _line("Bispectrum, steerable", "D12", "d12_steerable", "bispectrum,of=code"),
    _line(
        "Correlation of the stages, steerable, whitened",
        "D12",
        "d12_steerable",
        "correlation,of=stages,post=signed_root+whiten",
    ),
)


def is_complete(entry: Entry) -> bool:
    """Whether every line that the network gives has the figures of the table's first columns."""
    heads = [line.head for line in LINES if line.network == entry["network"]]
    return all(metric in entry["figures"].get(head, {}) for head in heads for metric, _ in FIGURES[:3])


RECORD = Record(
    path=RESULTS,
    configs=Path(__file__).parents[1] / "configs" / "paper",
    output=Path("checkpoints") / "paper",
    networks=dict.fromkeys(DATA, NETWORKS),
    files={},
    overrides=lambda data, network: [f"data.name={data}", *OPTIONS.get(data, ())],
    figures=FIGURES,
    complete=is_complete,
    command="uv run benchmarks/paper_table.py --data o2-mnist-12k plankton --seeds 3 --root PATH",
)


def table(runs: Sequence[Entry], data: str) -> Iterator[str]:
    """The table of one dataset in Markdown, mean ± standard deviation over seeds."""
    yield f"**`{data}`**\n"
    yield "| features | group | LR, paper | NN, paper | LR | NN | kNN | 10 labels | error 90° | error 30° (floor) | " \
          "error any angle (floor) | effective rank | mse | parameters | minutes | seeds |"  # fmt: skip
    yield "|---" * 16 + "|"
    for line in LINES:
        if entries := entries_of(runs, data, line.network, line.head):
            yield _row(line, data, entries, [entry["figures"][line.head] for entry in entries])
    yield "\nLR, NN, kNN and 10 labels are probes, which saw labels; networks, heads and all other figures saw none."


def _row(line: Line, data: str, entries: Sequence[Entry], found: Sequence[dict[str, float]]) -> str:
    def mean(metric: str, digits: str, *, spread: bool = True) -> str:
        return mean_and_spread(found, metric, digits, spread=spread)

    def error(condition: str) -> str:
        moved, floor = f"relative_invariance_error {condition}", f"relative_interpolation_floor {condition}"
        return f"{mean(moved, '.2f', spread=False)} ({mean(floor, '.2f', spread=False)})"

    cells = [
        line.title, line.group, line.printed(data), mean("linear_probe_accuracy", ".3f"),
        mean("mlp_probe_accuracy", ".3f"), mean("knn_accuracy", ".3f"), mean("linear_probe_accuracy_10", ".3f"),
        mean("relative_invariance_error D4", ".0e", spread=False), error("30deg"), error("any-angle"),
        mean("effective_rank", ".0f"), mean("reconstruction_mse", ".4f"),
        f"{statistics.mean(entry['parameters'] for entry in entries):,.0f}",
        minutes_of(entries), str(len(found)),
    ]  # fmt: skip
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    raise SystemExit(make_table(RECORD, __doc__, table))
