"""Synthetic evidence, and small models whose behaviour under turns is known."""

from __future__ import annotations

from collections.abc import Callable

import evidence_factory
import pytest
import torch
from torch import Tensor

from eqae.data.base import Dataset, Images
from eqae.evaluation.evidence import Evidence
from eqae.groups import Group, get_group
from eqae.models.base import Autoencoder

MakeEvidence = Callable[..., Evidence]


@pytest.fixture
def make_evidence() -> MakeEvidence:
    """:func:`evidence_factory.make_evidence`."""
    return evidence_factory.make_evidence


class OrbitRows(Autoencoder):
    """Row g of V is a fixed random linear map of ``g⁻¹x``: exactly equivariant. Reconstructs black."""

    def __init__(self, group: str, shape: tuple[int, int, int], channels: int = 5, seed: int = 0) -> None:
        super().__init__(get_group(group), channels, shape)
        pixels = shape[0] * shape[1] * shape[2]
        generator = torch.Generator().manual_seed(seed)
        self.map = torch.nn.Parameter(torch.randn(pixels, channels, generator=generator) / pixels**0.5)
        self.encoded = 0

    def encode(self, images: Tensor) -> Tensor:
        self.encoded += len(images)
        rows = [self._act(inverse, images).flatten(1) @ self.map for inverse in self.group.inverses]
        return torch.stack(rows, 1)

    def decode(self, embedding: Tensor) -> Tensor:
        return torch.zeros(len(embedding), *self.image_shape)

    def _act(self, element: int, images: Tensor) -> Tensor:
        group: Group = self.group
        return group.act(element, images)


@pytest.fixture
def orbit_rows() -> type[OrbitRows]:
    """The class of fake models: equivariant under the named group; ``"C1"`` is equivariant under nothing."""
    return OrbitRows


@pytest.fixture
def make_dataset() -> Callable[..., Dataset]:
    """A factory of datasets of smooth random images with two classes."""

    def make(*, train: int = 23, test: int = 17, size: tuple[int, int] = (9, 9), channels: int = 1) -> Dataset:
        generator = torch.Generator().manual_seed(1)

        def split(count: int) -> Images:
            coarse = torch.rand(count, channels, 4, 4, generator=generator)
            pixels = torch.nn.functional.interpolate(coarse, size=size, mode="bilinear")
            return Images(pixels, torch.arange(count) % 2)

        return Dataset("smooth", split(train), split(test), ("even", "odd"))

    return make
