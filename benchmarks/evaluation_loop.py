"""Time and memory of judging one model by all default evaluators, and the share of the forward passes.

Seconds pass on the clock; processor seconds are those of both cores together, and hardly depend on what else the
machine does.

    uv run python benchmarks/evaluation_loop.py --root PATH

The images are those of ``o2-mnist-12k`` (12,000 to fit probes, 10,000 to judge); every test image is seen in the 8
poses of D4. Without the data, random images of the same number and size take their place, which cost the same. The
model is the p4m autoencoder of ``configs/eqae_p4m.yaml`` (m = 32, 528 Gram features) unless a run directory is given.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import time
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from eqae.checkpoint import load_checkpoint
from eqae.data import load_dataset
from eqae.data.base import Dataset, Images
from eqae.errors import DataError
from eqae.evaluation.extraction import FeatureModel, extract_evidences
from eqae.evaluation.loop import judge, needs_of_all
from eqae.evaluation.views import Extraction
from eqae.heads import build_head
from eqae.models import build_model
from eqae.registry import DEFAULT_EVALUATORS

MODEL: dict[str, Any] = {"group": "D4", "fields": [12, 16, 24], "code": 32}


def images(root: str | None) -> Dataset:
    """``o2-mnist-12k``, or noise of the same shape."""
    try:
        return load_dataset("o2-mnist-12k", root, {})
    except DataError:
        generator = torch.Generator().manual_seed(0)

        def split(count: int) -> Images:
            pixels = torch.randint(0, 256, (count, 1, 28, 28), dtype=torch.uint8, generator=generator)
            return Images(pixels, torch.arange(count) % 10)

        return Dataset("noise", split(12_000), split(10_000), tuple(map(str, range(10))))


def subject(run: Path | None, dataset: Dataset) -> FeatureModel:
    """The model of a run, or an untrained one: neither time nor memory depends on the weights."""
    if run is not None:
        checkpoint = load_checkpoint(run)
        return FeatureModel(run.name, checkpoint.model, checkpoint.head, seed=checkpoint.spec.seed)
    torch.manual_seed(0)
    model, initial = (build_model("eqae", dataset.test.shape, MODEL).eval() for _ in range(2))
    return FeatureModel("eqae_p4m", model, build_head("gram", model, {}), untrained=initial)


def clocks() -> tuple[float, float]:
    """Seconds on the clock, and of the processor."""
    return time.perf_counter(), time.process_time()


def main() -> None:
    """Measure, print, and write JSON where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", help="folder of the data files; else the environment variable EQAE_DATA")
    parser.add_argument("--run", type=Path, help="a run directory to judge instead of the default model")
    parser.add_argument("--evaluators", nargs="+", default=list(DEFAULT_EVALUATORS))
    parser.add_argument("--json", type=Path, help="write the figures there")
    asked = parser.parse_args()
    dataset = images(asked.root)
    judged = subject(asked.run, dataset)
    evaluators: dict[str, dict[str, Any]] = {name: {} for name in asked.evaluators}
    extraction = Extraction(
        needs=needs_of_all(evaluators), orbit_images=len(dataset.test), conditions=("D4",), cache=None
    )
    parts: dict[str, tuple[float, float]] = {}
    began = last = clocks()
    current = "extraction"

    def announce(what: str) -> None:
        nonlocal last, current
        now, sofar = clocks(), parts.get(current, (0.0, 0.0))
        parts[current] = sofar[0] + now[0] - last[0], sofar[1] + now[1] - last[1]
        last, current = now, what.split(": ")[1].split(" (")[0]

    results = judge(extract_evidences([judged], dataset, extraction), evaluators, announce)
    announce("end: end")
    total, processor = (end - start for end, start in zip(clocks(), began, strict=True))
    figures = {
        "model": judged.label,
        "features": judged.head.width,
        "images": {"train": len(dataset.train), "test": len(dataset.test), "poses": 8},
        "figures": sum(not row.note for row in results.rows),
        "not_available": sorted({row.metric for row in results.rows if row.note}),
        "seconds": {name: round(value, 1) for name, (value, _) in parts.items()},
        "processor_seconds": {name: round(value, 1) for name, (_, value) in parts.items()},
        "total_seconds": round(total, 1),
        "total_processor_seconds": round(processor, 1),
        "extraction_share": round(parts["extraction"][0] / total, 3),
        "extraction_processor_share": round(parts["extraction"][1] / processor, 3),
        "peak_memory_gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
        "threads": torch.get_num_threads(),
        "machine": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "torch": torch.__version__,
    }
    table = Table("part", "seconds", "processor seconds", title=f"{judged.label}, {judged.head.width} features")
    for name, (elapsed, used) in parts.items():
        table.add_row(name, f"{elapsed:.1f}", f"{used:.1f}")
    table.add_row("total", f"{total:.1f}", f"{processor:.1f}", style="bold")
    console = Console()
    console.print(table)
    console.print(f"{figures['figures']} figures; not available: {', '.join(figures['not_available']) or 'none'}")
    share = f"{figures['extraction_share']:.0%} ({figures['extraction_processor_share']:.0%} of processor time)"
    console.print(f"extraction {share}, peak memory {figures['peak_memory_gib']} GiB")
    if asked.json:
        asked.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
