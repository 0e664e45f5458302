"""The size rule against real convolutions, and the planner that makes every size exact."""

from __future__ import annotations

import itertools
import re

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from eqae.errors import ConfigError
from eqae.groups import D4
from eqae.nn import LiftingConv, Window, halving, plan_sizes
from eqae.nn.sizes import stages_for
from eqae.testing import act_on_fields, equivariance_errors

windows = st.builds(Window, st.integers(1, 7), st.integers(1, 4), st.integers(0, 3))


@given(window=windows, size=st.integers(7, 64))
@settings(max_examples=150, deadline=None)
def test_the_rule_says_exactly_when_a_convolution_is_equivariant(window: Window, size: int) -> None:
    assume(window.output_size(size) > 0)
    generator = torch.Generator().manual_seed(size)
    layer = LiftingConv(D4, 1, 1, window).double()
    with torch.no_grad():
        layer.weight.copy_(torch.randn(layer.weight.shape, generator=generator))
    images = 0.5 + torch.randn(1, 1, size, size, generator=generator, dtype=torch.float64)
    worst = max(equivariance_errors(layer, D4, images, out_action=act_on_fields(D4)).values())
    assert worst < 1e-12 if window.is_exact(size) else worst > 1e-3


@given(window=windows, size=st.integers(1, 64))
def test_a_window_is_exact_just_when_its_transpose_returns_to_the_same_size(window: Window, size: int) -> None:
    output = window.output_size(size)
    returns = output > 0 and window.transposed_size(output) == size
    assert window.is_exact(size) == returns


@given(window=windows, size=st.integers(7, 64))
def test_a_refusal_names_the_layer_and_the_nearest_sizes_that_work(window: Window, size: int) -> None:
    assume(not window.is_exact(size))
    with pytest.raises(ConfigError) as caught:
        window.check("encoder stage 1", size)
    problem = caught.value.problems[0]
    assert problem.where == "encoder stage 1"
    assert f"size {size}" in problem.found
    named = [int(n) for n in re.findall(r"\d+", problem.fix)]
    assert named
    assert all(window.is_exact(n) for n in named)
    exact = [n for n in range(1, 200) if window.is_exact(n)]
    assert min(abs(n - size) for n in named) == min(abs(n - size) for n in exact)


def test_window_sizes_agree_with_torch() -> None:
    for kernel, stride, padding, size in itertools.product((1, 2, 3, 5), (1, 2, 3), (0, 1), (5, 8, 9)):
        window = Window(kernel, stride, padding)
        x, w = torch.zeros(1, 1, size, size), torch.zeros(1, 1, kernel, kernel)
        down = torch.nn.functional.conv2d(x, w, stride=stride, padding=padding)
        up = torch.nn.functional.conv_transpose2d(x, w, stride=stride, padding=padding)
        assert down.shape[-1] == window.output_size(size)
        assert up.shape[-1] == window.transposed_size(size)


@given(size=st.integers(2, 257))
def test_halving_is_exact_at_every_size(size: int) -> None:
    assert halving(size).is_exact(size)
    assert halving(size).output_size(size) == (size + 1) // 2


@pytest.mark.parametrize("size", range(17, 65))
def test_every_size_from_17_to_64_has_an_exact_chain_of_three_stages(size: int) -> None:
    plan = plan_sizes((1, size, size), 3)
    assert len(plan.windows) == 3
    assert plan.sizes[0] == size
    for window, before, after in zip(plan.windows, plan.sizes, plan.sizes[1:], strict=False):
        window.check("stage", before)
        assert window.output_size(before) == after
        assert window.transposed_size(after) == before
    assert plan.collapse.output_size(plan.sizes[-1]) == 1
    assert plan.sizes[-1] >= 2


def test_chains_are_those_of_the_table() -> None:
    chains = {28: (14, 7, 4), 29: (15, 8, 4), 33: (17, 9, 5), 48: (24, 12, 6), 65: (33, 17, 9), 97: (49, 25, 13)}
    for size, chain in chains.items():
        assert plan_sizes((1, size, size), 3).sizes == (size, *chain)


def test_images_that_are_not_square_are_refused_with_the_size_to_pad_to() -> None:
    with pytest.raises(ConfigError, match=r"28x32.*square.*\n.*32x32"):
        plan_sizes((1, 28, 32), 2)


@given(size=st.integers(1, 64), stages=st.integers(1, 6))
def test_images_too_small_for_their_stages_are_refused_with_sizes_that_work(size: int, stages: int) -> None:
    assume(stages > stages_for(size))
    with pytest.raises(ConfigError) as caught:
        plan_sizes((1, size, size), stages)
    smallest, most = (int(n) for n in re.findall(r"\d+", caught.value.problems[0].fix))
    assert plan_sizes((1, smallest, smallest), stages).sizes[-1] == 2
    if smallest > 2:
        with pytest.raises(ConfigError):
            plan_sizes((1, smallest - 1, smallest - 1), stages)
    assert most == stages_for(size)
    if most:
        assert plan_sizes((1, size, size), most).sizes[-1] >= 2
