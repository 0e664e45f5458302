"""Training beside other programs: how long threads that wait for each other look out before they give way.

    uv run python benchmarks/waiting_threads.py --json FILE

Each figure is of a fresh process that trains the p4m autoencoder of ``step_time.py`` for some steps; ``--steps`` says
how many are timed. Beside it run as many programs that only compute as the machine has cores, or none. The ways to
wait take turns within every round; a figure is the median over rounds, a ratio that of two times of one round.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from eqae.commands.threads import SPINS
from step_time import SIDE, WARM_UP, EqaeNetwork, machine, training_step

BATCH = 64
CORES = len(os.sched_getaffinity(0))
DEFAULT = "as OpenMP waits"
WAYS: dict[str, dict[str, str]] = {
    DEFAULT: {},
    "as train.py waits": {"GOMP_SPINCOUNT": str(SPINS)},
    "asleep at once": {"OMP_WAIT_POLICY": "PASSIVE"},
    "one thread": {"OMP_NUM_THREADS": "1"},
}
"""What the environment says of waiting; some of it is of GNU OpenMP alone."""
COMPUTE = "import os\nparent = os.getppid()\nwhile os.getppid() == parent: sum(range(10**6))"
"""A program that computes for as long as who started it is there, however that ends."""


def seconds_a_step(steps: int) -> float:
    """What the process that is measured does."""
    step = training_step(EqaeNetwork(), torch.rand(BATCH, 1, SIDE, SIDE), compiled=False)
    for _ in range(WARM_UP):
        step()
    began = time.perf_counter()
    for _ in range(steps):
        step()
    return (time.perf_counter() - began) / steps


def measured(way: str, steps: int) -> float:
    """Seconds a step of a process that waits in this way."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_"))}
    done = subprocess.run(
        [sys.executable, __file__, "--measure", "--steps", str(steps)],
        env=environment | WAYS[way], capture_output=True, text=True, check=True,
    )  # fmt: skip
    return float(done.stdout)


@contextmanager
def company(programs: int) -> Iterator[None]:
    """So many other programs that compute without a pause."""
    others = [subprocess.Popen([sys.executable, "-c", COMPUTE]) for _ in range(programs)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def rounds_of(others: int, rounds: int, steps: int) -> dict[str, list[float]]:
    """Seconds a step by way, one of each round."""
    with company(others):
        turns = [{way: measured(way, steps) for way in WAYS} for _ in range(rounds)]
    return {way: [turn[way] for turn in turns] for way in WAYS}


def main() -> None:
    """Print a table, and write it where asked to."""
    parser = argparse.ArgumentParser(description="How threads wait for each other, on an idle and on a busy machine.")
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--json", type=Path, help="write machine, versions and figures to this file")
    options = parser.parse_args()
    if options.measure:
        print(seconds_a_step(options.steps))
        return
    table = Table("other programs", "threads wait", "ms a step", "times the default's", title=f"{CORES} cores")
    figures = []
    for others in (0, CORES):
        seconds = rounds_of(others, options.rounds, options.steps)
        for way, own in seconds.items():
            ratio = statistics.median(one / other for one, other in zip(own, seconds[DEFAULT], strict=True))
            figures.append({"others": others, "way": way, "seconds": statistics.median(own), "ratio": ratio})
            table.add_row(str(others), way, f"{1e3 * statistics.median(own):.0f}", f"{ratio:.2f}")
    Console().print(table)
    if options.json:
        facts = {"machine": machine(torch.get_num_threads(), "cpu"), "steps": options.steps, "rounds": options.rounds}
        options.json.write_text(json.dumps(facts | {"figures": figures}, indent=2))


if __name__ == "__main__":
    main()
