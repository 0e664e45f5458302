"""Blurred subsampling: symmetric at every size, a low-pass filter, and what the literature says it is."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from layer_cases import LATTICE_GROUPS
from torch import Tensor

from eqae.groups import D4, Group
from eqae.nn import BlurPool
from eqae.nn.blur import blur_matrix
from eqae.testing import act_on_fields, assert_equivariant, equivariance_errors

every_size = pytest.mark.parametrize("size", range(1, 34))


def fields(group: Group, size: int, count: int = 2) -> Tensor:
    shape = (2, count * group.order, size, size)
    return 0.5 + torch.randn(shape, generator=torch.Generator().manual_seed(size), dtype=torch.float64)


@pytest.mark.parametrize("group", LATTICE_GROUPS, ids=lambda group: group.name)
@every_size
def test_it_commutes_with_the_group_at_every_size(group: Group, size: int) -> None:
    action = act_on_fields(group)
    pool = BlurPool(size).double()
    assert pool.window.is_exact(size)
    assert_equivariant(pool, group, fields(group, size), in_action=action, out_action=action, tolerance=1e-14)


@pytest.mark.parametrize(("size", "weights"), [(9, [1, 2, 1]), (8, [1, 3, 3, 1])])
def test_the_weights_are_those_of_the_literature(size: int, weights: list[int]) -> None:
    matrix = blur_matrix(size)
    assert (matrix[2][matrix[2] > 0] * sum(weights)).tolist() == weights
    assert torch.equal(matrix.sum(1), torch.ones(len(matrix)))
    assert torch.equal(matrix, matrix.flip(0, 1))


@every_size
def test_a_constant_image_stays_constant_at_half_the_size(size: int) -> None:
    pooled = BlurPool(size)(torch.full((1, 3, size, size), 0.7))
    assert pooled.shape == (1, 3, (size + 1) // 2, (size + 1) // 2)
    torch.testing.assert_close(pooled, torch.full_like(pooled, 0.7))


@pytest.mark.parametrize("size", [6, 7])
def test_each_output_pixel_is_the_weighted_sum_about_its_centre(size: int) -> None:
    x = fields(D4, size, 1)[:, :1]
    row = [1 / 8, 3 / 8, 3 / 8, 1 / 8] if size % 2 == 0 else [1 / 4, 1 / 2, 1 / 4]
    mirrored = [abs(i) if i < size else 2 * size - 2 - i for i in range(-1, size + 1)]
    padded = x[:, :, mirrored][:, :, :, mirrored]
    expected = torch.zeros(2, 1, (size + 1) // 2, (size + 1) // 2, dtype=torch.float64)
    for i in range(expected.shape[2]):
        for j in range(expected.shape[3]):
            for di, wi in enumerate(row):
                for dj, wj in enumerate(row):
                    expected[..., i, j] += wi * wj * padded[..., 2 * i + di, 2 * j + dj]
    torch.testing.assert_close(BlurPool(size).double()(x), expected)


def test_the_highest_frequency_is_gone() -> None:
    checks = (-1.0) ** (torch.arange(9)[:, None] + torch.arange(9))
    assert BlurPool(9)(checks[None, None]).abs().max() < 1e-6
    assert BlurPool(8)(checks[None, None, :8, :8]).abs()[..., 1:-1, 1:-1].max() < 1e-6


def test_a_shift_by_one_pixel_changes_less_than_without_the_blur() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(4, 2, 33, 33, generator=generator)
    for size in (31, 32):
        here, there = x[..., :size, :size], x[..., 1 : size + 1, :size]
        blurred = BlurPool(size)(here), BlurPool(size)(there)
        sliced = here[..., ::2, ::2], there[..., ::2, ::2]
        change, plain = (F.cosine_similarity(a.flatten(1), b.flatten(1)).mean() for a, b in (blurred, sliced))
        assert change > plain + 0.3


@pytest.mark.parametrize(("size", "weights"), [(8, [1, 2, 1]), (9, [1, 3, 3, 1])])
def test_the_kernel_of_the_other_parity_breaks_the_symmetry(size: int, weights: list[float]) -> None:
    x, action = fields(D4, size), act_on_fields(D4)
    row = torch.tensor(weights, dtype=torch.float64) / sum(weights)
    kernel = torch.outer(row, row).expand(16, 1, -1, -1)

    def pool(x: Tensor) -> Tensor:
        return F.conv2d(x, kernel, stride=2, padding=1, groups=16)

    assert max(equivariance_errors(pool, D4, x, in_action=action, out_action=action).values()) > 0.1


def test_nothing_is_learnt_and_nothing_is_stored() -> None:
    pool = BlurPool(8)
    assert list(pool.parameters()) == []
    assert pool.state_dict() == {}
    assert "kernel=4" in repr(pool)
