"""Equivariant attention: Q never moves, and its inverse is exact just where the theory says."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from eqae.errors import ConfigError
from eqae.groups import D4, Group, get_group
from eqae.models import build_model
from eqae.models.attention import AttentionBottleneck, AttentionMode, EquivariantAttention
from eqae.models.base import Reconstruction
from eqae.objectives import Step
from eqae.objectives.attention_entropy import AttentionEntropy
from eqae.registry import GROUPS
from eqae.testing import act_on_rows, assert_equivariant, assert_invariant, randomize

LATTICE = [get_group(name) for name in GROUPS if get_group(name).is_lattice]
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
        step = Step(images, images, images, reconstruction=Reconstruction(images, images, weights))
        return float(AttentionEntropy()(step))

    n = group.order
    assert entropy(torch.eye(n)) == 0
    assert entropy(torch.full((2, n), 1 / n)) == pytest.approx(math.log(n), abs=1e-6)
    assert 0 <= entropy(draw(50, n).softmax(1)) <= math.log(n) + 1e-9


def test_a_symmetric_image_has_at_least_the_entropy_of_its_stabiliser() -> None:
    module = attention(D4)
    v = sum(D4.permute(s, draw(1, 8, 5)) for s in range(4))
    weights = module.weights(v)
    assert -(weights * weights.log()).sum().item() >= math.log(4) - 1e-9


# --- hard attention ---------------------------------------------------------------------------------------------


def hard(group: Group, temperature: float = 1.0) -> AttentionBottleneck:
    module = randomize(AttentionBottleneck(group, 5, 7, mode="hard", temperature=temperature).double())
    assert isinstance(module, AttentionBottleneck)
    return module


@every_group
def test_the_hard_choice_is_exactly_one_hot_and_moves_exactly_with_the_rows(group: Group) -> None:
    module, v = hard(group).attention, draw(16, group.order, 5)
    chosen = module.choice(module.weights(v))
    assert torch.equal(chosen, chosen.round())
    assert torch.equal(chosen.sum(1), torch.ones(16, dtype=torch.float64))
    for g in range(group.order):
        moved = module.choice(module.weights(group.permute(g, v)))
        assert torch.equal(moved, group.permute(g, chosen.unsqueeze(-1)).squeeze(-1))


@every_group
def test_hard_attention_loses_nothing_on_the_way_and_its_code_does_not_move(group: Group) -> None:
    bottleneck, v = hard(group), draw(16, group.order, 5)
    module = bottleneck.attention
    chosen = module.choice(module.weights(v))
    restored = module.invert(chosen, module.apply_weights(chosen, v))
    torch.testing.assert_close(restored, v, rtol=0, atol=1e-12)
    assert_invariant(bottleneck.code, group, v, in_action=group.permute, tolerance=1e-12)
    rows = act_on_rows(group)
    assert_equivariant(lambda x: bottleneck(x)[0], group, v, in_action=rows, out_action=rows, tolerance=1e-12)


def test_a_hard_choice_passes_the_gradient_of_the_softmax() -> None:
    module, direction = hard(D4).attention, draw(4, 8, seed=2)
    v = draw(4, 8, 5).requires_grad_()
    (through,) = torch.autograd.grad((module.choice(module.weights(v)) * direction).sum(), v)
    (soft,) = torch.autograd.grad((module.weights(v) * direction).sum(), v)
    assert torch.equal(through, soft)
    assert through.abs().max() > 0


@pytest.mark.parametrize("stabiliser", [[0, 2], [0, 4], [0, 1, 2, 3], list(range(8))], ids=str)
def test_which_of_the_tied_rows_of_a_symmetric_image_is_chosen_does_not_matter(stabiliser: list[int]) -> None:
    module = hard(D4).attention
    v = sum(D4.permute(s, draw(1, 8, 5)) for s in stabiliser)
    weights = module.weights(v)
    tied = (weights > weights.max() - 1e-12).squeeze(0).nonzero().squeeze(1)
    assert len(tied) == len(stabiliser)
    poses = [module.apply_weights(one[None], v) for one in torch.eye(8, dtype=torch.float64)[tied]]
    for pose in poses[1:]:
        torch.testing.assert_close(pose, poses[0])


@pytest.mark.parametrize("mode", ["soft", "hard"])
def test_temperature_sharpens_the_weights_and_does_not_change_their_order(mode: AttentionMode) -> None:
    v = draw(6, 8, 5)
    entropies = []
    for temperature in (4.0, 1.0, 0.25):
        module = randomize(EquivariantAttention(D4, 5, mode=mode, temperature=temperature).double())
        weights = module.weights(v)
        torch.testing.assert_close(weights, (module.score(v).squeeze(-1) / temperature).softmax(-1))
        entropies.append(-(weights * weights.log()).sum(1).mean().item())
    assert entropies[0] > entropies[1] > entropies[2] > 0


def test_the_entropy_of_hard_attention_is_that_of_its_softmax() -> None:
    bottleneck, v = hard(D4), draw(6, 8, 5)
    assert torch.equal(bottleneck(v)[1], bottleneck.attention.weights(v))


def test_the_model_takes_mode_and_temperature_and_refuses_them_without_attention() -> None:
    options = {"fields": [2, 2], "code": 3, "attention_mode": "hard", "attention_temperature": 0.5}
    bottleneck = build_model("eqae", (1, 12, 12), options | {"attention": 4}).bottleneck
    assert isinstance(bottleneck, AttentionBottleneck)
    assert (bottleneck.attention.mode, bottleneck.attention.temperature) == ("hard", 0.5)
    with pytest.raises(ConfigError, match=r"model\.attention: absent.*hard.*0\.5"):
        build_model("eqae", (1, 12, 12), options)
    for bad in ({"attention_mode": "medium"}, {"attention_temperature": 0.0}, {"attention_temperature": float("nan")}):
        with pytest.raises(ConfigError, match=next(iter(bad))):
            build_model("eqae", (1, 12, 12), options | {"attention": 4} | bad)
