"""Layers agree with escnn's, which knows nothing of ours: tables, filters, outputs, statistics."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from escnn_oracle import Witness, needs_escnn
from layer_cases import LATTICE_GROUPS
from torch import Tensor, nn

from eqae.groups import Group
from eqae.nn import (
    FieldBatchNorm,
    GroupMaxPool,
    LiftingConv,
    ProjectionConv,
    ProjectionConvTranspose,
    RegularConv,
    RegularConvTranspose,
    Window,
)

pytestmark = needs_escnn
GROUPS = [group for group in LATTICE_GROUPS if group.order > 1]
every_group = pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.name)
every_kernel = pytest.mark.parametrize("kernel", [3, 5])
INPUTS, OUTPUTS, CHANNELS = 2, 3, 2


def adopt(ours: nn.Module, base: Tensor, theirs: nn.Module) -> None:
    """Give our layer the numbers of theirs; their own bias is scaled, the expanded one is what they add."""
    with torch.no_grad():
        ours.weight.copy_(base.reshape(ours.weight.shape))
        ours.bias.copy_(theirs.expanded_bias.view(len(ours.bias), -1)[:, 0])


def close(a: Tensor, b: Tensor, tolerance: float) -> bool:
    return bool((a - b).abs().max() < tolerance * b.abs().max())


@every_group
def test_elements_have_the_same_order_and_the_same_table(group: Group) -> None:
    theirs = Witness(group).space.fibergroup
    for g, element in enumerate(theirs.elements):
        expected = np.zeros((group.order, group.order))
        for h in range(group.order):
            expected[h, group.left_quotient[g][h]] = 1  # slot h receives what was in slot g⁻¹h
        np.testing.assert_allclose(theirs.regular_representation(element), expected, atol=1e-12)


@every_group
@every_kernel
def test_a_regular_filter_is_rebuilt_from_its_first_slice(group: Group, kernel: int) -> None:
    witness, window, n = Witness(group), Window(kernel, 1, kernel // 2), group.order
    theirs = witness.conv(witness.fields(INPUTS), witness.fields(OUTPUTS), window)
    ours = RegularConv(group, INPUTS, OUTPUTS, window, bias=True)
    adopt(ours, theirs.filter.view(OUTPUTS, n, INPUTS, n, kernel, kernel)[:, 0], theirs)
    assert close(ours.expanded(), theirs.filter, 1e-6)
    x = torch.randn(2, INPUTS * n, 7, 7)
    assert close(ours(x), witness.run(theirs, x, witness.fields(INPUTS)), 1e-5)


@every_group
@every_kernel
def test_lifting_and_projection_filters_agree(group: Group, kernel: int) -> None:
    witness, window, n = Witness(group), Window(kernel, 2, kernel // 2), group.order
    image, fields = witness.image(CHANNELS), witness.fields(OUTPUTS)
    lifting = witness.conv(image, fields, window)
    ours: nn.Module = LiftingConv(group, CHANNELS, OUTPUTS, window, bias=True)
    adopt(ours, lifting.filter.view(OUTPUTS, n, CHANNELS, kernel, kernel)[:, 0], lifting)
    assert close(ours.expanded(), lifting.filter, 1e-6)
    x = torch.randn(2, CHANNELS, 9, 9)
    assert close(ours(x), witness.run(lifting, x, image), 1e-5)

    projection = witness.conv(fields, image, window)
    ours = ProjectionConv(group, OUTPUTS, CHANNELS, window)
    adopt(ours, projection.filter.view(CHANNELS, OUTPUTS, n, kernel, kernel)[:, :, 0], projection)
    assert close(ours.expanded(), projection.filter, 1e-6)
    x = torch.randn(2, OUTPUTS * n, 9, 9)
    assert close(ours(x), witness.run(projection, x, fields), 1e-5)


@every_group
@pytest.mark.parametrize("window", [Window(3, 2, 1), Window(5, 1, 2), Window(5, 2)], ids=str)
def test_transposed_layers_agree(group: Group, window: Window) -> None:
    witness, k, n = Witness(group), window.kernel, group.order
    fields, after, image = witness.fields(INPUTS), witness.fields(OUTPUTS), witness.image(CHANNELS)
    theirs = witness.conv(fields, after, window, transposed=True)
    ours: nn.Module = RegularConvTranspose(group, INPUTS, OUTPUTS, window, bias=True)
    adopt(ours, theirs.filter.view(INPUTS, n, OUTPUTS, n, k, k)[:, 0], theirs)
    assert close(ours.expanded(), theirs.filter, 1e-6)
    x = torch.randn(2, INPUTS * n, 5, 5)
    assert close(ours(x), witness.run(theirs, x, fields), 1e-5)

    theirs = witness.conv(fields, image, window, transposed=True)
    ours = ProjectionConvTranspose(group, INPUTS, CHANNELS, window)
    adopt(ours, theirs.filter.view(INPUTS, n, CHANNELS, k, k)[:, 0], theirs)
    assert close(ours(x), witness.run(theirs, x, fields), 1e-5)


@every_group
def test_two_layers_with_norm_rectifier_and_group_pooling_give_the_same_output(group: Group) -> None:
    witness, n, window = Witness(group), group.order, Window(3, 2, 1)
    enn, image, first, second = witness.enn, witness.image(1), witness.fields(INPUTS), witness.fields(OUTPUTS)
    one, two = witness.conv(image, first, window), witness.conv(first, second, window)
    norm = enn.InnerBatchNorm(first).train()
    theirs = [one, norm, enn.ReLU(first), two, enn.GroupPooling(second)]
    ours = nn.Sequential(
        LiftingConv(group, 1, INPUTS, window, bias=True), FieldBatchNorm(INPUTS, n), nn.ReLU(),
        RegularConv(group, INPUTS, OUTPUTS, window, bias=True), GroupMaxPool(n),
    )  # fmt: skip
    adopt(ours[0], one.filter.view(INPUTS, n, 1, 3, 3)[:, 0], one)
    adopt(ours[3], two.filter.view(OUTPUTS, n, INPUTS, n, 3, 3)[:, 0], two)
    with torch.no_grad():
        for name, parameter in norm.named_parameters():
            parameter.copy_(torch.rand(INPUTS) + 0.5)
            ours[1].get_parameter(name.rsplit(".", 1)[1]).copy_(parameter)
    x = torch.rand(4, 1, 13, 13)

    def witnessed() -> Tensor:
        y = enn.GeometricTensor(x, image)
        with torch.no_grad():
            for layer in theirs:
                y = layer(y)
        return y.tensor

    assert close(ours(x), witnessed(), 1e-5)
    norm.eval()
    assert close(ours.eval()(x), witnessed(), 1e-5)


@every_group
def test_our_filters_span_more_than_the_witness_keeps_by_default(group: Group) -> None:
    witness = Witness(group)
    kept = witness.conv(witness.fields(1), witness.fields(1), Window(3, 1, 1)).get_parameter("weights").numel()
    free = RegularConv(group, 1, 1, Window(3, 1, 1)).weight.numel()
    assert math.isclose(kept / free, 2 / 3)
