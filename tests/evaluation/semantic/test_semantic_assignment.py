import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import linear_sum_assignment

from eqae.evaluation.semantic.affinity import affinities, aligned, all_pairs, pair_blocks
from eqae.evaluation.semantic.assignment import Match, match_exactly
from eqae.evaluation.semantic.bounds import upper_bounds
from eqae.evaluation.semantic.optimality import optimality_ratios
from eqae.evaluation.semantic.swaps import match_by_sorting, match_by_swaps, tournament
from eqae.evaluation.semantic.tokens import TokenSets
from eqae.evaluation.semantic.windows import match_in_windows

MATCHES: dict[str, Match] = {
    "exact": match_exactly, "swaps": match_by_swaps, "sorting": match_by_sorting, "windows": match_in_windows(3),
}  # fmt: skip


def rectified(images: int, count: int, width: int, seed: int = 0) -> TokenSets:
    values = np.random.default_rng(seed).standard_normal((images, count, width))
    return TokenSets(np.maximum(values, 0).astype(np.float32))


def attained(tokens: TokenSets, match: Match) -> np.ndarray:
    left, right = all_pairs(len(tokens))
    affinity = affinities(tokens, left, right)
    return aligned(affinity, match(affinity, tokens, left, right)).sum(1, dtype=np.float64)


def brute_force(affinity: np.ndarray) -> float:
    rows = range(len(affinity))
    return max(sum(affinity[s, p[s]] for s in rows) for p in itertools.permutations(rows))


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_the_exact_solver_finds_the_best_of_all_permutations(count: int) -> None:
    tokens = rectified(6, count, 4)
    left, right = all_pairs(6)
    expected = [brute_force(affinity) for affinity in affinities(tokens, left, right).astype(np.float64)]
    np.testing.assert_allclose(attained(tokens, match_exactly), expected, rtol=1e-6)


@pytest.mark.parametrize(("count", "width"), [(16, 3), (49, 24), (60, 1)])
def test_the_exact_solver_agrees_with_scipy_on_the_affinities_themselves(count: int, width: int) -> None:
    tokens = rectified(8, count, width)
    for value, affinity in zip(attained(tokens, match_exactly), affinities(tokens, *all_pairs(8)), strict=True):
        rows, columns = linear_sum_assignment(affinity.astype(np.float64), maximize=True)
        assert value == pytest.approx(affinity[rows, columns].sum(dtype=np.float64), rel=1e-6)


def test_where_greed_gets_11_the_optimum_is_18_and_no_bound_is_below() -> None:
    # Tokens (a, b) and (c, d) with <a, c> = 10, <a, d> = 9, <b, c> = 9, <b, d> = 1.
    left, right = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[10.0, 9.0], [9.0, 1.0]])
    tokens = TokenSets(np.stack([left, right]).astype(np.float32))
    pair = np.array([0]), np.array([1])
    affinity = affinities(tokens, *pair)
    np.testing.assert_array_equal(affinity[0], [[10, 9], [9, 1]])
    assert attained(tokens, match_exactly)[0] == 18
    assert 18 <= upper_bounds(affinity, tokens, *pair)[0] <= 19


@pytest.mark.parametrize("name", MATCHES)
@pytest.mark.parametrize("count", [1, 2, 7, 12])
def test_every_solver_gives_permutations_between_no_and_the_best_assignment(name: str, count: int) -> None:
    tokens = rectified(7, count, 5)
    left, right = all_pairs(7)
    affinity = affinities(tokens, left, right)
    assignment = MATCHES[name](affinity, tokens, left, right)
    assert assignment.dtype == np.int64
    np.testing.assert_array_equal(np.sort(assignment, axis=1), np.tile(np.arange(count), (len(left), 1)))
    assert (attained(tokens, MATCHES[name]) <= attained(tokens, match_exactly) * (1 + 1e-6)).all()


@pytest.mark.parametrize("name", MATCHES)
def test_every_solver_is_exact_where_tokens_lie_on_a_line(name: str) -> None:
    # Rearrangement inequality: rising order against rising order is best. One window holds all.
    values = np.random.default_rng(3).random((5, 9, 1)).astype(np.float32)
    tokens = TokenSets(values)
    match = match_in_windows(9) if name == "windows" else MATCHES[name]
    best = (np.sort(values, 1)[:, None] * np.sort(values, 1)[None]).sum((2, 3))
    np.testing.assert_allclose(attained(tokens, match), best[np.triu_indices(5, 1)], rtol=1e-5)


def test_one_window_that_holds_everything_is_exact_and_smaller_ones_lose() -> None:
    tokens = rectified(10, 24, 6)
    exact, whole, cut = (attained(tokens, m) for m in (match_exactly, match_in_windows(24), match_in_windows(4)))
    np.testing.assert_allclose(whole, exact, rtol=1e-6)
    assert cut.mean() < 0.99 * exact.mean()


def test_exchanges_are_no_worse_than_sorting_and_close_to_the_optimum() -> None:
    tokens = rectified(12, 36, 4)
    sorting, swaps, exact = (attained(tokens, m) for m in (match_by_sorting, match_by_swaps, match_exactly))
    assert (swaps >= sorting * (1 - 1e-6)).all()
    assert (swaps / exact).mean() > 0.95


@pytest.mark.parametrize("count", [1, 2, 3, 8, 13])
def test_in_a_tournament_every_two_tokens_meet_once_and_no_token_plays_twice_in_a_round(count: int) -> None:
    rows = np.arange(count)
    met = [(a, b) for upper, lower in tournament(count) for a, b in zip(rows[upper], rows[lower], strict=True)]
    assert sorted(tuple(sorted(pair)) for pair in met) == list(itertools.combinations(range(count), 2))
    for upper, lower in tournament(count):
        playing = [*rows[upper], *rows[lower]]
        assert len(set(playing)) == len(playing)


tokens_of_all_kinds = arrays(
    np.float32, st.tuples(st.just(3), st.integers(1, 6), st.integers(1, 3)),
    elements=st.floats(-8, 8, width=16),
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(tokens_of_all_kinds)
def test_the_optimum_lies_between_the_identity_and_the_bound(values: np.ndarray) -> None:
    tokens = TokenSets(values)
    left, right = all_pairs(3)
    affinity = affinities(tokens, left, right)
    exact = attained(tokens, match_exactly)
    slack = 1e-4 * (1 + np.square(values).sum())
    assert (np.trace(affinity, axis1=1, axis2=2) <= exact + slack).all()
    bound = upper_bounds(affinity, tokens, left, right)
    assert (exact <= bound + slack).all()
    assert (bound <= affinity.max(2).sum(1) + slack).all()
    assert (bound <= affinity.max(1).sum(1) + slack).all()
    np.testing.assert_allclose(exact, [brute_force(a.astype(np.float64)) for a in affinity], atol=slack)


@pytest.mark.parametrize("name", MATCHES)
@pytest.mark.parametrize("value", [0.0, 2.0])
def test_equal_tokens_may_be_assigned_at_will(name: str, value: float) -> None:
    tokens = TokenSets(np.full((4, 6, 3), value, np.float32))
    np.testing.assert_allclose(attained(tokens, MATCHES[name]), 18 * value**2)


def test_blocks_cover_the_pairs_in_order() -> None:
    tokens = TokenSets(np.zeros((90, 40, 2), np.float32))
    left, right = all_pairs(90)
    blocks = list(pair_blocks(tokens, left, right))
    assert len(blocks) > 1
    np.testing.assert_array_equal(np.concatenate([a for a, _ in blocks]), left)
    np.testing.assert_array_equal(np.concatenate([b for _, b in blocks]), right)


def test_optimality_is_1_for_the_optimum_and_nothing_is_said_of_zero_maps() -> None:
    np.testing.assert_allclose(optimality_ratios(rectified(9, 12, 4), match_exactly, 100, 0), np.ones(4))
    ratios = optimality_ratios(rectified(40, 12, 4), match_in_windows(3), 10, 0)
    assert len(ratios) == 10
    assert (ratios <= 1 + 1e-6).all()
    assert len(optimality_ratios(TokenSets(np.zeros((4, 3, 2), np.float32)), match_exactly, 5, 0)) == 0
