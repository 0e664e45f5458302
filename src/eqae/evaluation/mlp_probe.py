"""The MLP probe: one hidden layer on whitened features, kept from learning its training images by heart."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from eqae.evaluation.evidence import FloatArray, IntArray
from eqae.precision import full_precision

AXES = 512
"""Principal axes that are kept at most; one for every four images where these are fewer, and at least 16."""
FLOOR = 1e-6
"""Variance of an axis, relative to the largest, below which it holds nothing but rounding."""
HIDDEN = 256
BATCH = 256
EPOCHS = 20
LEAST_STEPS = 600
"""Fewer images get more epochs."""
RATE = 3e-3
DECAY = 0.1
DROPOUT = 0.5
"""Share of the hidden layer that is left out in each step."""


@dataclass(frozen=True)
class MlpProbe:
    """A fitted network: ``classes[argmax(relu(h W₁ + b₁) W₂ + b₂)]`` of whitened features h.

    Attributes:
        mean: of the training features, ``(D,)``.
        axes: principal axes, each divided by its deviation, ``(D, K)``.
        layers: ``W₁ (K, 256), b₁, W₂ (256, C), b₂``.
        classes: the label of each output, ``(C,)``.
    """

    mean: Tensor
    axes: Tensor
    layers: tuple[Tensor, Tensor, Tensor, Tensor]
    classes: IntArray

    def predict(self, features: FloatArray, /) -> IntArray:
        """Standardised features ``(N, D)`` to labels ``(N,)``."""
        with torch.no_grad(), full_precision():
            hidden = (torch.from_numpy(np.asarray(features, np.float32)) - self.mean) @ self.axes
            found = _logits(hidden, self.layers).argmax(dim=1)
        return np.asarray(self.classes[found.numpy()])


def fit_mlp_probe(features: FloatArray, labels: IntArray, seed: int) -> MlpProbe:
    """One hidden layer of 256 on at most 512 whitened principal axes, half of it left out in each step.

    Whitening decides most: features of one image are alike, Gram features above all, and descent sees little of the
    directions in which they differ. Twenty epochs of AdamW, at least 600 steps, in batches of 256; the rate rises to
    3e-3 and falls to zero. Nothing is chosen by looking at labels held out, since classes with a single image do not
    allow it, and the recipe is the same for every model and dataset (``docs/decisions.md`` says how it was found).

    Args:
        features: standardised training features ``(N, D)``.
        labels: classes ``(N,)``.
        seed: of weights, order and dropout; torch's global generator is left alone.
    """
    draws = torch.Generator().manual_seed(seed)
    classes, targets = np.unique(labels, return_inverse=True)
    with torch.inference_mode(False), full_precision():  # what is made in that mode can never be trained
        given = torch.from_numpy(np.array(features, np.float32))
        mean, axes = _whitening(given)
        layers = _initial(axes.shape[1], len(classes), draws)
        _descend((given - mean) @ axes, torch.from_numpy(targets), layers, draws)
    return MlpProbe(mean, axes, layers, np.asarray(classes, np.int64))


def _whitening(features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean ``(D,)`` and axes ``(D, K)`` that give the features ``(N, D)`` the identity for a covariance."""
    exact = features.double()
    mean = exact.mean(0)
    centred = exact - mean
    if len(features) < features.shape[1]:  # axes lie in the span of the images
        variances, rows = torch.linalg.eigh(centred @ centred.T / max(len(features) - 1, 1))
        vectors = centred.T @ rows
        vectors = vectors / vectors.norm(dim=0).clamp_min(torch.finfo(torch.float64).tiny)
    else:
        variances, vectors = torch.linalg.eigh(centred.T @ centred / max(len(features) - 1, 1))
    most = min(AXES, max(16, len(features) // 4))
    variances, vectors = variances.flip(0)[:most], vectors.flip(1)[:, :most]
    kept = variances > FLOOR * variances[0].clamp_min(torch.finfo(torch.float32).tiny)
    axes = vectors[:, kept] / variances[kept].sqrt()
    return mean.float(), axes.float()


def _initial(inputs: int, classes: int, draws: torch.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Weights after He et al. (2015) for whitened inputs, and zeros."""
    first = torch.randn(inputs, HIDDEN, generator=draws) * math.sqrt(2 / max(inputs, 1))
    second = torch.randn(HIDDEN, classes, generator=draws) * math.sqrt(1 / HIDDEN)
    return first, torch.zeros(HIDDEN), second, torch.zeros(classes)


def _descend(inputs: Tensor, targets: Tensor, layers: tuple[Tensor, ...], draws: torch.Generator) -> None:
    batches = -(-len(inputs) // BATCH)
    epochs = max(EPOCHS, -(-LEAST_STEPS // batches))
    with torch.enable_grad():
        for tensor in layers:
            tensor.requires_grad_()
        optimiser = torch.optim.AdamW(layers, RATE, weight_decay=DECAY)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=epochs * batches, pct_start=0.1)
        for _ in range(epochs):
            for places in torch.randperm(len(inputs), generator=draws).tensor_split(batches):
                optimiser.zero_grad()
                F.cross_entropy(_logits(inputs[places], layers, draws), targets[places]).backward()
                optimiser.step()
                schedule.step()
        for tensor in layers:
            tensor.requires_grad_(False)


def _logits(inputs: Tensor, layers: tuple[Tensor, ...], draws: torch.Generator | None = None) -> Tensor:
    first, first_bias, second, second_bias = layers
    hidden = torch.relu(inputs @ first + first_bias)
    if draws is not None:
        hidden = hidden * (torch.rand(hidden.shape, generator=draws) >= DROPOUT) / (1 - DROPOUT)
    return hidden @ second + second_bias
