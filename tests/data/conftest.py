"""Where each registered dataset finds its files in these tests."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

Source = Callable[[str], tuple[Path | None, dict[str, Any]]]


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder of real images, or a skip."""
    root = os.environ.get("EQAE_DATA")
    if not root:
        pytest.skip("EQAE_DATA is not set, and this test needs real images")
    return Path(root)


@pytest.fixture(scope="session")
def small_npz(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 different grey images of four classes, 9x9."""
    random = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("npz") / "small.npz"
    np.savez(path, images=random.integers(0, 256, (40, 9, 9), dtype=np.uint8), labels=np.arange(40) % 4)
    return path


@pytest.fixture(scope="session")
def small_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty different images in each of two class folders, of several sizes and modes."""
    root = tmp_path_factory.mktemp("folder")
    random = np.random.default_rng(0)
    for name in ("round", "square"):
        (root / name).mkdir()
        for i in range(20):
            shape = (random.integers(5, 40), random.integers(5, 40), 3)
            image = Image.fromarray(random.integers(0, 256, shape, dtype=np.uint8))
            image.convert(["L", "RGB", "RGBA", "P"][i % 4]).save(root / name / f"{i:02}.png")
    return root


@pytest.fixture
def source(small_npz: Path, small_folder: Path) -> Source:
    """Root and options of a registered dataset; skips those whose files are absent."""

    def find(name: str) -> tuple[Path | None, dict[str, Any]]:
        match name:
            case "digits" | "o2-digits":
                return None, {}
            case "npz":
                return small_npz.parent, {"path": small_npz.name}
            case "folder":
                return small_folder, {}
            case _:
                root = os.environ.get("EQAE_DATA")
                if not root:
                    pytest.skip(f"EQAE_DATA is not set, and {name} needs real images")
                return Path(root), {}

    return find
