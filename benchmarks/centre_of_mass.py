"""Whether features tell a digit's pose from where its centre of mass lies, and classes from that.

    uv run python benchmarks/centre_of_mass.py RUN... [--root PATH] [--json FILE]

MNIST puts the centre of mass of each digit half a pixel right of and below the middle of the frame. Images that are
turned about the middle, as those of ``so2-mnist-12k`` and ``o2-mnist-12k``, keep that offset in the frame of the digit:
it tells which way was up, hence 6 from 9, and where mirrors are in the law, 2 from 5. A linear probe on the features
of a run's training images is judged here on test images that were moved by a fraction of a pixel, so that the centre of
mass lies on the other side of the middle, in it, or as far from it as before in a random direction. Moved outwards
instead, twice as far from the middle, they show what moving alone does. Features of shapes alone give the same answers
everywhere.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.nn import functional as F

import eqae
from eqae.checkpoint import load_checkpoint
from eqae.commands.shell import guarded
from eqae.data import load_dataset
from eqae.data.base import Dataset
from eqae.data.transforms import centre_of_mass
from eqae.evaluation.linear_probe import fit_probe
from recorded_runs import this_machine

ALIKE = ((6, 9), (2, 5))
"""Digits that a half turn, or a mirror, makes look like the other."""


def moved(images: Tensor, pixels: Tensor) -> Tensor:
    """Images moved by pixels ``(B, 2)``, right and down; bilinear."""
    unit = torch.eye(2).expand(len(images), 2, 2)
    matrix = torch.cat([unit, -2 * pixels.unsqueeze(2) / images.shape[-1]], dim=2)
    grid = F.affine_grid(matrix, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


def placed(images: Tensor) -> dict[str, Tensor]:
    """The images, and the same moved to four other places."""
    offset = centre_of_mass(images).float()
    aside = torch.randn(offset.shape, generator=torch.Generator().manual_seed(0))
    aside = aside / aside.norm(dim=1, keepdim=True) * offset.norm(dim=1, keepdim=True)
    return {
        "as it is": images,
        "twice as far": moved(images, offset),
        "anywhere": moved(images, aside - offset),
        "in the middle": moved(images, -offset),
        "on the other side": moved(images, -2 * offset),
    }


def figures(said: NDArray[np.int64], true: NDArray[np.int64]) -> dict[str, float]:
    """Share of wrong answers, and for each pair of digits that look alike, how many of these are called the other."""
    found = {"error": float((said != true).mean())}
    for pair in ALIKE:
        members = np.isin(true, pair)
        found[f"{pair[0]} and {pair[1]} exchanged"] = float((said[members] == sum(pair) - true[members]).mean())
    return found


def judged(run: Path, head: str, data: Dataset, count: int) -> list[dict[str, Any]]:
    """A row for each place of the centre of mass: the figures of the first ``count`` test images."""
    extractor = eqae.load_extractor(run, head=head)
    probe = fit_probe(extractor.transform(data.train.batch(slice(None))), data.train.labels.numpy(), seed=0)
    test, true = data.test.batch(slice(0, count)), data.test.labels[:count].numpy()
    return [
        {"run": run.name, "head": head, "centre of mass": place}
        | figures(probe.predict(extractor.transform(images)), true)
        for place, images in placed(test).items()
    ]


def shown(rows: Sequence[dict[str, Any]], title: str) -> Table:
    """Rows for the terminal."""
    table = Table(*rows[0], title=title)
    for row in rows:
        table.add_row(*(value if isinstance(value, str) else f"{value:.1%}" for value in row.values()))
    return table


def main() -> int:
    """Measure, print, and write JSON where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", help="run directories, each with the head to take: RUN or RUN:HEAD")
    parser.add_argument("--images", type=int, default=10_000, help="of the test images, the first so many")
    parser.add_argument("--root", help="folder of the data files; else the environment variable EQAE_DATA")
    parser.add_argument("--json", type=Path, help="write the figures there")
    asked = parser.parse_args()
    return guarded(lambda: study(asked.runs, asked.images, asked.root, asked.json))


def study(words: Sequence[str], images: int, root: str | None, path: Path | None) -> None:
    """Print a table for each ``RUN:HEAD``, and write their figures to ``path``.

    Raises:
        EqaeError: no such run, head or data.
    """
    found: list[dict[str, Any]] = []
    for word in words:
        run, _, head = word.partition(":")
        name = load_checkpoint(Path(run)).spec.dataset
        rows = judged(Path(run), head or "mean_max", load_dataset(name, root, {}), images)
        Console().print(shown(rows, name))
        found += [{"data": name, **row} for row in rows]
    if path:
        path.write_text(json.dumps({**this_machine(), "images": images, "rows": found}, indent=1) + "\n")


if __name__ == "__main__":
    raise SystemExit(main())
