"""The function that is exported: pixels as they are stored in, invariant features out."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from eqae.export.folding import fold
from eqae.export.pruning import prune
from eqae.heads import Head
from eqae.models import Autoencoder
from eqae.precision import full_precision


class PixelFeatures(nn.Module):
    """Images ``(N, C, H, W)`` uint8 in 0..255 to features ``(N, D)`` float32."""

    def __init__(self, model: Autoencoder, head: Head) -> None:
        super().__init__()
        self.model = model
        self.head = head

    def forward(self, images: Tensor) -> Tensor:
        """``(N, C, H, W)`` uint8 to ``(N, D)``."""
        features: Tensor = self.head(self.model.encode(images.to(torch.float32) / 255))
        return features


def plain_features(model: Autoencoder, head: Head) -> PixelFeatures:
    """A copy of ``model`` and ``head`` that is made of ordinary layers and holds nothing but what features need.

    The two given stay as they are.

    Args:
        model: trained, on any device.
        head: of ``model``, fitted where it has to be.
    """
    twin = copy.deepcopy(PixelFeatures(model, head)).cpu().float().eval().requires_grad_(False)
    with full_precision():
        prune(twin, example(model, 1))
        fold(twin)
        _separate(twin)
    return twin


def example(model: Autoencoder, count: int) -> Tensor:
    """``count`` images ``(N, C, H, W)`` of random grey values, always the same ones."""
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, *model.image_shape), generator=generator, dtype=torch.uint8, device="cpu")


def _separate(module: nn.Module) -> None:
    """Give every table memory of its own: some are views of a common one, which files cannot express."""
    for part in module.modules():
        for name, buffer in list(part.named_buffers(recurse=False)):
            setattr(part, name, buffer.clone(memory_format=torch.contiguous_format))
