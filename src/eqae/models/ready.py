"""Models that are ready without training by gradient."""

from __future__ import annotations

from typing import Any

import torch

from eqae.data.base import Images
from eqae.errors import ConfigError
from eqae.models import build_model
from eqae.models.base import Autoencoder

READY = ("zernike", "pca", "backbone")
"""Names that need no training, or a closed-form fit to the training images at most."""


def ready_model(name: str, train: Images, seed: int, where: str = "model") -> Autoencoder:
    """The registered model ``name`` with its default options, fitted where it fits in closed form.

    Args:
        name: of :data:`READY`, or a model of the user's own that no gradient trains.
        train: training images; looked at by models that are fitted.
        seed: of random weights; the caller's random state stays as it was.
        where: what is at fault if something is.

    Raises:
        ConfigError: an unknown name, or a model that gradients train.
    """
    options: dict[str, Any] = {}
    if name == "pca":  # as many components as by default, or as there can be
        channels, height, width = train.shape
        options = {"components": min(64, len(train), channels * height * width)}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = build_model(name, train.shape, options, where)
    if model.trained_by == "gradient":
        raise ConfigError(
            where, f"{name!r} without weights", "a run directory, or " + ", ".join(READY), "train it first"
        )
    if model.trained_by == "fit":
        model.fit(train.batch(slice(None)))
    return model.eval()
