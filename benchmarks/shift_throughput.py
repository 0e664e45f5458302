"""Images a second of a shift study at 224 pixels beside the bare forward pass of the same network.

    uv run python benchmarks/shift_throughput.py

* ``forward``: the network on a batch that lies ready in memory;
* ``maps``: the same network on sprites of 112 pixels at positions 8 pixels apart: composing the canvases, encoding
  them, cosines with the anchors and between neighbours, and decisions of a linear classifier;
* ``evaluator``: the registered evaluator ``shift`` on them, with probes of position and intervals, whose cost does not
  grow with the number of sprites.

All three take turns within every round, so that a busy machine slows them alike; a ratio is the median over rounds of
the two rates of one round.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from eqae.data.base import Dataset, Images
from eqae.evaluation.evidence import Encoder, Evidence, Features
from eqae.evaluation.linear_probe import linear_probe
from eqae.evaluation.shift.canvas import Stage
from eqae.evaluation.shift.evaluator import evaluate_shift, make_stage
from eqae.evaluation.shift.maps import shift_maps
from eqae.models import build_model
from step_time import Step, interleaved, machine

SHAPE = (1, 224, 224)
CLASSES = 10
RESULTS = Path(__file__).parent / "results" / "shift_throughput.json"


def make_encoder(device: torch.device) -> Encoder:
    model = build_model("cnn", SHAPE, {}).to(device).eval()

    def encode(images: Tensor) -> Tensor:
        with torch.inference_mode():
            return model.encode(images).flatten(1)

    return Encoder(encode, device, SHAPE)


def make_evidence(encode: Encoder, sprites: int) -> Evidence:
    """Smooth objects on black, and random features for a linear probe."""
    rng = np.random.default_rng(0)
    pixels = torch.zeros(sprites, *SHAPE)
    coarse = torch.from_numpy(rng.random((sprites, 1, 6, 6), np.float32))
    pixels[..., 50:170, 50:170] = torch.nn.functional.interpolate(coarse, size=(120, 120), mode="bilinear")
    split = Images(pixels, torch.arange(sprites) % CLASSES)
    width = encode(pixels[:1].to(encode.device)).shape[1]
    labels = np.arange(500) % CLASSES
    values = rng.standard_normal((500, 1, width)).astype(np.float32)
    features = Features(values, labels, np.zeros(1), np.zeros(1, bool))
    return Evidence(
        "cnn", "blobs", "C1", 0, features, features, pixels=Dataset("blobs", split, split), encode=encode
    )  # fmt: skip


def make_steps(evidence: Evidence, stage: Stage, options: argparse.Namespace) -> dict[str, Step]:
    encode = evidence.encode
    assert encode is not None
    ready = torch.rand(options.batch, *SHAPE, device=encode.device)
    batches = max(1, images_of(stage) // options.batch)
    predict = linear_probe(evidence).predict
    study: dict[str, Any] = {"sprites": options.sprites, "stride": options.stride, "batch_size": options.batch}

    def forward() -> None:
        for _ in range(batches):
            encode(ready)
        if ready.is_cuda:
            torch.cuda.synchronize()

    def maps() -> None:
        shift_maps(encode, stage, batch_size=options.batch, radii=(1,), predict=predict)

    def whole() -> None:
        evaluate_shift(evidence, **study)

    return {"forward": forward, "maps": maps, "evaluator": whole}


def images_of(stage: Stage) -> int:
    """Images that a study encodes: every placement and five anchors a sprite."""
    return len(stage.sprites) * (len(stage) + len(stage.anchors))


def rates(seconds: dict[str, list[float]], images: dict[str, int]) -> list[dict[str, Any]]:
    rate = {name: [images[name] / s for s in times] for name, times in seconds.items()}
    return [
        {
            "step": name,
            "images": images[name],
            "images_per_second": statistics.median(own),
            "ratio": statistics.median(ours / bare for ours, bare in zip(own, rate["forward"], strict=True)),
        }
        for name, own in rate.items()
    ]


def table_of(found: list[dict[str, Any]], options: argparse.Namespace) -> Table:
    table = Table(title=f"cnn at 224 pixels, batch {options.batch}, {options.rounds} interleaved rounds")
    for column in ("step", "images", "images/s", "of the forward pass"):
        table.add_column(column, justify="left" if column == "step" else "right")
    for entry in found:
        rate, ratio = entry["images_per_second"], entry["ratio"]
        table.add_row(entry["step"], f"{entry['images']:,}", f"{rate:.1f}", f"{ratio:.3f}")
    return table


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Throughput of a shift study beside the bare forward pass.")
    parser.add_argument("--sprites", type=int, default=2)
    parser.add_argument("--stride", type=int, default=8)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--json", type=Path, default=RESULTS, help="where machine, versions and figures go")
    return parser.parse_args()


def main() -> None:
    options = parse()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    encode = make_encoder(torch.device(options.device))
    evidence = make_evidence(encode, options.sprites)
    assert evidence.pixels is not None
    stage = make_stage(encode, evidence.pixels.test, options.sprites, options.stride)
    steps = make_steps(evidence, stage, options)
    for step in steps.values():
        step()
    images = dict.fromkeys(steps, images_of(stage))
    images["forward"] = max(1, images_of(stage) // options.batch) * options.batch
    found = rates(interleaved(steps, options.rounds, "rounds"), images)
    Console().print(table_of(found, options))
    setting = {name: getattr(options, name) for name in ("sprites", "stride", "batch", "rounds", "device")}
    document = {"machine": machine(options.threads, options.device), **setting, "rates": found}
    options.json.write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    main()
