"""Names that the tests of the commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

CONFIGS = Path(__file__).parent.parent.parent / "configs"

Arguments = Callable[..., list[str]]
"""``tiny(config, *overrides)``: a command line that trains a shipped config on tiny data."""


def tiny_arguments(config: str, data: Path, output: Path, *more: str) -> list[str]:
    """Train a shipped config for an epoch on ``data`` into ``output``."""
    return [
        "--config", str(CONFIGS / config), f"data={{name: npz, path: {data}}}", f"output={output}",
        "training.epochs=1", "training.batch_size=32", "training.precision=32-true", "evaluation.orbit_images=12",
        "tracking.wandb=disabled", *more,
    ]  # fmt: skip
