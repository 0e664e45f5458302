"""Time and certificate of projections on convex hulls, 1,000 queries on 5,000 points in 64 dimensions.

    OMP_NUM_THREADS=1 uv run python benchmarks/hull_projection.py --json benchmarks/results/hull_projection.json

Clouds:

* ``gaussian``: independent normal numbers; every query lies outside;
* ``inside``: the same hull, queries a fifth as far out: all inside, which takes the most vertices;
* ``features``: test images against training images of ``o2-mnist-12k`` in principal components of their pixels, where
  ``--data`` has the files.

The gap is relative to the squared distance, for queries outside. The witness is scipy's non-negative least squares
with a heavy row for the sum of the weights, on some of the queries.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.optimize import nnls

from eqae.data import load_dataset
from eqae.evaluation.geometry.hull import HullProjection, project_on_hull
from eqae.evaluation.geometry.principal import fit_principal_map

VERTICES, QUERIES, WIDTH = 5000, 1000, 64
ROUNDS = 3
WITNESSED = 50

DoubleArray = NDArray[np.float64]
Cloud = tuple[DoubleArray, DoubleArray]


@dataclass(frozen=True)
class Measured:
    """One cloud: seconds for all queries, the fewest of some rounds, by the clock and of the processor (which a busy
    machine changes little), and how good the answers are.
    """

    cloud: str
    vertices: int
    queries: int
    dimensions: int
    seconds: float
    processor_seconds: float
    outside: int
    largest_gap: float
    largest_distance_inside: float
    most_active: int
    witness_difference: float


def clouds(data: Path | None) -> dict[str, Cloud]:
    rng = np.random.default_rng(0)
    vertices, queries = rng.standard_normal((VERTICES, WIDTH)), rng.standard_normal((QUERIES, WIDTH))
    found = {"gaussian": (vertices, queries), "inside": (vertices, queries / 5)}
    if data is not None:
        dataset = load_dataset("o2-mnist-12k", data, {})
        train = dataset.train.batch(slice(VERTICES)).flatten(1).numpy()
        principal = fit_principal_map(train, WIDTH, 0)
        found["features"] = principal(train), principal(dataset.test.batch(slice(QUERIES)).flatten(1).numpy())
    return found


def measure(name: str, cloud: Cloud) -> Measured:
    vertices, queries = cloud
    seconds, busy = [], []
    for _ in range(ROUNDS):
        start = time.perf_counter(), time.process_time()
        projection = project_on_hull(queries, vertices)
        seconds.append(time.perf_counter() - start[0])
        busy.append(time.process_time() - start[1])
    outside = projection.outside
    gap = 1 - projection.lower_bounds[outside] / projection.distances[outside]
    return Measured(
        name, len(vertices), len(queries), queries.shape[1], min(seconds), min(busy),
        int(outside.sum()), float(gap.max(initial=0)), float(projection.distances[~outside].max(initial=0)),
        int(projection.active.max()), witness_difference(projection, cloud),
    )  # fmt: skip


def witness_difference(projection: HullProjection, cloud: Cloud) -> float:
    """Largest difference to the distances that least squares finds."""
    vertices, queries = cloud
    differences = []
    for place in range(0, len(queries), len(queries) // WITNESSED):
        offset = vertices - queries[place]
        heavy = 1e4 * float(np.abs(offset).max())
        matrix = np.vstack([offset.T, np.full(len(vertices), heavy)])
        weights, _ = nnls(matrix, np.append(np.zeros(offset.shape[1]), heavy), maxiter=100_000)
        distance = np.linalg.norm(weights / weights.sum() @ offset)
        differences.append(abs(float(distance - projection.distances[place])))
    return max(differences)


def table_of(rows: list[Measured]) -> Table:
    table = Table(title=f"Projections on hulls: {QUERIES:,} queries, {VERTICES:,} vertices, {WIDTH} dimensions")
    for column in ("cloud", "seconds", "CPU", "outside", "gap", "inside", "active", "witness"):
        table.add_column(column, justify="left" if column == "cloud" else "right")
    for row in rows:
        table.add_row(
            row.cloud, f"{row.seconds:.2f}", f"{row.processor_seconds:.2f}", str(row.outside), f"{row.largest_gap:.1e}",
            f"{row.largest_distance_inside:.1e}", str(row.most_active),
            f"{row.witness_difference:.1e}",
        )  # fmt: skip
    return table


def machine() -> dict[str, Any]:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    versions = {name: version(name) for name in ("numpy", "scipy")}
    threads = int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1))
    facts = {"processor": next(names, platform.machine()), "threads": threads, "python": platform.python_version()}
    return facts | versions


def main() -> None:
    parser = argparse.ArgumentParser(description="Time and certificate of projections on convex hulls.")
    parser.add_argument("--data", type=Path, help="folder of the images; without it, random clouds alone")
    parser.add_argument("--json", type=Path, help="write machine, versions and figures to this file")
    options = parser.parse_args()
    rows = [measure(name, cloud) for name, cloud in clouds(options.data).items()]
    Console().print(table_of(rows))
    if options.json:
        figures = {"machine": machine(), "clouds": [asdict(row) for row in rows]}
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
