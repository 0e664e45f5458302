"""Evidence made of known numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from eqae.data.base import Dataset, Images
from eqae.evaluation.evidence import Attention, Code, Encoder, Evidence, FeatureMaps, Features
from eqae.evaluation.poses import conditions
from eqae.groups import D4

IMAGE_SHAPE = (1, 8, 8)


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


def make_maps(
    rng: np.random.Generator, labels: np.ndarray, count: int, side: int, fields: int, order: int
) -> FeatureMaps:
    """Rectified maps of ``count`` test images; images of one class share a pattern."""
    index = np.arange(count) * len(labels) // count
    patterns = rng.standard_normal((len(np.unique(labels)), side * side, fields, order))
    kinds = np.unique(labels, return_inverse=True)[1]
    noise = rng.standard_normal((count, side * side, fields, order))
    values = np.maximum(patterns[kinds[index]] + 0.5 * noise, 0).astype(np.float16)
    return FeatureMaps(values, side, side, index, labels[index])


def _pixels(rng: np.random.Generator, a_labels: np.ndarray, b_labels: np.ndarray, names: tuple[str, ...]) -> Dataset:
    def images(labels: np.ndarray) -> Images:
        pixels = rng.integers(0, 256, (len(labels), *IMAGE_SHAPE), dtype=np.uint8)
        pixels[:, :, :2] = 0  # a dark border above, so that a crop is not the whole image
        return Images(torch.from_numpy(pixels), torch.from_numpy(labels.astype(np.int64)))

    return Dataset("gaussians", images(a_labels), images(b_labels), names)


def make_encoder(rng: np.random.Generator, width: int) -> Encoder:
    """A random linear map of the pixels, rectified."""
    weights = torch.from_numpy(rng.standard_normal((int(np.prod(IMAGE_SHAPE)), width)).astype(np.float32))
    return Encoder(lambda images: (images.flatten(1) @ weights).relu(), torch.device("cpu"), IMAGE_SHAPE)


def make_code(rng: np.random.Generator, train: np.ndarray, test: np.ndarray) -> Code:
    """The features as vectors that a random linear map turns into images."""
    weights = rng.standard_normal((train.shape[1], int(np.prod(IMAGE_SHAPE)))).astype(np.float32)
    return Code(train, test, lambda vectors: (vectors @ weights).reshape(-1, *IMAGE_SHAPE))


def make_attention(rng: np.random.Generator, test: int, turned: int, sharpness: float = 3.0) -> Attention:
    """Weights over the rows of a D4 model that move as they should, up to some noise."""
    scores = sharpness * rng.standard_normal((test, 8))
    moved = scores[:turned, np.array(D4.left_quotient)] + 0.3 * rng.standard_normal((turned, 8, 8))
    upright, orbit = (torch.from_numpy(s).softmax(-1).float().numpy() for s in (scores, moved))
    return Attention(upright, orbit, np.array(D4.cayley), "D4")


def make_evidence(
    *, classes: int = 3, train: int = 120, test: int = 90, turned: int = 20, width: int = 6, seed: int = 0,
    separation: float = 4.0, movement: float = 0.05, labelled: bool = True, **fields: Any,
) -> Evidence:  # fmt: skip
    """Classes of Gaussian features, ``separation`` apart, that move by ``movement`` when turned.

    Every field of the evidence can be replaced by keyword.
    """
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
    names = made["class_names"]
    made |= {
        "pixels": _pixels(rng, a_labels, b_labels, names),
        "maps": {
            "stage 1": make_maps(rng, b_labels, min(test, 12), 4, 3, 8),
            "stage 2": make_maps(rng, b_labels, min(test, 12), 2, 5, 8),
        },
        "code": make_code(rng, a, b),
        "encode": make_encoder(rng, width),
        "attention": make_attention(rng, test, turned),
    }
    made["there_and_back"] = {name: back[name] for name in ("30deg", "any-angle")}
    return Evidence(**(made | fields))
