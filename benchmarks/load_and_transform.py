"""Seconds to load a checkpoint, and images a second of ``transform`` beside the bare network.

    uv run python benchmarks/load_and_transform.py

Loading is timed in processes of its own, each of which imports, loads for the first time (model and head are imported
now, weights are hashed, golden features computed) and loads once more. ``transform`` of uint8 images, which converts,
checks and cuts them into blocks of 32, takes turns with the network and its head on

* ``blocks``: the same blocks, float32 and ready in memory;
* ``batches``: batches of 256, which are what a network costs where the last bits may depend on the batch.

A busy machine slows all of them alike; a ratio is the median over rounds of the two times of one round. Two threads
wait for each other after every layer: where other processes take a core, one thread alone is the faster.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

import eqae
from eqae.blocks import BLOCK
from eqae.checkpoint import load_checkpoint
from eqae.precision import full_precision
from step_time import Step, interleaved, machine

ROOT = Path(__file__).parent.parent
RESULTS = Path(__file__).parent / "results" / "load_and_transform.json"
LOADING = """
import json, sys, time
marks = [time.perf_counter()]
from eqae import load_extractor
for _ in range(2):
    marks.append(time.perf_counter())
    load_extractor(sys.argv[1])
marks.append(time.perf_counter())
print(json.dumps([after - before for before, after in zip(marks, marks[1:])]))
"""


def loading(checkpoint: Path, times: int, threads: int) -> dict[str, dict[str, float]]:
    """Median, fastest and slowest seconds of the import, of the first load and of another."""
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    command = [sys.executable, "-c", LOADING, str(checkpoint)]
    found = [
        json.loads(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)
        for _ in range(times)
    ]
    return {
        name: {"median": statistics.median(seconds), "fastest": min(seconds), "slowest": max(seconds)}
        for name, seconds in zip(("import", "first load", "second load"), zip(*found, strict=True), strict=True)
    }


def make_steps(checkpoint: Path, images: np.ndarray) -> dict[str, Step]:
    loaded, extractor = load_checkpoint(checkpoint), eqae.load_extractor(checkpoint)
    ready = torch.from_numpy(images).float().div(255).unsqueeze(1)

    def bare(size: int) -> Step:
        def step() -> None:
            with full_precision():
                for block in ready.split(size):
                    loaded.head(loaded.model.encode(block))

        return step

    return {"transform": lambda: extractor.transform(images), "blocks": bare(BLOCK), "batches": bare(256)}


def throughput(checkpoint: Path, images: int, rounds: int, threads: int) -> list[dict[str, Any]]:
    torch.set_num_threads(threads)
    channels, *size = eqae.load_extractor(checkpoint).image_shape
    if channels != 1:
        raise SystemExit("this benchmark passes grey images")
    steps = make_steps(checkpoint, np.random.default_rng(0).integers(0, 256, (images, *size), np.uint8))
    for step in steps.values():
        step()
    seconds = interleaved(steps, rounds, f"{threads} threads")
    return [
        {
            "threads": threads,
            "step": name,
            "median_seconds": statistics.median(own),
            "fastest_seconds": min(own),
            "images_per_second": images / statistics.median(own),
            "transform_ratio": statistics.median(a / b for a, b in zip(seconds["transform"], own, strict=True)),
            "fastest_ratio": min(seconds["transform"]) / min(own),
        }
        for name, own in seconds.items()
    ]


def tables(loads: dict[str, dict[str, float]], rates: list[dict[str, Any]], options: argparse.Namespace) -> list[Table]:
    loading = Table("step", "median s", "fastest s", "slowest s", title=f"{options.loads} processes")
    for name, seconds in loads.items():
        loading.add_row(name, *(f"{value:.2f}" for value in seconds.values()))
    title = f"{options.images:,} images, {options.rounds} interleaved rounds"
    passing = Table(
        "threads", "step", "median s", "fastest s", "images/s", "transform / it", "of the fastest", title=title
    )
    for entry in rates:
        threads, name, median, fastest, rate, ratio, best = entry.values()
        passing.add_row(
            str(threads), name, f"{median:.1f}", f"{fastest:.1f}", f"{rate:.0f}", f"{ratio:.3f}", f"{best:.3f}"
        )
    return [loading, passing]


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Time of loading a checkpoint and of transforming images.")
    parser.add_argument("checkpoint", type=Path, nargs="?", default=ROOT / "checkpoints" / "o2mnist_p4m")
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--loads", type=int, default=7)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--json", type=Path, default=RESULTS, help="where machine, versions and figures go")
    return parser.parse_args()


def main() -> None:
    options = parse()
    most = max(options.threads)
    loads = loading(options.checkpoint, options.loads, most)
    rates = [
        entry
        for threads in options.threads
        for entry in throughput(options.checkpoint, options.images, options.rounds, threads)
    ]
    for table in tables(loads, rates, options):
        Console().print(table)
    setting = {"checkpoint": options.checkpoint.name, "images": options.images, "rounds": options.rounds}
    document = {"machine": machine(most, "cpu"), **setting, "loading": loads, "rates": rates}
    options.json.write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    main()
