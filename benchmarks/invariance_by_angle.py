"""How far features move when disc-masked images turn: 90 degree elements, 30 degree elements, any angle.

    uv run python benchmarks/invariance_by_angle.py RUN... [--root PATH] [--json FILE]

Images are cut to the disc that every turn maps onto itself, so that no corner comes into the picture, and then turned
and mirrored: exactly by D4, bicubic by multiples of 30 and of 10 degrees. The figure is the mean over images and
transforms of |f(gx) - f(x)| / |f(x)|, in float32, with trained and with initial weights. The floor is the same figure
for images turned there and back: what interpolation alone does to the features.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from eqae.blocks import BLOCK
from eqae.checkpoint import load_checkpoint
from eqae.commands.jobs import untrained_twin
from eqae.data import load_dataset
from eqae.evaluation.poses import Pose, conditions
from eqae.heads import Head, build_head
from eqae.models import Autoencoder
from eqae.nn import DiscMask
from eqae.precision import full_precision


def features(model: Autoencoder, heads: Sequence[Head], images: Tensor) -> list[Tensor]:
    """Of all heads, from one pass."""
    with full_precision():
        embedding = torch.cat([model.encode(block) for block in images.split(BLOCK)])
        return [torch.cat([head(rows) for rows in embedding.split(BLOCK)]).double() for head in heads]


def movement(found: Sequence[Tensor], upright: Sequence[Tensor]) -> list[float]:
    """Mean relative movement of each head's features."""
    return [float(((a - b).norm(dim=1) / b.norm(dim=1)).mean()) for a, b in zip(found, upright, strict=True)]


def errors(model: Autoencoder, heads: Sequence[Head], images: Tensor) -> list[dict[str, float]]:
    """Error by condition for each head, and the floor beside it where pixels are interpolated."""
    upright = features(model, heads, images)
    moved: dict[Pose, list[float]] = {}
    back: dict[Pose, list[float]] = {}
    figures: list[dict[str, float]] = [{} for _ in heads]
    for name, poses in conditions(*images.shape[-2:]).items():
        for pose in poses[1:]:
            if pose not in moved:
                moved[pose] = movement(features(model, heads, pose.apply(images)), upright)
                undone = upright if pose.is_exact else features(model, heads, pose.apply_and_undo(images))
                back[pose] = movement(undone, upright)
        for number, found in enumerate(figures):
            found[name] = mean(moved[pose][number] for pose in poses[1:])
            if not all(pose.is_exact for pose in poses):
                found[f"{name} floor"] = mean(back[pose][number] for pose in poses[1:])
    return figures


def judged(runs: Sequence[Path], names: Sequence[str], images: Tensor) -> list[dict[str, Any]]:
    """A row for each run, with trained and with initial weights, and head."""
    rows = []
    for run in runs:
        checkpoint = load_checkpoint(run)
        for weights, model in (
            ("trained", checkpoint.model),
            ("initial", untrained_twin(checkpoint.model, checkpoint.spec)),
        ):
            found = errors(model, [build_head(name, model, {}) for name in names], images)
            rows += [
                {"run": run.name, "weights": weights, "head": name, **figures}
                for name, figures in zip(names, found, strict=True)
            ]
    return rows


def main() -> None:
    """Measure, print, and write JSON where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path, help="run directories, all made for the same images")
    parser.add_argument("--heads", nargs="+", default=["mean", "gram"])
    parser.add_argument("--images", type=int, default=64, help="of the test images, the first so many")
    parser.add_argument("--root", help="folder of the data files; else the environment variable EQAE_DATA")
    parser.add_argument("--json", type=Path, help="write the figures there")
    asked = parser.parse_args()
    spec = load_checkpoint(asked.runs[0]).spec
    test = load_dataset(spec.dataset, asked.root, {"size": spec.image_shape[-1]} if spec.dataset == "plankton" else {})
    images = test.test.batch(slice(0, asked.images))
    rows = judged(asked.runs, asked.heads, DiscMask(images.shape[-1])(images))
    table = Table(*rows[0], title=f"{spec.dataset}, {len(images)} disc-masked images")
    for row in rows:
        table.add_row(*(value if isinstance(value, str) else f"{value:.2g}" for value in row.values()))
    Console().print(table)
    if asked.json:
        facts = {"data": spec.dataset, "images": len(images), "torch": torch.__version__, "rows": rows}
        machine = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
        asked.json.write_text(json.dumps({"machine": machine, **facts}, indent=1) + "\n")


if __name__ == "__main__":
    main()
