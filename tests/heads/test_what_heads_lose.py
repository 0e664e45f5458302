"""What each head can and cannot tell apart: the theory of the paper's section on Gram pooling, measured."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor

from eqae.groups import C4, D4, Group
from eqae.heads.correlation import CorrelationHead
from eqae.heads.gram import BandedGramHead, GramHead
from eqae.heads.mean import MeanHead


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def rank(head: torch.nn.Module, group: Group, m: int) -> int:
    """Generic rank of the Jacobian: how many independent numbers of V the features determine."""
    jacobian = torch.autograd.functional.jacobian(lambda v: head(v)[0], draw(1, group.order, m))
    return int(torch.linalg.matrix_rank(jacobian.reshape(head.width, -1), rtol=1e-9))


@pytest.mark.parametrize(("m", "mean", "gram", "correlation"), [(3, 3, 6, 23), (10, 10, 52, 79)])
def test_jacobian_ranks_are_those_of_the_table(m: int, mean: int, gram: int, correlation: int) -> None:
    assert rank(MeanHead(D4, m), D4, m) == mean
    assert rank(GramHead(D4, m), D4, m) == gram
    assert rank(CorrelationHead(D4, m), D4, m) == correlation


def test_the_ranks_hold_for_a_group_off_the_lattice() -> None:
    d12 = Group(12, True)
    assert rank(GramHead(d12, 5), d12, 5) == 15
    assert rank(CorrelationHead(d12, 5), d12, 5) == 115


def test_a_band_as_wide_as_the_group_loses_no_dimension_of_the_gram_matrix() -> None:
    m = 7
    assert rank(GramHead(C4, m, band=4), C4, m) == rank(BandedGramHead(C4, m), C4, m) == rank(GramHead(C4, m), C4, m)
    assert rank(GramHead(C4, m, band=3), C4, m) < rank(GramHead(C4, m), C4, m)


def test_gram_entries_are_not_linearly_dependent_even_when_columns_outnumber_rows() -> None:
    features = GramHead(D4, 12)(draw(200, 8, 12))
    assert torch.linalg.matrix_rank(features) == 78


def test_the_permutations_that_commute_with_the_group_are_the_right_translations() -> None:
    """By brute force over all 40,320 permutations of eight rows."""
    cayley = np.array(D4.cayley)
    candidates = np.array(list(itertools.permutations(range(8))))
    for g in (1, 4):  # generators: a quarter turn and a flip
        candidates = candidates[(candidates[:, cayley[g]] == cayley[g][candidates]).all(1)]
    right = {tuple(cayley[:, h]) for h in range(8)}
    assert {tuple(candidate) for candidate in candidates} == right
    assert len(right) == 8


def distance_from_orbit(v: Tensor, other: Tensor) -> float:
    """Relative distance of ``other`` from the nearest of the eight poses of ``v``."""
    return min((other - D4.permute(g, v)).norm().item() for g in range(8)) / v.norm().item()


def test_correlation_is_blind_to_an_orthogonal_unit_of_the_group_algebra() -> None:
    v, coefficients = draw(1, 8, 6), draw(8, seed=1)
    translations = torch.stack([D4.permute(g, torch.eye(8, dtype=torch.float64)) for g in range(8)])
    left, _, right = torch.linalg.svd(torch.einsum("g,gij->ij", coefficients, translations))
    mixed = (left @ right) @ v
    head = CorrelationHead(D4, 6)
    assert (head(mixed) - head(v)).abs().max() < 1e-10
    assert distance_from_orbit(v, mixed) > 0.1


def test_gram_is_blind_to_any_rotation_of_rows_and_correlation_is_not() -> None:
    v = draw(1, 8, 6)
    rotation, _ = torch.linalg.qr(draw(8, 8, seed=2))
    gram, correlation = GramHead(D4, 6), CorrelationHead(D4, 6)
    assert (gram(rotation @ v) - gram(v)).abs().max() < 1e-12
    assert (correlation(rotation @ v) - correlation(v)).norm() > 0.1 * correlation(v).norm()


def test_mean_is_blind_to_where_in_the_fibre_a_response_stands_and_gram_is_not() -> None:
    v = draw(1, 8, 6)
    turned_alone = v.clone()
    turned_alone[..., :1] = D4.permute(1, v[..., :1])  # one channel in another pose than the rest
    assert torch.allclose(MeanHead(D4, 6)(turned_alone), MeanHead(D4, 6)(v))
    gram = GramHead(D4, 6)
    assert (gram(turned_alone) - gram(v)).norm() > 0.05 * gram(v).norm()
