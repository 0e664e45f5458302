"""Equivariant attention: Q never moves, and its inverse is exact just where the theory says."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from eqae.groups import D4, Group, get_group
from eqae.models.attention import AttentionBottleneck, EquivariantAttention
from eqae.models.base import Reconstruction
from eqae.objectives.attention_entropy import attention_entropy
from eqae.registry import GROUPS
from eqae.testing import act_on_rows, assert_equivariant, assert_invariant, randomize

LATTICE = [get_group(name) for name in GROUPS.names()]
every_group = pytest.mark.parametrize("group", [*LATTICE, Group(12, True)], ids=lambda group: group.name)


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def attention(group: Group, channels: int = 5) -> EquivariantAttention:
    module = randomize(EquivariantAttention(group, channels).double())
    assert isinstance(module, EquivariantAttention)
    return module


@every_group
def test_weights_move_with_the_rows_and_sum_to_one(group: Group) -> None:
    module, v = attention(group), draw(4, group.order, 5)
    weights = module.weights(v)
    torch.testing.assert_close(weights.sum(1), torch.ones(4, dtype=torch.float64))
    rows = act_on_rows(group)
    assert_equivariant(lambda x: module.weights(x)[..., None], group, v, in_action=rows, out_action=rows)


@every_group
def test_q_and_the_code_do_not_move_whatever_the_weights_learnt(group: Group) -> None:
    module, v = attention(group), draw(4, group.order, 5)
    assert_invariant(lambda x: module.apply_weights(module.weights(x), x), group, v, in_action=group.permute)
    bottleneck = randomize(AttentionBottleneck(group, 5, 7).double())
    assert_invariant(bottleneck.code, group, v, in_action=group.permute, tolerance=1e-12)
    rows = act_on_rows(group)
    assert_equivariant(lambda x: bottleneck(x)[0], group, v, in_action=rows, out_action=rows)


@every_group
def test_q_does_not_move_for_any_weights_that_move_with_the_rows(group: Group) -> None:
    module, v, w = attention(group), draw(3, group.order, 5), draw(3, group.order, seed=1)
    q = module.apply_weights(w, v)
    for g in range(group.order):
        moved = group.permute(g, w.unsqueeze(-1)).squeeze(-1)
        torch.testing.assert_close(module.apply_weights(moved, group.permute(g, v)), q)


def test_q_and_its_inverse_are_the_sums_of_the_paper() -> None:
    module, v, w = attention(D4), draw(2, 8, 5), draw(2, 8, seed=1).softmax(1)
    q = torch.zeros_like(v)
    back = torch.zeros_like(v)
    for b in range(2):
        for g in range(8):
            for s in range(8):
                q[b, g] += w[b, s] * v[b, D4.cayley[s][g]]
    for b in range(2):
        for g in range(8):
            for t in range(8):
                back[b, g] += w[b, t] * q[b, D4.cayley[D4.inverses[t]][g]]
    torch.testing.assert_close(module.apply_weights(w, v), q)
    torch.testing.assert_close(module.invert(w, q), back)


@every_group
def test_the_inverse_is_exact_for_one_hot_weights(group: Group) -> None:
    module, v = attention(group), draw(group.order, group.order, 5)
    weights = torch.eye(group.order, dtype=torch.float64)
    assert torch.equal(module.invert(weights, module.apply_weights(weights, v)), v)


def test_the_inverse_is_poor_for_undecided_weights() -> None:
    module, v = attention(D4), draw(6, 8, 5)
    weights = (2 * draw(6, 8, seed=1)).softmax(1)
    assert weights.max() < 0.95
    restored = module.invert(weights, module.apply_weights(weights, v))
    assert ((restored - v).norm(dim=(1, 2)) / v.norm(dim=(1, 2))).min() > 0.1


@pytest.mark.parametrize("stabiliser", [[0, 2], [0, 4], [0, 1, 2, 3], [0, 2, 5, 7], list(range(8))], ids=str)
def test_the_inverse_is_exact_for_a_symmetric_image_with_weights_uniform_on_a_coset(stabiliser: list[int]) -> None:
    module = attention(D4)
    v = sum(D4.permute(s, draw(1, 8, 5)) for s in stabiliser)  # the V of an image that these elements leave alone
    for t in range(8):
        weights = torch.zeros(1, 8, dtype=torch.float64)
        weights[0, [D4.cayley[s][t] for s in stabiliser]] = 1 / len(stabiliser)
        torch.testing.assert_close(module.invert(weights, module.apply_weights(weights, v)), v)


@every_group
def test_entropy_runs_from_zero_to_the_logarithm_of_the_order(group: Group) -> None:
    def entropy(weights: Tensor) -> float:
        images = torch.zeros(len(weights), 1, 2, 2)
        return attention_entropy(Reconstruction(images, images, weights), images).item()

    n = group.order
    assert entropy(torch.eye(n)) == 0
    assert entropy(torch.full((2, n), 1 / n)) == pytest.approx(math.log(n), abs=1e-6)
    assert 0 <= entropy(draw(50, n).softmax(1)) <= math.log(n) + 1e-9


def test_a_symmetric_image_has_at_least_the_entropy_of_its_stabiliser() -> None:
    module = attention(D4)
    v = sum(D4.permute(s, draw(1, 8, 5)) for s in range(4))
    weights = module.weights(v)
    assert -(weights * weights.log()).sum().item() >= math.log(4) - 1e-9
