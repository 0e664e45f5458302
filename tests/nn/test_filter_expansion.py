"""Expanded filters against the formula written as loops, and the scale of what layers give at the start."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from layer_cases import LATTICE_GROUPS
from torch import Tensor

from eqae.errors import ConfigError
from eqae.groups import D4, Group
from eqae.nn import (
    GroupAxisLinear,
    LiftingConv,
    ProjectionConv,
    ProjectionConvTranspose,
    RegularConv,
    RegularConvTranspose,
    Window,
)
from eqae.nn.lattice import expand_lifting, expand_projection, expand_regular, regular_table, spatial_table

groups = st.sampled_from(LATTICE_GROUPS)
few = st.integers(1, 3)
kernels = st.integers(1, 5)


def index(group: Group, h: int, g: int) -> int:
    """The index of g⁻¹h, by search."""
    return next(e for e in range(group.order) if group.cayley[g][e] == h)


@given(group=groups, outputs=few, inputs=few, k=kernels)
@settings(max_examples=30, deadline=None)
def test_regular_filters_follow_the_formula_bit_by_bit(group: Group, outputs: int, inputs: int, k: int) -> None:
    n = group.order
    base = torch.randn(outputs, inputs, n, k, k)
    expanded = expand_regular(base.flatten(2), regular_table(group, k), n, k).view(outputs, n, inputs, n, k, k)
    for o, g, i, h in itertools.product(range(outputs), range(n), range(inputs), range(n)):
        assert torch.equal(expanded[o, g, i, h], group.act(g, base[o, i, index(group, h, g)]))


@given(group=groups, outputs=few, inputs=few, k=kernels)
@settings(max_examples=30, deadline=None)
def test_lifting_and_projection_filters_are_moved_copies_bit_by_bit(
    group: Group, outputs: int, inputs: int, k: int
) -> None:
    n = group.order
    base, table = torch.randn(outputs, inputs, k, k), spatial_table(group, k)
    lifting = expand_lifting(base.flatten(2), table, n, k).view(outputs, n, inputs, k, k)
    projection = expand_projection(base.flatten(2), table, n, k).view(outputs, inputs, n, k, k)
    for g in range(n):
        assert torch.equal(lifting[:, g], group.act(g, base))
        assert torch.equal(projection[:, :, g], group.act(g, base))


@pytest.mark.parametrize("group", LATTICE_GROUPS, ids=lambda group: group.name)
def test_every_copy_is_a_permutation_so_no_number_is_lost(group: Group) -> None:
    for k in range(1, 6):
        for row in regular_table(group, k).view(group.order, -1):
            assert torch.equal(row.sort().values, torch.arange(group.order * k * k))


@pytest.mark.parametrize("group", LATTICE_GROUPS, ids=lambda group: group.name)
def test_a_pair_of_fields_has_as_many_free_numbers_as_the_theory_allows(group: Group) -> None:
    k, n = 3, group.order
    basis = torch.eye(n * k * k, dtype=torch.float64).unsqueeze(1)
    expanded = expand_regular(basis, regular_table(group, k), n, k).view(n * k * k, -1)
    assert torch.linalg.matrix_rank(expanded) == n * k * k


def test_the_gradient_of_a_base_weight_is_the_sum_over_its_copies() -> None:
    base = torch.randn(2, 1, 8 * 4, dtype=torch.float64, requires_grad=True)
    table = regular_table(D4, 2)
    assert torch.autograd.gradcheck(lambda w: expand_regular(w, table, 8, 2), base)


def test_expansion_refuses_groups_that_leave_the_lattice() -> None:
    with pytest.raises(ConfigError, match=r"C8.*C1, C2, C4, D1, D2 or D4"):
        spatial_table(Group(8, False), 3)


def inner(x: Tensor, border: int = 2) -> Tensor:
    return x[..., border:-border, border:-border]


@pytest.mark.parametrize("group", LATTICE_GROUPS, ids=lambda group: group.name)
def test_the_initial_output_has_the_variance_its_gain_promises(group: Group) -> None:
    torch.manual_seed(0)
    n, fields = group.order, 48 // math.isqrt(group.order)
    window, double = Window(3, 1, 1), Window(4, 2, 1)
    images, maps = torch.randn(4, 6, 12, 12), torch.randn(4, fields * n, 12, 12)
    wide = 64
    variances = {
        "lifting": inner(LiftingConv(group, 6, wide, window)(images)).var() / 2,
        "regular": inner(RegularConv(group, fields, fields, window)(maps)).var() / 2,
        "regular, gain 1": inner(RegularConv(group, fields, fields, window, gain=1.0)(maps)).var(),
        "transposed": inner(RegularConvTranspose(group, fields, fields, double)(maps)).var() / 2,
        "projection": inner(ProjectionConv(group, fields, wide, window, bias=False)(maps)).var(),
        "projection transposed": inner(ProjectionConvTranspose(group, fields, wide, double, bias=False)(maps)).var(),
        "group axis": GroupAxisLinear(group, 64, 64)(torch.randn(32, n, 64)).var(),
    }
    for name, variance in variances.items():
        assert variance.item() == pytest.approx(1, abs=0.15), name
