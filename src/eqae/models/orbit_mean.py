"""Any model, looked at through the whole orbit of each image: exactly invariant, |G| times the cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from eqae.errors import ConfigError
from eqae.groups import Group, get_group
from eqae.models.base import Autoencoder


class OrbitMean(Autoencoder):
    """Row g of V holds what ``base`` says of ``g⁻¹x``; the mean head over these rows is the orbit average.

    The row rule makes V transform as every other model's here, so Gram, correlation and the other heads apply too.
    """

    def __init__(self, base: Autoencoder, group: Group) -> None:
        super().__init__(group, base.group.order * base.channels, base.image_shape)
        self.base = base
        self.has_decoder = base.has_decoder
        self.trained_by = base.trained_by
        self.is_reproducible = base.is_reproducible

    def encode(self, images: Tensor) -> Tensor:
        """``(B, C, H, W)`` to V ``(B, |G|, m)`` with m the size of the base model's flattened V."""
        rows = [self.base.encode(self.group.act(inverse, images)).flatten(1) for inverse in self.group.inverses]
        return torch.stack(rows, 1)

    def decode(self, embedding: Tensor) -> Tensor:
        """Every row decoded, turned back, and averaged: ``(B, C, H, W)``."""
        rows = embedding.unflatten(-1, (self.base.group.order, self.base.channels))
        images = [self.group.act(g, self.base.decode(rows[:, g])) for g in range(self.group.order)]
        return torch.stack(images).mean(0)

    def fit(self, images: Tensor) -> None:
        """Fit the base model."""
        self.base.fit(images)


def build_orbit_mean(*, image_shape: tuple[int, int, int], base: dict[str, Any], group: str = "D4") -> OrbitMean:
    """The registered ``orbit_mean`` model: ``base`` is another model's ``{name: ..., options}``."""
    from eqae.models import build_model

    if not isinstance(base, Mapping) or not isinstance(base.get("name"), str):
        raise ConfigError("model.base", f"{base!r}", "a model: {name: cnn, ...}")
    options = {key: value for key, value in base.items() if key != "name"}
    chosen = get_group(group)
    if not chosen.is_lattice:
        raise ConfigError(
            "model.group", f"{chosen.name}, whose turns interpolate pixels", "C1, C2, C4, D1, D2 or D4",
            f"{chosen.lattice.name} is the part of it that moves pixels",
        )  # fmt: skip
    return OrbitMean(build_model(base["name"], image_shape, options, where="model.base"), chosen)
