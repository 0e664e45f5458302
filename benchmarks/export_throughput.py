"""Images a second of exported p4m features beside a plain CNN of the same channels, and beside its average over D4.

    uv run python benchmarks/export_throughput.py --threads 1

Three networks, exported by ``python -m eqae.export`` to ``.pt2`` and to ONNX, all taking uint8 pixels:

* ``eqae``: the registered ``eqae`` model with the widths of ``configs/eqae_p4m.yaml`` and its Gram features;
* ``cnn``: the plain network of the same channels, kernels, strides and maps, and its code;
* ``orbit mean``: the mean code of that network over the eight poses of the image, as invariant as ``eqae``.

Weights are the initial ones, which cost what trained ones cost. The networks take turns within every round, so that a
busy machine slows all of them alike; a ratio is the median over rounds of two rates of one round.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from eqae.checkpoint import ModelSpec, save_checkpoint
from eqae.export.exporting import export_features
from eqae.models import build_model
from step_time import interleaved, machine

SHAPE = (1, 28, 28)
WIDTHS: dict[str, Any] = {"group": "D4", "fields": [8, 12, 16], "code": 24}
PLAIN = WIDTHS | {"equal": "channels"}
NETWORKS: dict[str, tuple[str, dict[str, Any], str]] = {
    "eqae": ("eqae", WIDTHS, "gram"),
    "cnn": ("cnn", PLAIN, "mean"),
    "orbit mean": ("orbit_mean", {"base": {"name": "cnn", **PLAIN}}, "mean"),
}
WARM_UP = 2
RESULTS = Path(__file__).parent / "results" / "export_throughput.json"

Opener = Callable[[Path, int], Callable[[NDArray[np.uint8]], object]]


@dataclass(frozen=True)
class Rate:
    """One file's figures: images a second, and how many times those of this network the features of eqae come at."""

    format: str
    network: str
    kilobytes: int
    images_per_second: float
    eqae_ratio: float


def open_torch(path: Path, threads: int) -> Callable[[NDArray[np.uint8]], object]:
    module = torch.export.load(path).module()

    def features(images: NDArray[np.uint8]) -> object:
        with torch.inference_mode():
            return module(torch.from_numpy(images))

    return features


def open_onnx(path: Path, threads: int) -> Callable[[NDArray[np.uint8]], object]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda images: session.run(["features"], {"images": images})


OPENERS: dict[str, Opener] = {"torch": open_torch, "onnx": open_onnx}


def exported(folder: Path, network: str, to: str, console: Console) -> Path:
    name, options, head = NETWORKS[network]
    run = folder / network.replace(" ", "_")
    if not run.exists():
        torch.manual_seed(0)
        spec = ModelSpec(name, options, head, {}, SHAPE, "digits", 0)
        save_checkpoint(run, build_model(name, SHAPE, options), spec)
    return export_features(run, to, console=console)


def measure(folder: Path, to: str, options: argparse.Namespace, console: Console) -> list[Rate]:
    files = {network: exported(folder, network, to, console) for network in NETWORKS}
    functions = {network: OPENERS[to](file, options.threads) for network, file in files.items()}
    images = np.random.default_rng(0).integers(0, 256, (options.batch, *SHAPE), dtype=np.uint8)
    steps = {network: (lambda function=function: function(images)) for network, function in functions.items()}
    for step in steps.values():
        for _ in range(WARM_UP):
            step()
    seconds = interleaved(steps, options.rounds, to)
    return [
        Rate(
            to,
            network,
            round(files[network].stat().st_size / 1000),
            options.batch / statistics.median(seconds[network]),
            statistics.median(theirs / ours for ours, theirs in zip(seconds["eqae"], seconds[network], strict=True)),
        )
        for network in NETWORKS
    ]


def table_of(rates: list[Rate], options: argparse.Namespace) -> Table:
    table = Table(title=f"Exported features, batch {options.batch}, 28x28, {options.rounds} interleaved rounds")
    for column in ("file", "network", "kB", "images/s", "eqae / network"):
        table.add_column(column, justify="left" if column in ("file", "network") else "right")
    for rate in rates:
        figures = f"{rate.kilobytes:,}", f"{rate.images_per_second:,.0f}", f"{rate.eqae_ratio:.2f}"
        table.add_row(rate.format, rate.network, *figures)
    return table


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Throughput of exported features: eqae, a plain CNN, its D4 average.")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=41)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--json", type=Path, default=RESULTS, help="write machine, versions and figures to this file")
    return parser.parse_args()


def main() -> None:
    options, console = parse(), Console(soft_wrap=True)
    torch.set_num_threads(options.threads)
    with TemporaryDirectory() as folder:
        rates = [rate for to in OPENERS for rate in measure(Path(folder), to, options, console)]
    console.print(table_of(rates, options))
    facts = machine(options.threads, "cpu") | {"onnxruntime": version("onnxruntime")}
    figures = {"batch": options.batch, "rounds": options.rounds, "rates": [asdict(rate) for rate in rates]}
    options.json.write_text(json.dumps({"machine": facts, **figures}, indent=2) + "\n")


if __name__ == "__main__":
    main()
