"""Time and quality of matching the positions of two feature maps, on trained and on random features.

    uv run python benchmarks/semantic_assignment.py --data PATH

Two questions:

* a whole matrix: seconds for the exact semantic similarity matrix of N images of 49 tokens, all N(N - 1)/2 pairs;
* one pair of 196 tokens: scipy on the affinities as they are, our exact solver (the same optimum from better dual
  variables), and what approximates it: sorting, sorting followed by exchanges, windows sorted by norm, and greed,
  which takes the largest affinity left until nothing is.

Trained features are the first stage of a p4m autoencoder (14x14 positions) on images it was trained for, as
invariant tokens and as tokens with their orientation; random ones are rectified Gaussians, the worst case. Solvers
take turns within every round, and their times are processor time, so that a busy machine harms none of them; times
include affinities, and ratios are medians over rounds. ``optimum`` is the mean over pairs of what is attained as a
share of the optimum, ``worst`` the least.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table
from scipy.optimize import linear_sum_assignment

from eqae.checkpoint import load_checkpoint
from eqae.data import load_dataset
from eqae.errors import DataError
from eqae.evaluation.evidence import FeatureMaps, FloatArray, IntArray
from eqae.evaluation.semantic.affinity import affinities, pair_blocks
from eqae.evaluation.semantic.assignment import Match, match_exactly
from eqae.evaluation.semantic.similarity import matched, similarities
from eqae.evaluation.semantic.swaps import match_by_sorting, match_by_swaps
from eqae.evaluation.semantic.tokens import TokenKind, TokenSets, token_sets
from eqae.evaluation.semantic.windows import match_in_windows

ROOT = Path(__file__).parents[1]
POSITIONS = 196
KINDS: tuple[TokenKind, ...] = ("invariant", "position")


@dataclass(frozen=True)
class WholeMatrix:
    """Seconds for every pair of ``images`` of ``tokens`` tokens, exactly: by the clock, and of processor time."""

    features: str
    images: int
    tokens: int
    width: int
    pairs: int
    seconds: float
    processor_seconds: float


@dataclass(frozen=True)
class Solver:
    """One solver on pairs of 196 tokens: processor time of a pair, beside both exact ones, and what it attains."""

    features: str
    solver: str
    width: int
    milliseconds: float
    times_scipy: float
    times_exact: float
    optimum: float
    worst: float


def plain_scipy(affinity: FloatArray, tokens: TokenSets, left: IntArray, right: IntArray) -> IntArray:
    return np.stack([linear_sum_assignment(matrix, maximize=True)[1] for matrix in affinity])


def greedy(affinity: FloatArray, tokens: TokenSets, left: IntArray, right: IntArray) -> IntArray:
    return np.stack([_greedy(matrix) for matrix in affinity])


def _greedy(matrix: FloatArray) -> IntArray:
    count = len(matrix)
    assignment, taken = np.full(count, -1), np.zeros(count, bool)
    for place in np.argsort(-matrix, axis=None, kind="stable").tolist():
        row, column = divmod(place, count)
        if assignment[row] < 0 and not taken[column]:
            assignment[row], taken[column] = column, True
    return assignment


SOLVERS: dict[str, Match] = {
    "scipy": plain_scipy, "exact": match_exactly, "swaps": match_by_swaps, "sorting": match_by_sorting,
    "windows of 14": match_in_windows(14), "windows of 28": match_in_windows(28), "windows of 49": match_in_windows(49),
    "greedy": greedy,
}  # fmt: skip


def stage_maps(checkpoint: Path, data: str | None, count: int) -> tuple[FeatureMaps, str]:
    """Maps of the first stage for training images, and the name of the dataset; digits where there is no MNIST."""
    model = load_checkpoint(checkpoint).model
    try:
        dataset = load_dataset("o2-mnist-12k", data, {})
    except DataError:
        dataset = load_dataset("o2-digits", None, {"size": 28})
    with torch.inference_mode():
        maps = model.encode_with_maps(dataset.train.batch(slice(0, count)))[1]["stage 1"]
    values = maps.permute(0, 3, 4, 1, 2).flatten(1, 2).numpy().astype(np.float16)
    index = np.arange(len(values))
    return FeatureMaps(values, maps.shape[3], maps.shape[4], index, np.full(len(values), -1)), dataset.name


def random_tokens(images: int, count: int, width: int = 64) -> TokenSets:
    values = np.random.default_rng(0).standard_normal((images, count, width))
    return TokenSets(np.maximum(values, 0).astype(np.float32))


def whole_matrix(features: str, tokens: TokenSets) -> WholeMatrix:
    start, start_processor = time.perf_counter(), time.process_time()
    similarities(tokens, match_exactly)
    seconds, processor = time.perf_counter() - start, time.process_time() - start_processor
    images, count, width = tokens.values.shape
    return WholeMatrix(features, images, count, width, images * (images - 1) // 2, seconds, processor)


def solvers(features: str, tokens: TokenSets, pairs: int, rounds: int) -> list[Solver]:
    left, right = np.random.default_rng(1).integers(len(tokens), size=(2, pairs))
    _ = tokens.rankings, tokens.half_squares  # once for all pairs
    seconds: dict[str, list[float]] = {name: [] for name in SOLVERS}
    attained: dict[str, NDArray[np.float64]] = {}
    names = list(SOLVERS)
    for number in track(range(rounds), features):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            start = time.process_time()
            attained[name] = _attained(tokens, SOLVERS[name], left, right)
            seconds[name].append(time.process_time() - start)
    shares = {name: attained[name] / attained["scipy"] for name in SOLVERS}
    return [
        Solver(
            features, name, tokens.values.shape[2], 1e3 * statistics.median(own) / pairs,
            _ratio(seconds["scipy"], own), _ratio(seconds["exact"], own),
            float(shares[name].mean()), float(shares[name].min()),
        )
        for name, own in seconds.items()
    ]  # fmt: skip


def _attained(tokens: TokenSets, match: Match, left: IntArray, right: IntArray) -> NDArray[np.float64]:
    blocks = pair_blocks(tokens, left, right)
    return np.concatenate([matched(affinities(tokens, a, b), tokens, match, a, b) for a, b in blocks])


def _ratio(above: Sequence[float], below: Sequence[float]) -> float:
    return statistics.median(a / b for a, b in zip(above, below, strict=True))


def table_of_matrices(rows: Sequence[WholeMatrix]) -> Table:
    table = Table(title="Exact semantic similarity, all pairs")
    for column in ("features", "images", "tokens", "width", "pairs", "seconds", "of processor"):
        table.add_column(column, justify="left" if column == "features" else "right")
    for r in rows:
        sizes = (str(r.images), str(r.tokens), str(r.width), f"{r.pairs:,}")
        table.add_row(r.features, *sizes, f"{r.seconds:.1f}", f"{r.processor_seconds:.1f}")
    return table


def table_of_solvers(rows: Sequence[Solver]) -> Table:
    table = Table(title=f"One pair of {POSITIONS} tokens")
    for column in ("features", "solver", "ms", "scipy / solver", "exact / solver", "optimum", "worst"):
        table.add_column(column, justify="left" if column in ("features", "solver") else "right")
    for r in rows:
        times = (f"{r.milliseconds:.3f}", f"{r.times_scipy:.1f}", f"{r.times_exact:.1f}")
        table.add_row(r.features, r.solver, *times, f"{r.optimum:.4f}", f"{r.worst:.4f}")
    return table


def machine(threads: int) -> dict[str, Any]:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    processor = next(names, platform.machine())
    versions = {name: version(name) for name in ("numpy", "scipy", "torch")}
    return {"processor": processor, "threads": threads, "python": platform.python_version(), **versions}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Time and quality of matching the positions of two feature maps.")
    parser.add_argument("--checkpoint", type=Path, default=ROOT / "checkpoints" / "o2mnist_p4m")
    parser.add_argument("--data", help="folder of the data files; else EQAE_DATA; digits where there is no MNIST")
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--pairs", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--json", type=Path, default=ROOT / "benchmarks" / "results" / "semantic_assignment.json")
    return parser.parse_args()


def main() -> None:
    options = parse()
    torch.set_num_threads(options.threads)
    maps, dataset = stage_maps(options.checkpoint, options.data, options.images)
    images = np.arange(len(maps.values))
    small = {f"trained, {kind}": token_sets(maps, images, kind, 64) for kind in KINDS}
    small["random"] = random_tokens(len(images), 49)
    matrices = [whole_matrix(name, tokens) for name, tokens in small.items()]
    wide = {f"trained, {kind}": token_sets(maps, images, kind, POSITIONS) for kind in KINDS}
    wide["random"] = random_tokens(200, POSITIONS)
    pairs = [row for name, tokens in wide.items() for row in solvers(name, tokens, options.pairs, options.rounds)]
    console = Console()
    console.print(table_of_matrices(matrices), table_of_solvers(pairs))
    figures = {"dataset": dataset, "pairs": options.pairs, "rounds": options.rounds}
    rows = {"matrices": [asdict(row) for row in matrices], "solvers": [asdict(row) for row in pairs]}
    options.json.write_text(json.dumps({"machine": machine(options.threads), **figures, **rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
