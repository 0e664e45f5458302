"""The pictures of docs/rivals.md, taken out of the reports of runs that ``rivals_table.py`` trained.

    uv run benchmarks/rivals_pictures.py checkpoints/rivals/o2-mnist-12k docs/pictures

Writes ``rivals_planes.png``, t-SNE of the features of four models, and ``rivals_clusters.png``, contact sheets of the
clusters of ours.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from readme_pictures import pictures

PLANES = (
    ("49 Zernike moments", "cnn-s0", "zernike"),
    ("CNN autoencoder, augmented", "cnn-s0", "cnn-s0"),
    ("CNN, anti-aliased, averaged over D4", "cnn-s0", "cnn_orbit_mean"),
    ("contrast and neighbours, D12", "clusters-s0", "clusters-s0"),
)
"""What stands over each plane, the run, and the model in its report."""
SIDE, SHEET, TITLE, GAP = 420, 420, 26, 10


def planes(runs: Path) -> Image.Image:
    """Four planes side by side, two a row."""
    cells = [
        _titled(title, pictures(runs / run / "report.html")[f"t-SNE of the features of {model}."], SIDE)
        for title, run, model in PLANES
    ]
    return _below([_beside(cells[:2]), _beside(cells[2:])])


def clusters(runs: Path) -> Image.Image:
    """The contact sheets of every cluster, in two columns."""
    found = pictures(runs / "clusters-s0" / "report.html")
    sheets = [data for alt, data in found.items() if alt.startswith("Cluster ")]
    scaled = [_scaled(data, SHEET) for data in sheets]
    return _beside([_below(scaled[::2]), _below(scaled[1::2])])


def _scaled(data: bytes, width: int) -> Image.Image:
    image = Image.open(BytesIO(data)).convert("RGB")
    return image.resize((width, round(image.height * width / image.width)), Image.Resampling.LANCZOS)


def _titled(title: str, data: bytes, width: int) -> Image.Image:
    image = _scaled(data, width)
    page = Image.new("RGB", (width, image.height + TITLE), "white")
    ImageDraw.Draw(page).text((width // 2, TITLE // 2), title, "black", ImageFont.load_default(16), anchor="mm")
    page.paste(image, (0, TITLE))
    return page


def _beside(cells: Sequence[Image.Image]) -> Image.Image:
    page = Image.new("RGB", (sum(cell.width + GAP for cell in cells) - GAP, max(c.height for c in cells)), "white")
    left = 0
    for cell in cells:
        page.paste(cell, (left, 0))
        left += cell.width + GAP
    return page


def _below(rows: Sequence[Image.Image]) -> Image.Image:
    page = Image.new("RGB", (max(row.width for row in rows), sum(row.height + GAP for row in rows) - GAP), "white")
    top = 0
    for row in rows:
        page.paste(row, (0, top))
        top += row.height + GAP
    return page


def main() -> None:
    """Write both pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path)
    parser.add_argument("folder", type=Path)
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    for name, page in (("rivals_planes", planes(asked.runs)), ("rivals_clusters", clusters(asked.runs))):
        page.quantize(128).save(asked.folder / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
