"""Evidence made of known numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from eqae.evaluation.evidence import Evidence, Features
from eqae.evaluation.poses import conditions


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
    made["there_and_back"] = {name: back[name] for name in ("30deg", "any-angle")}
    return Evidence(**(made | fields))
