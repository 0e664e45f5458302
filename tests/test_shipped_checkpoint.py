"""The checkpoint that comes with the repository: small, whole, and as good as its card says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import eqae
from eqae.data import load_dataset

SHIPPED = Path(__file__).parent.parent / "checkpoints" / "o2mnist_p4m"


def test_it_is_small_and_has_its_card() -> None:
    files = {path.name: path.stat().st_size for path in SHIPPED.iterdir()}
    assert files["model.safetensors"] < 3_000_000
    assert {"manifest.json", "config.yaml", "README.md", "results.json"} <= set(files)
    assert "load_extractor" in (SHIPPED / "README.md").read_text()


def test_its_features_do_not_change_when_the_image_is_turned() -> None:
    extractor = eqae.load_extractor(SHIPPED)
    images = load_dataset("o2-digits", None, {"size": 28}).test.pixels[:50]
    upright = extractor.transform(images)
    assert upright.shape == (50, extractor.width)
    for g in range(1, extractor.group.order):
        moved = extractor.transform(extractor.group.act(g, images).contiguous()) - upright
        assert (np.linalg.norm(moved, axis=1) / np.linalg.norm(upright, axis=1)).max() < 1e-5


@pytest.mark.parametrize("head", ["mean", "max", "gram", "gram_banded", "correlation"])
def test_every_head_can_be_put_on_it_without_training(head: str) -> None:
    extractor = eqae.load_extractor(SHIPPED, head=head)
    assert np.isfinite(extractor.transform(torch.rand(3, 28, 28))).all()


def test_its_results_belong_to_the_benchmark_of_record() -> None:
    rows = json.loads((SHIPPED / "results.json").read_text())["rows"]
    assert {row["dataset"] for row in rows} == {"o2-mnist-12k"}
    (probe,) = (
        row["value"]
        for row in rows
        if (row["model"], row["metric"], row["condition"]) == ("o2mnist_p4m", "linear_probe_accuracy", "")
    )
    assert probe > 0.8
