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


def features(model: Autoencoder, head: Head, images: Tensor) -> Tensor:
    with full_precision():
        return torch.cat([head(model.encode(block)) for block in images.split(BLOCK)]).double()


def movement(found: Tensor, upright: Tensor) -> float:
    return float(((found - upright).norm(dim=1) / upright.norm(dim=1)).mean())


def errors(model: Autoencoder, head: Head, images: Tensor) -> dict[str, float]:
    """Error by condition, and the floor beside it where pixels are interpolated."""
    upright = features(model, head, images)
    seen: dict[Pose, tuple[float, float]] = {}
    figures = {}
    for name, poses in conditions(*images.shape[-2:]).items():
        for pose in poses[1:]:
            if pose not in seen:
                back = 0.0 if pose.is_exact else movement(features(model, head, pose.apply_and_undo(images)), upright)
                seen[pose] = movement(features(model, head, pose.apply(images)), upright), back
        moved = torch.tensor([seen[pose] for pose in poses[1:]]).mean(0).tolist()
        figures[name] = moved[0]
        if any(not pose.is_exact for pose in poses):
            figures[f"{name} floor"] = moved[1]
    return figures


def judged(runs: Sequence[Path], heads: Sequence[str], images: Tensor) -> list[dict[str, Any]]:
    rows = []
    for run in runs:
        checkpoint = load_checkpoint(run)
        for weights, model in (
            ("trained", checkpoint.model),
            ("initial", untrained_twin(checkpoint.model, checkpoint.spec)),
        ):
            for name in heads:
                found = errors(model, build_head(name, model, {}), images)
                rows.append({"run": run.name, "weights": weights, "head": name, **found})
    return rows


def main() -> None:
    """Measure, print, and write JSON where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path, help="run directories, all made for the same images")
    parser.add_argument("--heads", nargs="+", default=["mean", "gram"])
    parser.add_argument("--images", type=int, default=128, help="of the test images, the first so many")
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
