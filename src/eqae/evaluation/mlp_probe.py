"""The MLP probe: one hidden layer, in the one of two ways that a held-out tenth of the training images prefers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from eqae.evaluation.evidence import FloatArray, IntArray
from eqae.precision import exact_products

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
HELD_OUT = 10
"""One training image of so many chooses the recipe."""
FEWEST = 200
"""Training images from which on there are enough to choose by."""


class _Principal(NamedTuple):
    """Where features vary.

    Attributes:
        mean: ``(D,)``.
        variances: along the axes, falling, ``(K,)`` float64.
        axes: orthonormal, ``(D, K)`` float64.
    """

    mean: Tensor
    variances: Tensor
    axes: Tensor

    def scaled(self, whitened: bool) -> Tensor:
        """Axes ``(D, K)`` on which features have a variance of 1, each or in the mean."""
        scales = (self.variances if whitened else self.variances.mean().expand_as(self.variances)).sqrt()
        return (self.axes / scales).float()


class Recipe(NamedTuple):
    """How the probe looks and learns.

    Attributes:
        whitened: whether all principal axes count alike; else each as much as it varies.
        dropout: share of the hidden layer that is left out in each step.
        decay: of weights, decoupled.
    """

    whitened: bool
    dropout: float
    decay: float


RECIPES = (Recipe(True, 0.5, 0.1), Recipe(False, 0.0, 0.01))
"""For many features that are much alike, as those of a Gram matrix; and for few that are all needed."""


Layers = tuple[Tensor, Tensor, Tensor, Tensor]


@dataclass(frozen=True)
class MlpProbe:
    """A fitted network: ``classes[argmax(relu(h W₁ + b₁) W₂ + b₂)]`` of coordinates h on principal axes.

    Attributes:
        mean: of the training features, ``(D,)``.
        axes: principal axes, each divided by its deviation or all by the mean one, ``(D, K)``.
        layers: ``W₁ (K, 256), b₁, W₂ (256, C), b₂``.
        classes: the label of each output, ``(C,)``.
    """

    mean: Tensor
    axes: Tensor
    layers: Layers
    classes: IntArray

    def predict(self, features: FloatArray, /) -> IntArray:
        """Standardised features ``(N, D)`` to labels ``(N,)``."""
        with torch.no_grad(), exact_products():
            hidden = (torch.from_numpy(np.asarray(features, np.float32)) - self.mean) @ self.axes
            found = _logits(hidden, self.layers).argmax(dim=1)
        return np.asarray(self.classes[found.numpy()])


def fit_mlp_probe(features: FloatArray, labels: IntArray, seed: int) -> MlpProbe:
    """One hidden layer of 256 on at most 512 principal axes of the features, fitted by the better of two recipes.

    Whitening decides most where features are much alike, Gram features above all: descent sees little of the
    directions in which they differ. A few features that vary alike are read better as they are. So both are tried on
    nine tenths of the training images (on the axes of all), the other tenth chooses, and the choice is fitted to all;
    fewer than 200 images are whitened unasked. Twenty epochs of AdamW, at least 600 steps, in batches of 256; the rate
    rises to 3e-3 and falls to zero. The same for every model and dataset (``docs/decisions.md`` says how it was found).

    Args:
        features: standardised training features ``(N, D)``.
        labels: classes ``(N,)``.
        seed: of weights, order, dropout and the tenth; torch's global generator is left alone.
    """
    classes, targets = np.unique(labels, return_inverse=True)
    with torch.inference_mode(False), exact_products():  # what is made in that mode can never be trained
        given, known = torch.from_numpy(np.array(features, np.float32)), torch.from_numpy(targets)
        parts = _principal(given)
        recipe = _chosen(given, known, parts, seed) if len(given) >= FEWEST else RECIPES[0]
        mean, axes, layers = _fitted(given, known, len(classes), parts, recipe, seed)
    return MlpProbe(mean, axes, layers, np.asarray(classes, np.int64))


def _chosen(features: Tensor, targets: Tensor, parts: _Principal, seed: int) -> Recipe:
    """The recipe that classifies a held-out tenth best; the first of equals. The axes, which know no label, are those
    of all images: they take longer than the fits.
    """
    order = _shuffled(len(features), torch.Generator().manual_seed(seed))
    held_out, kept = order[: len(order) // HELD_OUT], order[len(order) // HELD_OUT :]
    count = int(targets.max()) + 1

    def right(recipe: Recipe) -> int:
        mean, axes, layers = _fitted(features[kept], targets[kept], count, parts, recipe, seed)
        with torch.no_grad():
            said = _logits((features[held_out] - mean) @ axes, layers).argmax(1)
        return int((said == targets[held_out]).sum())

    return max(RECIPES, key=right)


def _fitted(
    features: Tensor, targets: Tensor, classes: int, parts: _Principal, recipe: Recipe, seed: int
) -> tuple[Tensor, Tensor, Layers]:
    """Mean, axes and layers."""
    draws = torch.Generator().manual_seed(seed)
    mean, axes = parts.mean, parts.scaled(recipe.whitened)
    layers = _initial(axes.shape[1], classes, draws)
    _descend((features - mean) @ axes, targets, layers, recipe, draws)
    return mean, axes, layers


def _principal(features: Tensor) -> _Principal:
    """The first axes of features ``(N, D)``, at most 512 or one for every four images."""
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
    return _Principal(mean.float(), variances[kept], vectors[:, kept])


def _initial(inputs: int, classes: int, draws: torch.Generator) -> Layers:
    """Weights after He et al. (2015) for inputs of variance 1, and zeros."""
    first = torch.randn(inputs, HIDDEN, generator=draws, device=draws.device) * math.sqrt(2 / max(inputs, 1))
    second = torch.randn(HIDDEN, classes, generator=draws, device=draws.device) * math.sqrt(1 / HIDDEN)
    return first, first.new_zeros(HIDDEN), second, second.new_zeros(classes)


def _shuffled(count: int, draws: torch.Generator) -> Tensor:
    """The numbers from 0 to ``count``, on the generator's device whatever the default one is."""
    return torch.randperm(count, generator=draws, device=draws.device)


def _descend(inputs: Tensor, targets: Tensor, layers: Layers, recipe: Recipe, draws: torch.Generator) -> None:
    batches = -(-len(inputs) // BATCH)
    epochs = max(EPOCHS, -(-LEAST_STEPS // batches))
    with torch.enable_grad():
        for tensor in layers:
            tensor.requires_grad_()
        optimiser = torch.optim.AdamW(layers, RATE, weight_decay=recipe.decay, fused=True)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=epochs * batches, pct_start=0.1)
        for _ in range(epochs):
            for places in _shuffled(len(inputs), draws).tensor_split(batches):
                optimiser.zero_grad()
                said = _logits(inputs[places], layers, recipe.dropout, draws)
                F.cross_entropy(said, targets[places]).backward()
                optimiser.step()
                schedule.step()
        for tensor in layers:
            tensor.requires_grad_(False)


def _logits(inputs: Tensor, layers: Layers, dropout: float = 0.0, draws: torch.Generator | None = None) -> Tensor:
    first, first_bias, second, second_bias = layers
    hidden = torch.relu(inputs @ first + first_bias)
    if dropout:
        hidden = hidden * (torch.rand(hidden.shape, generator=draws, device=hidden.device) >= dropout) / (1 - dropout)
    return hidden @ second + second_bias
