"""The table of Kuzminykh et al. (2018), ours beside the paper's: trains what is missing, prints, writes JSON.

    uv run benchmarks/paper_table.py --data o2-mnist-12k plankton --seeds 3 --root PATH

Five networks give the seven rows: mean and Gram pooling are two heads of one network. Each is trained by ``train.py``
from its file in ``configs/paper`` into ``checkpoints/paper/DATA/NETWORK-sSEED``, a run like any other: ``evaluate.py``
judges it and ``load_extractor`` loads it. What the JSON holds is not trained again, unless its config has changed
since; an interrupted run is resumed. Several calls may share the work (``--networks``, ``--seeds``); each merges its
figures into the same JSON.

Labels: no network and no head saw one. LR, NN and the spread over seeds come from probes, which do. Reconstruction,
effective rank and invariance need none: by these networks can be chosen without labels.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fcntl import LOCK_EX, flock
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from eqae.checkpoint import read_manifest
from eqae.commands.resolving import read_config
from eqae.commands.shell import guarded
from eqae.commands.train import train
from eqae.config import Config, parse_config
from eqae.evaluation.results import Results
from eqae.files import write_atomically
from eqae.runs import RunDirectory
from eqae.yaml_file import read_yaml

CONFIGS = Path(__file__).parents[1] / "configs" / "paper"
OUTPUT = Path("checkpoints") / "paper"
RECORD = Path(__file__).parent / "results" / "paper_table.json"
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


def asked_for(data: str, network: str, seed: int, root: str | None = None) -> list[str]:
    """What a network of the table changes in its config."""
    run = run_of(data, network, seed)
    return [
        f"data.name={data}", f"seed={seed}", f"output={run.path.parent}", f"name={run.path.name}",
        "tracking.wandb=disabled", *OPTIONS.get(data, ()), *([f"data.root={root}"] if root else []),
    ]  # fmt: skip


def recipe_of(config: Config) -> str:
    """A hash of all that a config says but where things lie and the seed: figures of two recipes are never averaged."""
    said = config.model_dump(mode="json", by_alias=True, exclude={"name", "output", "seed", "tracking", "evaluation"})
    said["data"].pop("root")
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]


def wanted_recipe(data: str, network: str) -> str:
    """The recipe that the table asks for today."""
    return recipe_of(read_config(CONFIGS / f"{network}.yaml", asked_for(data, network, 0)))


def run_of(data: str, network: str, seed: int) -> RunDirectory:
    """Where a network of the table lies."""
    return RunDirectory(OUTPUT / data / f"{network}-s{seed}")


def make(data: str, network: str, seed: int, root: str | None, console: Console) -> int:
    """Train and judge one network, or go on where it stopped; an exit code."""
    overrides = asked_for(data, network, seed, root)
    resume = run_of(data, network, seed).config.is_file()
    return guarded(lambda: train(CONFIGS / f"{network}.yaml", overrides, resume=resume, console=console))


def figures_of(run: RunDirectory) -> dict[str, dict[str, float]]:
    """The table's figures of a finished run, by head; the run's own head is the empty name."""
    found: dict[str, dict[str, float]] = {}
    for row in Results.from_json(run.results).rows:
        if (row.metric, row.condition) in FIGURES and not row.note and not row.model.endswith("(untrained)"):
            head = row.model.partition(":")[2]
            key = " ".join(filter(None, (row.metric, row.condition)))
            found.setdefault(head, {})[key] = round(row.value, 9)
    return found


def record_of(data: str, network: str, seed: int) -> dict[str, Any]:
    """One entry of the JSON: what a finished run says, and what it ran on; an interruption counts as training time."""
    run = run_of(data, network, seed)
    stamps = [run.config.stat().st_mtime, run.manifest.stat().st_mtime]
    return {
        "data": data,
        "network": network,
        "seed": seed,
        "recipe": recipe_of(parse_config(read_yaml(run.config))),
        "training_seconds": round(stamps[1] - stamps[0]),
        "parameters": read_manifest(run.path).parameters,
        "threads": torch.get_num_threads(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "versions": {name: version(name) for name in ("eqae", "torch", "scikit-learn")}
        | {"python": platform.python_version()},
        "figures": figures_of(run),
    }


def merge(entries: Sequence[dict[str, Any]], path: Path) -> list[dict[str, Any]]:
    """Add ``entries`` to the JSON at ``path``, whoever else writes to it, and return all that it holds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        flock(folder, LOCK_EX)
        held = {key_of(entry): entry for entry in recorded(path)} | {key_of(entry): entry for entry in entries}
        runs = [held[key] for key in sorted(held)]
        command = "uv run benchmarks/paper_table.py --data o2-mnist-12k plankton --seeds 3 --root PATH"
        write_atomically(path, json.dumps({"command": command, "runs": runs}, indent=1) + "\n")
    finally:
        os.close(folder)
    return runs


def recorded(path: Path) -> list[dict[str, Any]]:
    """The entries of the JSON at ``path``; none where there is no file."""
    entries: list[dict[str, Any]] = json.loads(path.read_text())["runs"] if path.is_file() else []
    return entries


def key_of(entry: dict[str, Any]) -> tuple[str, str, int]:
    """What identifies an entry."""
    return entry["data"], entry["network"], entry["seed"]


def current(path: Path) -> list[dict[str, Any]]:
    """The entries whose recipe is that of today."""
    return [entry for entry in recorded(path) if entry["recipe"] == wanted_recipe(entry["data"], entry["network"])]


def is_complete(entry: dict[str, Any]) -> bool:
    """Whether every line that the network gives has the figures of the table's first columns."""
    heads = [line.head for line in LINES if line.network == entry["network"]]
    return all(metric in entry["figures"].get(head, {}) for head in heads for metric, _ in FIGURES[:3])


def table(runs: Sequence[dict[str, Any]], data: str) -> Iterator[str]:
    """The table of one dataset in Markdown, mean ± standard deviation over seeds."""
    yield f"**`{data}`**\n"
    yield "| features | group | LR, paper | NN, paper | LR | NN | kNN | 10 labels | error 90° | error 30° (floor) | " \
          "error any angle (floor) | effective rank | mse | parameters | minutes | seeds |"  # fmt: skip
    yield "|---" * 16 + "|"
    for line in LINES:
        entries = [entry for entry in runs if entry["data"] == data and entry["network"] == line.network]
        found = [entry["figures"][line.head] for entry in entries if line.head in entry["figures"]]
        if found:
            yield _row(line, data, entries, found)
    yield "\nLR, NN, kNN and 10 labels are probes, which saw labels; networks, heads and all other figures saw none."


def _row(line: Line, data: str, entries: Sequence[dict[str, Any]], found: Sequence[dict[str, float]]) -> str:
    def mean(metric: str, digits: str) -> str:
        values = [figures[metric] for figures in found if metric in figures]
        if not values:
            return "–"
        spread = f" ± {statistics.stdev(values):{digits}}" if len(values) > 1 and digits == ".3f" else ""
        return f"{statistics.mean(values):{digits}}{spread}"

    def error(condition: str) -> str:
        return f"{mean(f'relative_invariance_error {condition}', '.2f')} " \
               f"({mean(f'relative_interpolation_floor {condition}', '.2f')})"  # fmt: skip

    cells = [
        line.title, line.group, line.printed(data), mean("linear_probe_accuracy", ".3f"),
        mean("mlp_probe_accuracy", ".3f"), mean("knn_accuracy", ".3f"), mean("linear_probe_accuracy_10", ".3f"),
        mean("relative_invariance_error D4", ".0e"), error("30deg"), error("any-angle"),
        mean("effective_rank", ".0f"), mean("reconstruction_mse", ".4f"),
        f"{statistics.mean(entry['parameters'] for entry in entries):,.0f}",
        f"{statistics.mean(entry['training_seconds'] for entry in entries) / 60:.0f}", str(len(found)),
    ]  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def main() -> int:
    """Train what is missing, print the tables, and keep the JSON; an exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", default=["o2-mnist-12k", "plankton"], help="registered datasets")
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=NETWORKS)
    parser.add_argument("--seeds", type=int, default=3, help="how many, from 0 on")
    parser.add_argument("--root", help="folder of the data files; else the environment variable EQAE_DATA")
    parser.add_argument("--json", type=Path, default=RECORD, help="where figures are kept")
    parser.add_argument("--print", action="store_true", help="print what is there and train nothing")
    asked = parser.parse_args()
    console = Console(soft_wrap=True)
    began = time.monotonic()
    wanted = [(d, n, s) for s in range(asked.seeds) for d in asked.data for n in asked.networks]
    for data, network, seed in [] if asked.print else wanted:
        if (data, network, seed) in {key_of(entry) for entry in current(asked.json) if is_complete(entry)}:
            console.print(f"{data} {network} seed {seed}: on record", highlight=False)
            continue
        if not run_of(data, network, seed).is_finished and (code := make(data, network, seed, asked.root, console)):
            return code
        entry = record_of(data, network, seed)
        if entry["recipe"] != wanted_recipe(data, network):
            console.print(f"error: {run_of(data, network, seed).path} is of another config: move it away", style="red")
            return 2
        merge([entry], asked.json)
    for data in asked.data:
        print("\n" + "\n".join(table(current(asked.json), data)))
    console.print(f"\n{time.monotonic() - began:.0f} s", highlight=False)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
