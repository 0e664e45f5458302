"""The user's commands on data small enough for a test."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command_line import Arguments, tiny_arguments


@pytest.fixture(scope="session")
def tiny_npz(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 grey images of three easy classes, 20x20: a bar, a corner and a ring, each at a random quarter turn."""
    random = np.random.default_rng(0)
    images = np.zeros((120, 20, 20), np.uint8)
    labels = np.arange(120) % 3
    shapes = [(slice(4, 16), slice(9, 11)), (slice(4, 8), slice(4, 12)), (slice(6, 14), slice(6, 14))]
    for image, label in zip(images, labels, strict=True):
        image[shapes[label]] = random.integers(150, 255)
        image += random.integers(0, 20, image.shape).astype(np.uint8)
        image[:] = np.rot90(image, random.integers(4))
    path = tmp_path_factory.mktemp("data") / "tiny.npz"
    np.savez(path, images=images, labels=labels.astype(np.int64))
    return path


@pytest.fixture
def tiny(tiny_npz: Path, tmp_path: Path) -> Arguments:
    """Command-line arguments that train a shipped config on the tiny data into ``tmp_path``."""
    return lambda config, *more: tiny_arguments(config, tiny_npz, tmp_path, *more)
