"""Fitting heads that learn something, without labels, from what a model makes of training images."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from eqae.blocks import BLOCK, filled_up
from eqae.data.base import Images
from eqae.heads.base import Head
from eqae.models.base import Autoencoder
from eqae.modes import evaluating


def fit_heads(heads: Sequence[Head], model: Autoencoder, images: Images, device: torch.device | None = None) -> None:
    """Fit those of ``heads`` that need it; the images are encoded once for all, and not at all where none does.

    Args:
        heads: of ``model``.
        model: trained; back on the CPU afterwards, even if encoding fails.
        images: training images; their labels are not looked at.
        device: where to encode; the heads are fitted on the CPU.
    """
    waiting = [head for head in heads if head.needs_fit]
    if not waiting:
        return
    with torch.inference_mode(False):  # whatever surrounds this: weights moved under it could never be trained again
        model.to(device or torch.device("cpu"))
        try:
            parts = _encoded(model, images, device or torch.device("cpu"))
        finally:
            model.cpu()
    with evaluating(*waiting), torch.inference_mode(False):  # a head may learn by gradients
        embedding = torch.cat(parts)  # joined here, they are no inference tensors any more
        for head in waiting:
            head.fit(embedding)


def _encoded(model: Autoencoder, images: Images, device: torch.device) -> list[Tensor]:
    """V of the images on the CPU, block by block."""
    parts = []
    with evaluating(model):
        for start in range(0, len(images), BLOCK):
            pixels = images.batch(slice(start, start + BLOCK))
            parts.append(model.encode(filled_up(pixels, BLOCK).to(device))[: len(pixels)].cpu())
    return parts
