"""Evidence made of known numbers, and small models whose behaviour under turns is known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from eqae.data.base import Dataset, Images
from eqae.evaluation.evidence import Evidence, Features
from eqae.evaluation.poses import conditions
from eqae.groups import Group, get_group
from eqae.models.base import Autoencoder

MakeEvidence = Callable[..., Evidence]


def make_features(values: np.ndarray, labels: np.ndarray, condition: str | None = None) -> Features:
    """``values (N, D)`` as they are, or ``(N, O, D)`` in the poses of ``condition``."""
    values = values.astype(np.float32)
    if condition is None:
        return Features(values[:, None], labels, np.zeros(1), np.zeros(1, bool))
    poses = conditions(8, 8)[condition]
    degrees = np.array([pose.degrees for pose in poses])
    return Features(values, labels, degrees, np.array([pose.mirrored for pose in poses]))


def _turned(rng: np.random.Generator, upright: np.ndarray, labels: np.ndarray, movement: float) -> dict[str, Features]:
    turned = {}
    for condition, poses in conditions(8, 8).items():
        values = upright[:, None] + movement * rng.standard_normal((len(upright), len(poses), upright.shape[1]))
        values[:, 0] = upright
        turned[condition] = make_features(values, labels, condition)
    return turned


@pytest.fixture
def make_evidence() -> MakeEvidence:
    """A factory of evidence: classes of Gaussian features, ``separation`` apart, that move by ``movement`` when turned.

    Every field of the evidence can be replaced by keyword.
    """

    def make(
        *, classes: int = 3, train: int = 120, test: int = 90, turned: int = 20, width: int = 6, seed: int = 0,
        separation: float = 4.0, movement: float = 0.05, labelled: bool = True, **fields: Any,
    ) -> Evidence:  # fmt: skip
        rng = np.random.default_rng(seed)
        centres = separation * rng.standard_normal((classes, width))

        def split(count: int) -> tuple[np.ndarray, np.ndarray]:
            kinds = np.arange(count) % classes
            values = (centres[kinds] + rng.standard_normal((count, width))).astype(np.float32)
            return values, kinds if labelled else np.full(count, -1)

        (a, a_labels), (b, b_labels) = split(train), split(test)
        made: dict[str, Any] = {
            "model": "synthetic", "dataset": "gaussians", "group": "D4", "seed": seed,
            "train": make_features(a, a_labels), "test": make_features(b, b_labels),
            "turned": _turned(rng, b[:turned], b_labels[:turned], movement),
            "untrained": _turned(rng, b[:turned], b_labels[:turned], 3 * movement),
            "reconstruction_error": rng.random(test).astype(np.float32) / 10,
            "class_names": tuple(f"kind {i}" for i in range(classes)) if labelled else (),
        }  # fmt: skip
        back = _turned(rng, b[:turned], b_labels[:turned], movement / 2)
        made["there_and_back"] = {name: back[name] for name in ("30deg", "any-angle")}
        return Evidence(**(made | fields))

    return make


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
