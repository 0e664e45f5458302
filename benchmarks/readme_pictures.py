"""The README's pictures, taken out of a report.

    uv run python benchmarks/readme_pictures.py evaluations/o2mnist/report.html docs/pictures

Writes ``orbit_polar.svg`` as the report shows it, and ``shift_maps.png``, the report's strips below one another.
"""

from __future__ import annotations

import argparse
import re
from base64 import b64decode
from html import unescape
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

EMBEDDED = re.compile(r'<img src="data:image/[a-z+]+;base64,([^"]*)" alt="([^"]*)"')
EXAMPLE = "One object at the five anchors."
STRIP = re.compile(r"Mean cosine of the features of (.+) at each place of the frame")
POLAR = "Mean cosine between features of an image and of its turned copies"
WIDTH, LABEL, GAP = 560, 170, 6


def pictures(report: Path) -> dict[str, bytes]:
    """Every picture of the page by its alternative text."""
    found = EMBEDDED.findall(report.read_text(encoding="utf-8"))
    return {unescape(alt): b64decode(data) for data, alt in found}


def shift_maps(found: dict[str, bytes]) -> Image.Image:
    """One object at the five anchors, and below it the heatmaps of each model, with its name."""
    strips = {"one object": found[EXAMPLE]}
    strips |= {match[1]: data for alt, data in found.items() if (match := STRIP.match(alt))}
    images = {name: Image.open(BytesIO(data)).convert("RGB") for name, data in strips.items()}
    scaled = {name: image.resize((WIDTH, round(image.height * WIDTH / image.width)), Image.Resampling.NEAREST)
              for name, image in images.items()}  # fmt: skip
    height = sum(image.height + GAP for image in scaled.values()) - GAP
    page = Image.new("RGB", (LABEL + WIDTH, height), "white")
    draw, top = ImageDraw.Draw(page), 0
    for name, image in scaled.items():
        page.paste(image, (LABEL, top))
        draw.text((4, top + image.height // 2), name, "black", ImageFont.load_default(16), anchor="lm")
        top += image.height + GAP
    return page


def main() -> None:
    """Write both pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("report", type=Path)
    parser.add_argument("folder", type=Path)
    asked = parser.parse_args()
    found = pictures(asked.report)
    asked.folder.mkdir(parents=True, exist_ok=True)
    polar = next(data for alt, data in found.items() if alt.startswith(POLAR))
    (asked.folder / "orbit_polar.svg").write_bytes(polar)
    shift_maps(found).quantize(128).save(asked.folder / "shift_maps.png", optimize=True)


if __name__ == "__main__":
    main()
