"""Objectives are pure functions: zero at the ideal point, finite gradients, indifferent to the order of images."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.stats import entropy
from torch import Tensor

from eqae.errors import ConfigError
from eqae.models.base import Reconstruction
from eqae.objectives.attention_entropy import attention_entropy
from eqae.objectives.reconstruction import reconstruction
from eqae.registry import OBJECTIVES


def draw(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def output(images: Tensor, attention: Tensor | None = None) -> Reconstruction:
    return Reconstruction(images, draw(len(images), 8, 3), attention)


@pytest.mark.parametrize("name", OBJECTIVES.names())
def test_every_objective_is_a_scalar_with_finite_gradients_whatever_the_order_of_images(name: str) -> None:
    objective = OBJECTIVES.get(name)
    images, rebuilt = draw(6, 1, 4, 4), draw(6, 1, 4, 4).flip(0).requires_grad_()
    scores = (5 * draw(6, 8)).requires_grad_()
    value = objective(output(rebuilt, scores.softmax(1)), images)
    assert value.shape == ()
    assert value.isfinite()
    for gradient in torch.autograd.grad(value, [rebuilt, scores], allow_unused=True):
        assert gradient is None or gradient.isfinite().all()
    order = torch.tensor([3, 1, 5, 0, 2, 4])
    permuted = objective(output(rebuilt[order], scores[order].softmax(1)), images[order])
    torch.testing.assert_close(permuted, value)


def test_reconstruction_is_the_mean_squared_error() -> None:
    images = draw(3, 1, 4, 4)
    assert reconstruction(output(images), images) == 0
    assert reconstruction(output(images + 0.5), images).item() == pytest.approx(0.25)


def test_attention_entropy_agrees_with_scipy() -> None:
    weights = (4 * draw(20, 8)).softmax(1)
    expected = entropy(weights.numpy(), axis=1).mean()
    assert attention_entropy(output(draw(20, 1, 2, 2), weights), draw(20, 1, 2, 2)).item() == pytest.approx(expected)


def test_attention_entropy_has_a_finite_gradient_at_certainty() -> None:
    weights = torch.eye(8, requires_grad=True)
    value = attention_entropy(output(draw(8, 1, 2, 2), weights), draw(8, 1, 2, 2))
    value.backward()
    assert value == 0
    assert weights.grad is not None
    assert weights.grad.isfinite().all()


def test_attention_entropy_is_highest_for_uniform_weights() -> None:
    weights = torch.full((2, 8), 1 / 8)
    value = attention_entropy(output(draw(2, 1, 2, 2), weights), draw(2, 1, 2, 2))
    assert value.item() == pytest.approx(math.log(8), abs=1e-6)


def test_attention_entropy_needs_a_model_with_attention() -> None:
    images = draw(2, 1, 4, 4)
    with pytest.raises(ConfigError, match=r"model\.attention"):
        attention_entropy(output(images), images)
