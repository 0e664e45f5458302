"""Plausible results that nothing was trained for: what a page is tried on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from eqae.evaluation.report import Poses
from eqae.evaluation.results import Results
from eqae.evaluation.row import Row
from eqae.groups import D4

MODELS = ("eqae_p4m:gram", "eqae_p4m:correlation", "eqae_p4m:mean", "cnn", "cnn_augmented", "orbit_mean(cnn)", "pca")
EXACT = ("eqae", "orbit")
ACCURACIES = {
    "linear_probe_accuracy": 0.90,
    "mlp_probe_accuracy": 0.93,
    "knn_accuracy": 0.91,
    "linear_probe_accuracy_1": 0.38,
    "linear_probe_accuracy_10": 0.71,
    "linear_probe_accuracy_100": 0.85,
    "kmeans_acc": 0.47,
    "kmeans_purity": 0.52,
    "kmeans_nmi": 0.41,
    "kmeans_ari": 0.32,
    "gmm_acc": 0.55,
    "gmm_purity": 0.60,
    "kmeans_silhouette": 0.21,
    "cluster_stability": 0.80,
    "neighbour_consistency": 0.92,
}


def row(metric: str, value: float, model: str = "a", condition: str = "", **other: Any) -> Row:
    """One row; an interval of a hundredth to each side unless told otherwise."""
    kind = {
        "relative": "invariance", "invariance": "invariance", "kmeans": "clustering", "gmm": "clustering",
        "cluster": "label_free", "neighbour": "label_free",
    }  # fmt: skip
    fields: dict[str, Any] = {
        "dataset": "o2-mnist-12k",
        "evaluator": kind.get(metric.split("_")[0], "classification"),
        "low": value - 0.01,
        "high": value + 0.01,
        "higher_is_better": not metric.endswith(("error", "floor", "ratio", "mse")),
        "n": 10_000,
        "seed": 0,
    }
    return Row(model=model, metric=metric, condition=condition, value=value, **(fields | other))


def fabricate(models: Sequence[str] = MODELS, classes: int = 10, labelled: bool = True, images: int = 1500) -> Results:
    """Results of ``models`` with every row and drawing."""
    results = Results()
    for rank, model in enumerate(models):
        rng = np.random.default_rng(rank)
        results.rows += _invariance_rows(model, rng)
        if labelled:
            results.rows += _accuracy_rows(model, rank, rng)
        if "eqae" in model or "cnn" in model:
            mse = 0.011 + 0.003 * rank
            results.rows.append(row("reconstruction_mse", mse, model, low=0.97 * mse, high=1.03 * mse))
        results.drawings[model, "angle_curve"] = _curve(model, rank, rng)
        results.drawings[model, "projection"] = _projection(rank, rng, classes if labelled else 0, images)
        if labelled:
            results.drawings[model, "confusion"] = _confusion(rank, rng, classes)
    return results


def digit_poses(models: Sequence[str] = MODELS) -> list[Poses]:
    """An 8x8 digit, enlarged, in eight poses; equivariant models blur it, others disturb it too."""
    digit = torch.tensor(load_digits().images[3] / 16, dtype=torch.float32)[None]
    image = torch.nn.functional.interpolate(digit[None], size=29, mode="bilinear")[0]
    inputs = torch.stack([D4.act(index, image) for index in range(8)])
    blurred = torch.nn.functional.avg_pool2d(inputs, 3, stride=1, padding=1)
    generator = torch.Generator().manual_seed(0)
    noise = torch.rand(inputs.shape, generator=generator) * 0.5
    return [
        Poses(model, inputs, blurred if model.startswith(EXACT) else blurred * (1 - noise))
        for model in models
        if not model.startswith("zernike")
    ]


def _accuracy_rows(model: str, rank: int, rng: np.random.Generator) -> list[Row]:
    quality = 1 - 0.035 * rank
    rows = []
    for metric, best in ACCURACIES.items():
        value = best * quality + rng.normal(0, 0.006)
        rows.append(row(metric, value, model, low=value - 0.006, high=value + 0.006))
    for condition, loss in (("D4", 0.4), ("any-angle", 0.45)):
        kept = 1.0 if model.startswith(EXACT) and condition == "D4" else 1 - loss * rng.uniform(0.2, 1)
        value = 0.9 * quality * kept
        rows.append(row("linear_probe_accuracy", value, model, condition, low=value - 0.01, high=value + 0.01, n=256))
    return rows


def _invariance_rows(model: str, rng: np.random.Generator) -> list[Row]:
    rows = []
    for condition in ("D4", "30deg", "any-angle"):
        exact = model.startswith(EXACT) and condition == "D4"
        error = rng.uniform(0.8e-7, 2e-7) if exact else rng.uniform(0.08, 0.6)
        for label, factor in ((model, 1.0), (f"{model} (untrained)", 1.3)):
            if factor > 1 and not ("eqae" in model or "cnn" in model):
                continue
            value = error * factor
            bounds = {"low": 0.95 * value, "high": 1.05 * value, "n": 500}
            rows.append(row("relative_invariance_error", value, label, condition, **bounds))
            bounds = {"low": 1.2 * value, "high": 1.3 * value, "n": 500}
            rows.append(row("invariance_ratio", 1.25 * value, label, condition, **bounds))
        if condition != "D4":
            floor = rng.uniform(0.05, 0.09)
            bounds = {"low": 0.95 * floor, "high": 1.05 * floor, "n": 500}
            rows.append(row("relative_interpolation_floor", floor, model, condition, **bounds))
    return rows


def _curve(model: str, rank: int, rng: np.random.Generator) -> dict[str, Any]:
    angles = np.arange(0, 361, 10.0)
    away = np.abs(np.sin(np.deg2rad(2 * angles)))
    floor = np.where(angles % 90 == 0, 0, 0.03 + 0.05 * away)
    if model.startswith(EXACT):
        error = np.where(angles % 90 == 0, 1.2e-7 * (1 + 0.3 * rank), 0.05 + (0.08 + 0.02 * rank) * away)
    else:
        error = (0.35 + 0.05 * rank) * np.sqrt(np.abs(np.sin(np.deg2rad(angles / 2))))
    error = error * rng.uniform(0.95, 1.05, len(angles))
    error[[0, -1]] = 0
    untrained = (error * 1.4).tolist() if "eqae" in model or "cnn" in model else None
    return {"angles": angles.tolist(), "error": error.tolist(), "floor": floor.tolist(), "untrained": untrained}


def _projection(rank: int, rng: np.random.Generator, classes: int, images: int) -> dict[str, Any]:
    labels = rng.integers(0, max(classes, 1), images)
    centres = rng.normal(0, 3.2 - 0.3 * rank, (max(classes, 1), 8))
    points = centres[labels] + rng.normal(0, 1, (images, 8))
    pca = PCA(2, random_state=0).fit(points)
    plane = 12 * rng.normal(0, 1, (max(classes, 1), 2))[labels] + rng.normal(0, 2 + 0.4 * rank, (images, 2))
    shares = [float(share) for share in pca.explained_variance_ratio_]
    return {
        "pca": pca.transform(points),
        "tsne": plane,
        "labels": labels if classes else np.full(images, -1),
        "explained": shares,
    }


def _confusion(rank: int, rng: np.random.Generator, classes: int) -> dict[str, Any]:
    count = max(10_000 // classes, 1)
    matrix = rng.poisson(count * (0.01 + 0.004 * rank), (classes, classes))
    matrix[np.arange(classes), np.arange(classes)] = int(count * (0.9 - 0.04 * rank))
    if classes > 9:
        matrix[4, 9] += count // 12
    return {"matrix": matrix.tolist(), "classes": [str(index) for index in range(classes)]}
