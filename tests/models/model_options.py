"""Small options for every registered model; one that is not named here is built with its defaults."""

from __future__ import annotations

from typing import Any

from eqae.models import Autoencoder, build_model

TINY: dict[str, dict[str, Any]] = {
    "eqae": {"fields": [2, 3], "code": 4},
    "eqae_copies": {"fields": [2, 3], "code": 4},
    "cnn": {"fields": [2, 3], "code": 4},
    "cnn_antialiased": {"fields": [2, 3], "code": 4},
    "orbit_mean": {"base": {"name": "cnn", "fields": [2, 3], "code": 4}},
    "pca": {"components": 5},
    "zernike": {"degree": 4},
    "backbone": {"architecture": "mobilenet_v3_small"},
}


def tiny(name: str, image_shape: tuple[int, int, int], **options: Any) -> Autoencoder:
    return build_model(name, image_shape, TINY.get(name, {}) | options)
