"""Small runs with random weights and statistics of noise, so that nothing is folded that is zero or one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from eqae.checkpoint import ModelSpec, save_checkpoint
from eqae.data.base import Images
from eqae.heads import build_head
from eqae.heads.fitting import fit_heads
from eqae.models import build_model
from eqae.nn.basis import blank_bases
from eqae.nn.filters import SteerableFilters
from eqae.testing import randomize

EQAE = ModelSpec("eqae", {"group": "D4", "fields": [2, 3], "code": 6}, "gram", {}, (1, 16, 16), "digits", 0)


def spec(head: str = "gram", *, model: str = "eqae", size: int = 16, channels: int = 1, **options: object) -> ModelSpec:
    """A small run of ``model``, with ``options`` in place of those of ``EQAE``."""
    kept = EQAE.model_options if model == "eqae" else {}
    shape = (channels, size, size)
    return replace(EQAE, model=model, model_options=kept | options, head=head, image_shape=shape)


def make_run(folder: Path, chosen: ModelSpec) -> Path:
    """A checkpoint of ``chosen`` in ``folder``; bases of kernels are random too, as good as escnn's here."""
    images = torch.rand(24, *chosen.image_shape, generator=torch.Generator().manual_seed(1))
    with torch.random.fork_rng(), blank_bases():
        torch.manual_seed(0)
        model = build_model(chosen.model, chosen.image_shape, chosen.model_options)
        for part in model.modules():
            if isinstance(part, SteerableFilters):
                part.basis.normal_()
    if model.trained_by == "gradient":
        randomize(model)
        with torch.no_grad():
            for _ in range(20):  # statistics of images, so that few rectifiers are dead
                model.encode(images)
    elif chosen.model == "backbone":
        randomize(model.eval()).requires_grad_(False)
    else:
        model.fit(images)
    model.eval()
    head = build_head(chosen.head, model, chosen.head_options)
    fit_heads([head], model, Images(images, torch.zeros(len(images), dtype=torch.int64)))
    save_checkpoint(folder, model, chosen, head=head)
    return folder


def pictures(chosen: ModelSpec, count: int) -> NDArray[np.uint8]:
    return np.random.default_rng(count).integers(0, 256, (count, *chosen.image_shape), dtype=np.uint8)
