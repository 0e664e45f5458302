"""Features against slow loops over the definitions, and against the paper's worked example."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from eqae.groups import D4, Group
from eqae.heads.correlation import CorrelationHead
from eqae.heads.gram import GramHead
from eqae.heads.max import MaxHead
from eqae.heads.mean import MeanHead
from eqae.models.attention import EquivariantAttention

any_group = st.builds(Group, st.integers(1, 6), st.booleans())
TO_OURS = [0, 3, 2, 1, 4, 7, 6, 5]
"""Our index of the paper's element i."""


def named(head: torch.nn.Module, v: Tensor) -> dict[str, Tensor]:
    return dict(zip(head.feature_names(), head(v).unbind(1), strict=True))


@given(group=any_group, m=st.integers(1, 4), band=st.none() | st.integers(1, 5), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_gram_and_correlation_are_the_sums_of_their_definitions(
    group: Group, m: int, band: int | None, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    v = torch.randn(2, group.order, m, generator=generator, dtype=torch.float64)
    gram, correlation = named(GramHead(group, m, band=band), v), named(CorrelationHead(group, m, band=band), v)
    for i, j in itertools.combinations_with_replacement(range(m), 2):
        if band is not None and j - i >= band:
            assert f"gram_{i}_{j}" not in gram
            continue
        expected = sum(v[:, g, i] * v[:, g, j] for g in range(group.order)) / group.order
        torch.testing.assert_close(gram.pop(f"gram_{i}_{j}"), expected)
        for h in range(group.order):
            slow = sum(v[:, g, i] * v[:, group.cayley[g][h], j] for g in range(group.order)) / group.order
            if i == j and h > group.inverses[h]:  # the same number as for the inverse
                h = group.inverses[h]
                torch.testing.assert_close(correlation[f"correlation_{i}_{j}_{h}"], slow)
            else:
                torch.testing.assert_close(correlation[f"correlation_{i}_{j}_{h}"], slow)
    assert gram == {}


@pytest.fixture
def worked() -> Tensor:
    """V ``(1, 8, 2)`` of the worked example, its rows moved from the paper's element order to ours."""
    paper = torch.tensor([[1, 2, 3, 4, 5, 6, 7, 8], [1, 2, 0, 0, 0, 0, 0, 0]], dtype=torch.float64).T
    v = torch.zeros(1, 8, 2, dtype=torch.float64)
    v[0, TO_OURS] = paper
    return v


def in_the_papers_order(column: Tensor) -> list[float]:
    return column[TO_OURS].tolist()


def test_worked_example_rows_move_as_printed(worked: Tensor) -> None:
    turned, mirrored = (D4.permute(TO_OURS[g], worked)[0] for g in (1, 4))
    assert in_the_papers_order(turned[:, 0]) == [4, 1, 2, 3, 8, 5, 6, 7]
    assert in_the_papers_order(turned[:, 1]) == [0, 1, 2, 0, 0, 0, 0, 0]
    assert in_the_papers_order(mirrored[:, 0]) == [5, 8, 7, 6, 1, 4, 3, 2]
    assert in_the_papers_order(mirrored[:, 1]) == [0, 0, 0, 0, 1, 0, 0, 2]


def test_worked_example_features_in_all_eight_poses(worked: Tensor) -> None:
    for g in range(8):
        v = D4.permute(g, worked)
        assert MeanHead(D4, 2)(v).tolist() == [[4.5, 0.375]]
        assert MaxHead(D4, 2)(v).tolist() == [[8, 2]]
        assert (8 * GramHead(D4, 2)(v)).tolist() == [[204, 5, 5]]
        correlation = named(CorrelationHead(D4, 2), v)

        def printed(i: int, j: int, values: dict[str, Tensor] = correlation) -> list[float]:
            """``A_ij(h)`` for the paper's h = 0..7; of a pair h, h⁻¹ on the diagonal one stands for both."""
            names = [f"correlation_{i}_{j}_{h if i != j else min(h, D4.inverses[h])}" for h in TO_OURS]
            return [8 * values[name].item() for name in names]

        assert printed(0, 0) == [204, 192, 188, 192, 140, 128, 124, 128]
        assert printed(1, 1) == [5, 2, 0, 2, 0, 0, 0, 0]
        assert printed(0, 1) == [5, 6, 11, 8, 17, 20, 23, 18]


def test_worked_example_of_one_hot_attention(worked: Tensor) -> None:
    attention = EquivariantAttention(D4, 2)
    weights = torch.zeros(1, 8, dtype=torch.float64)
    weights[0, TO_OURS[5]] = 1
    q = attention.apply_weights(weights, worked)
    assert in_the_papers_order(q[0, :, 0]) == [6, 5, 8, 7, 2, 1, 4, 3]
    assert torch.equal(attention.invert(weights, q), worked)
    for g in range(8):
        moved = D4.permute(g, weights.unsqueeze(-1)).squeeze(-1)
        assert torch.equal(attention.apply_weights(moved, D4.permute(g, worked)), q)
