"""How exact the invariance of every head is on the pixel lattice, at every image size from 17 to 64.

    uv run python benchmarks/exactness.py

For each size a small D4 autoencoder is built and judged twice, at its initial weights and after a few training steps:
the largest relative error over all heads, the seven elements other than the identity, and the images. The plain
autoencoder of equal parameters stands beside it (mean over images of its largest error).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor

from eqae.groups import D4
from eqae.heads import build_head
from eqae.models import Autoencoder, build_model
from eqae.registry import HEADS

SIZES = range(17, 65)
OPTIONS = {"group": "D4", "fields": [4, 6, 8], "code": 10}
STEPS = 5
IMAGES = 8


@dataclass(frozen=True)
class Exactness:
    """The worst figure over sizes 17 to 64 of one precision and state of the weights."""

    precision: str
    trained: bool
    eqae_worst: float
    worst_size: int
    worst_head: str
    cnn_mean: float


def errors(model: Autoencoder, images: Tensor, heads: Iterable[str]) -> dict[str, Tensor]:
    """Relative error ``(7, B)`` of each head under the elements of D4 other than the identity."""
    model.eval()
    found = {}
    with torch.no_grad():
        for name in heads:
            head = build_head(name, model, {}).to(images.dtype)
            upright = head(model.encode(images))
            moved = [head(model.encode(D4.act(g, images))) - upright for g in range(1, D4.order)]
            found[name] = torch.stack([difference.norm(dim=1) for difference in moved]) / upright.norm(dim=1)
    return found


def train(model: Autoencoder, images: Tensor) -> None:
    """A few steps of plain reconstruction."""
    optimizer = torch.optim.AdamW(model.train().parameters(), 3e-3)
    for _ in range(STEPS):
        optimizer.zero_grad()
        F.mse_loss(model(images).images, images).backward()
        optimizer.step()


def measure(precision: torch.dtype) -> list[Exactness]:
    """Both states of the weights in one precision."""
    worst: dict[bool, tuple[float, int, str]] = {False: (0.0, 0, ""), True: (0.0, 0, "")}
    plain: dict[bool, list[float]] = {False: [], True: []}
    for size in track(SIZES, description=str(precision), transient=True):
        torch.manual_seed(size)
        images = torch.rand(IMAGES, 1, size, size, dtype=precision)
        ours = build_model("eqae", (1, size, size), OPTIONS | {"attention": 8}).to(precision)
        control = build_model("cnn", (1, size, size), OPTIONS).to(precision)
        for trained in (False, True):
            if trained:
                train(ours, images)
                train(control, images)
            for name, error in errors(ours, images, HEADS).items():
                worst[trained] = max(worst[trained], (float(error.max()), size, name))
            plain[trained].append(float(errors(control, images, ["mean"])["mean"].amax(0).mean()))
    return [
        Exactness(str(precision).removeprefix("torch."), trained, *worst[trained], sum(plain[trained]) / len(SIZES))
        for trained in (False, True)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    rows = [row for precision in (torch.float32, torch.float64) for row in measure(precision)]
    table = Table("precision", "weights", "eqae, worst of all heads and sizes", "at", "cnn, mean")
    for row in rows:
        state = "trained" if row.trained else "initial"
        table.add_row(
            row.precision,
            state,
            f"{row.eqae_worst:.1e}",
            f"{row.worst_head}, {row.worst_size} px",
            f"{row.cnn_mean:.2f}",
        )
    Console().print(table)
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")


if __name__ == "__main__":
    main()
