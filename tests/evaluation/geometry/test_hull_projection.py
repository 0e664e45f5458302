"""Projections on convex hulls: known ones, an independent solver, and the certificate."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import nnls

from eqae.evaluation.geometry.hull import HullProjection, project_on_hull

SQUARE = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])


def nnls_distance(query: np.ndarray, vertices: np.ndarray) -> float:
    """Distance by non-negative least squares, with a heavy row for the sum of the weights."""
    heavy = 1e4 * max(float(np.abs(vertices - query).max()), 1e-9)
    matrix = np.vstack([(vertices - query).T, np.full(len(vertices), heavy)])
    weights, _ = nnls(matrix, np.append(np.zeros(len(query)), heavy), maxiter=100_000)
    return float(np.linalg.norm(weights / weights.sum() @ vertices - query))


def check(projection: HullProjection, queries: np.ndarray, vertices: np.ndarray) -> None:
    """What every answer keeps: a convex combination of few vertices, at the distance it names."""
    size = np.abs(vertices).max() + np.abs(queries).max()
    weights, index = projection.weights, projection.index
    assert (weights >= 0).all()
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-12)
    assert ((index >= 0) == (weights > 0)).all()
    assert (projection.active <= vertices.shape[1] + 1).all()
    combined = np.einsum("qk,qkd->qd", weights, vertices[index])
    np.testing.assert_allclose(combined, projection.points, atol=1e-9 * size)
    np.testing.assert_allclose(np.linalg.norm(queries - combined, axis=1), projection.distances, atol=1e-9 * size)


@pytest.mark.parametrize(
    ("query", "point", "distance", "active"),
    [
        ((2, 0.5), (1, 0.5), 1, 2),
        ((2, 2), (1, 1), 2**0.5, 1),
        ((0.5, -3), (0.5, 0), 3, 2),
        ((1, 1), (1, 1), 0, 1),
    ],
)
def test_projections_on_the_unit_square(
    query: tuple[float, float], point: tuple[float, float], distance: float, active: int
) -> None:
    found = project_on_hull(np.array([query], float), SQUARE)
    np.testing.assert_allclose(found.points, [point], atol=1e-12)
    assert found.distances[0] == pytest.approx(distance)
    assert found.active[0] == active
    assert found.outside[0] == (distance > 0)


def test_a_point_inside_the_square_is_its_own_projection() -> None:
    found = project_on_hull(np.array([[0.25, 0.5]]), SQUARE)
    assert found.distances[0] < 1e-12
    assert not found.outside[0]
    assert found.lower_bounds[0] == 0


@pytest.mark.parametrize(("query", "distance"), [((1, 1, 1), 2 / 3**0.5), ((0, 0, 0), 1 / 3**0.5), ((2, 0, 0), 1)])
def test_projections_on_the_unit_simplex(query: tuple[float, float, float], distance: float) -> None:
    assert project_on_hull(np.array([query], float), np.eye(3)).distances[0] == pytest.approx(distance, abs=1e-12)


def test_fifty_cases_agree_with_non_negative_least_squares_and_lie_within_the_bounds() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        width, count = rng.integers(1, 24), rng.integers(1, 120)
        vertices = rng.standard_normal((count, width))
        queries = rng.standard_normal((1, width)) * rng.choice([0.1, 1, 3])
        found = project_on_hull(queries, vertices)
        check(found, queries, vertices)
        distance = nnls_distance(queries[0], vertices)
        assert found.distances[0] == pytest.approx(distance, abs=1e-6)
        assert found.lower_bounds[0] <= distance + 1e-9
        assert found.outside[0] == (distance > 1e-7)


def test_the_bounds_meet_or_the_point_is_inside() -> None:
    rng = np.random.default_rng(0)
    vertices = rng.standard_normal((500, 16))
    found = project_on_hull(0.8 * rng.standard_normal((300, 16)), vertices)
    assert found.outside.any()
    assert not found.outside.all()
    assert (found.lower_bounds >= (1 - 1e-6) * found.distances)[found.outside].all()
    assert found.distances[~found.outside].max() < 1e-9


def test_a_loose_tolerance_still_brackets_the_distance() -> None:
    rng = np.random.default_rng(1)
    vertices, queries = rng.standard_normal((300, 12)), 2 * rng.standard_normal((40, 12))
    exact, loose = project_on_hull(queries, vertices), project_on_hull(queries, vertices, tolerance=0.3)
    assert (loose.lower_bounds <= exact.distances + 1e-12).all()
    assert (exact.distances <= loose.distances + 1e-12).all()
    assert (loose.lower_bounds < (1 - 1e-3) * loose.distances).any()


def test_duplicated_rows_and_constant_columns_change_nothing() -> None:
    rng = np.random.default_rng(2)
    vertices, queries = rng.standard_normal((60, 7)), rng.standard_normal((40, 7))
    expected = project_on_hull(queries, vertices).distances
    twice = project_on_hull(queries, np.repeat(vertices, 3, axis=0))
    np.testing.assert_allclose(twice.distances, expected, atol=1e-9)
    assert (twice.active <= 8).all()
    padded = project_on_hull(np.c_[queries, np.full(40, 5.0)], np.c_[vertices, np.full(60, 5.0)])
    np.testing.assert_allclose(padded.distances, expected, atol=1e-9)


def test_moving_turning_and_scaling_do_to_distances_what_they_should() -> None:
    rng = np.random.default_rng(3)
    vertices, queries = rng.standard_normal((80, 6)), rng.standard_normal((30, 6))
    turn, _ = np.linalg.qr(rng.standard_normal((6, 6)))
    expected = project_on_hull(queries, vertices).distances
    for scale in (1e-12, 1.0, 1e9):
        moved = [scale * (points @ turn + 10) for points in (queries, vertices)]
        np.testing.assert_allclose(project_on_hull(*moved).distances / scale, expected, atol=1e-8)
    order = rng.permutation(80)
    np.testing.assert_allclose(project_on_hull(queries, vertices[order]).distances, expected, atol=1e-10)


def test_queries_do_not_depend_on_the_company_they_are_in() -> None:
    rng = np.random.default_rng(4)
    vertices, queries = rng.standard_normal((50, 5)), rng.standard_normal((300, 5))  # more than a block
    together = project_on_hull(queries, vertices).distances
    alone = [project_on_hull(query[None], vertices).distances[0] for query in queries[::30]]
    np.testing.assert_allclose(together[::30], alone, atol=1e-10)


def test_a_single_vertex_and_no_queries() -> None:
    single = project_on_hull(np.array([[3.0, 4.0], [0.0, 0.0]]), np.zeros((1, 2)))
    np.testing.assert_allclose(single.distances, [5, 0])
    assert single.outside.tolist() == [True, False]
    assert project_on_hull(np.zeros((0, 2)), SQUARE).distances.shape == (0,)


def test_spaces_that_differ_and_empty_hulls_are_refused() -> None:
    with pytest.raises(ValueError, match="share a space"):
        project_on_hull(np.zeros((1, 3)), SQUARE)
    with pytest.raises(ValueError, match="share a space"):
        project_on_hull(np.zeros((1, 2)), SQUARE[:0])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(1, 6), st.sampled_from([1, 2, 3, 1000]))
def test_points_of_a_coarse_grid_keep_every_promise(seed: int, count: int, width: int, steps: int) -> None:
    # Few values make for duplicates, for points on faces and for flat hulls.
    rng = np.random.default_rng(seed)
    vertices = rng.integers(-steps, steps + 1, (count, width)) / steps
    queries = rng.integers(-steps, steps + 1, (4, width)) / steps
    found = project_on_hull(queries, vertices)
    check(found, queries, vertices)
    for place, query in enumerate(queries):
        assert found.distances[place] == pytest.approx(nnls_distance(query, vertices), abs=1e-6)
    mixed = rng.dirichlet(np.ones(count), 3) @ vertices
    assert project_on_hull(mixed, vertices).distances.max() < 1e-8


@pytest.mark.parametrize(("width", "low", "high"), [(2, 0.9, 1.0), (4, 0.85, 1.0), (8, 0.4, 0.75), (16, 0.0, 0.2)])
def test_the_share_of_gaussian_points_inside_falls_with_dimension(width: int, low: float, high: float) -> None:
    rng = np.random.default_rng(0)
    found = project_on_hull(rng.standard_normal((100, width)), rng.standard_normal((2000, width)))
    assert low <= (found.distances < 1e-8).mean() <= high
