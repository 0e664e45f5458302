"""Models: encoders and decoders behind the same three verbs. One file each; see :data:`eqae.registry.MODELS`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eqae.models.base import Autoencoder, Reconstruction
from eqae.models.function import FunctionModel
from eqae.registry import MODELS

__all__ = ["Autoencoder", "FunctionModel", "Reconstruction", "build_model"]


def build_model(
    name: str, image_shape: tuple[int, int, int], options: Mapping[str, Any], where: str = "model"
) -> Autoencoder:
    """The model called ``name`` for images of shape ``(C, H, W)``, at its initial weights.

    Raises:
        ConfigError: unknown name or option, or an image size no exact network exists for.
    """
    model: Autoencoder = MODELS.build(name, options, where, image_shape=image_shape)
    return model
