"""Judge a function of one's own beside a training-free model and a checkpoint: one loop, one table.

uv run examples/own_extractor.py
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

import eqae
from eqae.data import Dataset, load_dataset
from eqae.evaluation.views import Extraction

CHECKPOINT = Path(__file__).parents[1] / "checkpoints" / "o2mnist_p4m"
RINGS = 10
COLUMNS = (
    ("linear_probe_accuracy", ""),
    ("relative_invariance_error", "D4"),
    ("relative_invariance_error", "any-angle"),
    ("orbit_recall_at_1", "any-angle"),
)


def ring_profile(images: Tensor) -> Tensor:
    """Mean and deviation of the brightness on rings about the centre: ``(B, C, H, W)`` to ``(B, 2·C·10)``."""
    height, width = images.shape[-2:]
    rows = torch.arange(height, device=images.device) - (height - 1) / 2
    columns = torch.arange(width, device=images.device) - (width - 1) / 2
    radius = torch.hypot(rows[:, None], columns) / (min(height, width) / 2)
    ring = (radius * RINGS).long().clamp(max=RINGS)  # the corners, beyond the largest ring, are left out
    rings = [images[..., ring == number] for number in range(RINGS)]
    return torch.cat([part(ring) for ring in rings for part in (mean, deviation)], dim=1)


def mean(pixels: Tensor) -> Tensor:
    """``(B, C, P)`` to ``(B, C)``."""
    return pixels.mean(2)


def deviation(pixels: Tensor) -> Tensor:
    """``(B, C, P)`` to ``(B, C)``."""
    return pixels.std(2)


def main() -> None:
    """Print a table of a few figures with their 95 % intervals."""
    digits = load_dataset("o2-digits", None, {})
    # Fewer images, so that this takes seconds; a registered name in place of the dataset takes all of them.
    few = Dataset("few digits", digits.train.take(slice(400)), digits.test.take(slice(150)), digits.class_names)
    results = eqae.evaluate(
        {"rings": ring_profile, "zernike": "zernike", "o2mnist_p4m": CHECKPOINT},
        few,
        evaluators={"classification": {"labels_per_class": ()}, "invariance": {}, "retrieval": {}},
        extraction=Extraction(orbit_images=16, conditions=("D4", "any-angle")),
    )
    rows = {(row.model, row.metric, row.condition): row for row in results.rows}
    for metric, condition in COLUMNS:
        print(f"{metric} {condition}")
        for model in ("rings", "zernike", "o2mnist_p4m"):
            row = rows[model, metric, condition]
            print(f"  {model:12} {row.value:8.3g}   {row.low:.3g} to {row.high:.3g}   n = {row.n}")
    for model in ("rings", "zernike", "o2mnist_p4m"):
        assert rows[model, "relative_invariance_error", "D4"].value < 1e-5


if __name__ == "__main__":
    main()
