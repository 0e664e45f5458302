"""PlanktonSet 1.0: the labelled images of the National Data Science Bowl 2015 (Cowen et al. 2015, NOAA 0127422)."""

from __future__ import annotations

from pathlib import Path

import torch

from eqae.data.base import Dataset, Images
from eqae.data.npz import read_arrays
from eqae.data.options import Size
from eqae.data.resize import invert, resize
from eqae.data.root import find_file

FILE = "planktonset/plankton64.npz"


def load_plankton(root: Path | None, *, size: Size = 32) -> Dataset:
    """30,336 grey images of 121 classes, 6,196 of them for testing; the background, white in the file, is 0 here.

    Args:
        root: folder that holds ``planktonset/plankton64.npz``: images padded to a square and resized to 64x64.
        size: images are resized to ``size`` x ``size`` with antialiasing; the paper has 32.

    Raises:
        DataError: the file is missing or damaged.
    """
    path = find_file(
        root, (FILE,), "point data.root at the folder that holds it, or read loose images by data.name: folder"
    )
    arrays = read_arrays(path, ("images", "labels", "class_names", "test"))
    pixels = resize(invert(torch.from_numpy(arrays["images"])[:, None]), size)
    images = Images(pixels, torch.from_numpy(arrays["labels"]).long())
    test = torch.from_numpy(arrays["test"])
    return Dataset("plankton", images.take(~test), images.take(test), tuple(map(str, arrays["class_names"])))
