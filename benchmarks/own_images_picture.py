"""The picture in docs/own-images.md: contact sheets of the embedded digits, read as anyone's folder of image files.

    uv run python benchmarks/own_images_picture.py docs/pictures/contact_sheets.png

Writes 1,797 digits as PNG files of 8x8 pixels, each at one of four quarter turns, trains the shipped
``configs/folder.yaml`` on them without its baselines, and lays the sheets of the six largest clusters side by side.
``--keep DIR`` leaves files and run in that folder.
"""

from __future__ import annotations

import argparse
import re
from base64 import b64decode
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from sklearn.datasets import load_digits

from eqae.commands.train import main as train

SHEET = re.compile(r'<img src="data:image/png;base64,([^"]*)" alt="(Cluster \d+, [\d,]+ images?)')
SHOWN, ACROSS, WIDTH, GAP, TITLE = 6, 2, 560, 36, 26


def write_digits(folder: Path) -> None:
    """The digits as files, with a broken one among them."""
    folder.mkdir(parents=True)
    for place, digit in enumerate(load_digits().images):
        pixels = np.rot90(digit * 255 / 16, place % 4).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{place:04}.png")
    (folder / "broken.png").write_bytes(b"\x89PNG")


def sheets(report: Path) -> dict[str, Image.Image]:
    """The contact sheets of a report by their titles."""
    found = SHEET.findall(report.read_text(encoding="utf-8"))
    return {title: Image.open(BytesIO(b64decode(data))).convert("L") for data, title in found}


def laid_out(found: dict[str, Image.Image]) -> Image.Image:
    """The first sheets in two columns, each below its title."""
    images = list(found.items())[:SHOWN]
    height = round(images[0][1].height * WIDTH / images[0][1].width) + TITLE + GAP
    rows = -(-len(images) // ACROSS)
    page = Image.new("L", (ACROSS * (WIDTH + GAP) - GAP, rows * height - GAP), "white")
    draw = ImageDraw.Draw(page)
    for place, (title, image) in enumerate(images):
        top, left = place // ACROSS * height, place % ACROSS * (WIDTH + GAP)
        draw.text((left, top), title, "black", ImageFont.load_default(17))
        page.paste(image.resize((WIDTH, height - TITLE - GAP), Image.Resampling.LANCZOS), (left, top + TITLE))
    return page


def make(picture: Path, folder: Path) -> None:
    """Write the digits and the run into ``folder``, and the picture."""
    write_digits(folder / "digits")
    words = ["--config", "configs/folder.yaml", f"data.root={folder / 'digits'}", f"output={folder}", "baselines={}"]
    if train([*words, "tracking.wandb=disabled"]) != 0:
        raise SystemExit(2)
    picture.parent.mkdir(parents=True, exist_ok=True)
    laid_out(sheets(folder / "folder" / "report.html")).quantize(32).save(picture, optimize=True)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--keep", type=Path, metavar="DIR", help="a new folder for files and run")
    asked = parser.parse_args()
    if asked.keep is not None:
        make(asked.picture, asked.keep)
        return
    with TemporaryDirectory() as folder:
        make(asked.picture, Path(folder))


if __name__ == "__main__":
    main()
