"""Every layer commutes with every element of every lattice group, to rounding error."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from layer_cases import CASES, CONVOLUTIONS, LATTICE_GROUPS, LayerCase, action
from torch import nn

from eqae.groups import C1, C2, D1, D2, D4, Group
from eqae.nn import FieldBatchNorm, GroupAxisLinear, LiftingConv, RegularConv, Window, fibre_to_rows, rows_to_fibre
from eqae.testing import act_on_fields, act_on_rows, assert_equivariant, randomize

by_name = {"ids": lambda value: value.name}


@pytest.mark.parametrize("case", CASES, **by_name)
@pytest.mark.parametrize("group", LATTICE_GROUPS, **by_name)
def test_layer_is_equivariant_at_odd_and_even_sizes_with_every_exact_window(group: Group, case: LayerCase) -> None:
    for size in (6, 7):
        x = case.input(group, size)
        for window in case.windows(size):
            layer = randomize(case.build(group, size, window).double())
            for mode in (True, False):
                assert_equivariant(
                    layer.train(mode), group, x,
                    in_action=action(case.takes, group), out_action=action(case.gives, group),
                )  # fmt: skip


@pytest.mark.parametrize("case", CASES, **by_name)
def test_layer_is_equivariant_in_float32_up_to_rounding(case: LayerCase) -> None:
    layer = randomize(case.build(D4, 9, Window(3, 2, 1)))
    assert_equivariant(
        layer, D4, case.input(D4, 9, torch.float32), tolerance=1e-5,
        in_action=action(case.takes, D4), out_action=action(case.gives, D4),
    )  # fmt: skip


@given(group=st.builds(Group, st.integers(1, 13), st.booleans()), inputs=st.integers(1, 4), outputs=st.integers(1, 4))
@settings(max_examples=25, deadline=None)
def test_the_group_axis_layer_is_equivariant_off_the_lattice_too(group: Group, inputs: int, outputs: int) -> None:
    layer = randomize(GroupAxisLinear(group, inputs, outputs).double())
    rows = act_on_rows(group)
    embedding = torch.randn(2, group.order, inputs, dtype=torch.float64)
    assert_equivariant(layer, group, embedding, in_action=rows, out_action=rows, tolerance=1e-12)


@pytest.mark.parametrize("group", [C2, D1, D2], **by_name)
def test_groups_without_quarter_turns_are_exact_on_rectangles(group: Group) -> None:
    layers = nn.Sequential(
        LiftingConv(group, 1, 2, Window(3, 2, 1)),
        FieldBatchNorm(2, group.order),
        nn.ReLU(),
        RegularConv(group, 2, 3, Window(3, 1, 1), bias=True),
    )
    images = torch.randn(2, 1, 7, 11, dtype=torch.float64) + 0.5
    assert_equivariant(randomize(layers.double()), group, images, out_action=act_on_fields(group))


@pytest.mark.parametrize("group", LATTICE_GROUPS, **by_name)
def test_a_chain_stays_equivariant_while_it_is_trained(group: Group) -> None:
    torch.manual_seed(0)
    layers = nn.Sequential(
        LiftingConv(group, 1, 2, Window(4, 2, 1)), FieldBatchNorm(2, group.order), nn.ReLU(),
        RegularConv(group, 2, 2, Window(3, 2, 1)), FieldBatchNorm(2, group.order),
    ).double()  # fmt: skip
    images = torch.rand(4, 1, 10, 10, dtype=torch.float64)
    optimizer = torch.optim.AdamW(layers.parameters(), lr=0.05)
    for _ in range(3):
        optimizer.zero_grad()
        (layers(images) - 1).square().mean().backward()
        optimizer.step()
    for mode in (True, False):
        assert_equivariant(layers.train(mode), group, images, out_action=act_on_fields(group))


@pytest.mark.parametrize("group", LATTICE_GROUPS, **by_name)
def test_collapsing_fields_to_rows_keeps_the_action_and_can_be_undone(group: Group) -> None:
    fields = torch.randn(2, 5 * group.order, 1, 1)
    rows = fibre_to_rows(fields, group.order)
    assert rows.shape == (2, group.order, 5)
    assert torch.equal(rows_to_fibre(rows), fields)
    for g in range(group.order):
        moved = act_on_fields(group)(g, fields)
        assert torch.equal(fibre_to_rows(moved, group.order), group.permute(g, rows))


@pytest.mark.parametrize("case", CONVOLUTIONS, **by_name)
def test_with_the_trivial_group_a_layer_is_the_ordinary_one(case: LayerCase) -> None:
    window = Window(3, 2, 1)
    layer = case.build(C1, 7, window).double()
    first, second, _ = layer.weight.shape
    kind = nn.ConvTranspose2d if case.transposed else nn.Conv2d
    ins, outs = (first, second) if case.transposed else (second, first)
    plain = kind(ins, outs, window.kernel, window.stride, window.padding).double()
    with torch.no_grad():
        plain.weight.copy_(layer.weight.view(first, second, 3, 3))
        plain.bias.copy_(layer.bias)
    x = case.input(C1, 7)
    assert torch.equal(layer(x), plain(x))
