"""Distances to decision boundaries: known ones, and a brute force that knows nothing of the formula."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eqae.evaluation.geometry.boundary import boundary_points, bounded_distances, nearest_boundary
from eqae.evaluation.geometry.hull import project_on_hull
from eqae.evaluation.geometry.regions import Regions

CROSS = Regions(np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]]), np.zeros(3))


def random_regions(rng: np.random.Generator, classes: int, width: int) -> Regions:
    return Regions(rng.standard_normal((classes, width)), rng.standard_normal(classes))


def facet_distance(regions: Regions, point: np.ndarray, own: int, other: int) -> float:
    """Distance to ``{y : z_own = z_other >= z_m}`` by trying every set of constraints that hold with equality."""
    rest = [k for k in range(len(regions.weights)) if k not in (own, other)]
    best = math.inf
    for size in range(len(rest) + 1):
        for tight in itertools.combinations(rest, size):
            rows = np.array([regions.weights[own] - regions.weights[k] for k in (other, *tight)])
            level = np.array([regions.bias[k] - regions.bias[own] for k in (other, *tight)])
            found = point - np.linalg.pinv(rows) @ (rows @ point - level)
            logits = regions.weights @ found + regions.bias
            if np.allclose(rows @ found, level, atol=1e-9) and logits[own] >= logits.max() - 1e-9:
                best = min(best, float(np.linalg.norm(found - point)))
    return best


def orthant_distance(point: np.ndarray, normal: np.ndarray, level: float) -> float:
    """Distance to ``{y >= 0 : normal·y = level}`` by trying every set of coordinates that are zero."""
    best = math.inf
    for zero in itertools.product([False, True], repeat=len(point)):
        free = ~np.array(zero)
        size = float((normal[free] ** 2).sum())
        if size == 0:
            continue
        found = np.where(free, point - (normal[free] @ point[free] - level) / size * normal, 0.0)
        if (found >= -1e-12).all():
            best = min(best, float(np.linalg.norm(found - point)))
    return best


def test_three_classes_in_the_plane() -> None:
    point = np.array([[2.0, 1.0]])
    boundary = nearest_boundary(CROSS, point)
    np.testing.assert_allclose(CROSS.distances(point), [[math.inf, 2, 0.5**0.5]])
    assert (boundary.region[0], boundary.neighbour[0]) == (0, 2)
    nearest = boundary_points(CROSS, point, boundary)
    np.testing.assert_allclose(nearest, [[1.5, 1.5]], atol=1e-12)
    np.testing.assert_allclose(CROSS.logits(nearest), [[1.5, -1.5, 1.5]], atol=1e-12)


def test_the_distance_to_a_region_is_that_of_the_quadratic_programme() -> None:
    rng = np.random.default_rng(0)
    for _ in range(60):
        classes, width = int(rng.integers(2, 6)), int(rng.integers(1, 8))
        regions, point = random_regions(rng, classes, width), 2 * rng.standard_normal((1, width))
        boundary = nearest_boundary(regions, point)
        own = int(boundary.region[0])
        slow = min(facet_distance(regions, point[0], own, k) for k in range(classes) if k != own)
        assert boundary.distances[0] == pytest.approx(slow, abs=1e-10)


def test_no_point_of_the_guaranteed_ball_changes_its_class_and_beyond_it_one_does() -> None:
    rng = np.random.default_rng(1)
    regions, points = random_regions(rng, 6, 10), rng.standard_normal((50, 10))
    boundary = nearest_boundary(regions, points)
    steps = rng.standard_normal((200, 50, 10))
    steps /= np.linalg.norm(steps, axis=2, keepdims=True)
    inside = points + 0.999 * boundary.distances[:, None] * steps
    assert (regions.assign(inside.reshape(-1, 10)).reshape(200, 50) == boundary.region).all()
    beyond = points + 1.001 * (boundary_points(regions, points, boundary) - points)
    assert (regions.assign(beyond) == boundary.neighbour).all()


def test_a_boundary_without_a_point_in_the_orthant_is_infinitely_far() -> None:
    regions = Regions(np.array([[1.0, 0.0], [-1.0, 0.0]]), np.array([0.5, -0.5]))
    point = np.array([[1.0, 3.0]])
    assert nearest_boundary(regions, point).distances[0] == pytest.approx(1.5)
    assert bounded_distances(regions, point, 0.0)[0] == math.inf
    assert bounded_distances(regions, point, np.array([-0.5, 0.0]))[0] == pytest.approx(1.5)


def test_bounded_distances_are_those_of_a_search_over_all_faces() -> None:
    rng = np.random.default_rng(2)
    infinite = 0
    for _ in range(150):
        classes, width = int(rng.integers(2, 5)), int(rng.integers(1, 7))
        regions = random_regions(rng, classes, width)
        point = rng.random(width) * (rng.random(width) > 0.3)
        own = int(regions.assign(point[None])[0])
        slow = min(
            orthant_distance(point, regions.weights[own] - regions.weights[k], regions.bias[k] - regions.bias[own])
            for k in range(classes)
            if k != own
        )
        found = bounded_distances(regions, point[None], 0.0)[0]
        infinite += math.isinf(found)
        assert found == pytest.approx(slow, abs=1e-10)
        assert found >= nearest_boundary(regions, point[None]).distances[0] - 1e-12
    assert infinite > 5


def test_a_bound_far_away_changes_nothing() -> None:
    rng = np.random.default_rng(3)
    regions, points = random_regions(rng, 4, 5), rng.standard_normal((20, 5))
    np.testing.assert_allclose(
        bounded_distances(regions, points, -1e6), nearest_boundary(regions, points).distances, rtol=1e-6
    )


def test_classes_with_equal_weights_have_no_boundary() -> None:
    regions = Regions(np.ones((2, 3)), np.array([1.0, 0.0]))
    boundary = nearest_boundary(regions, np.zeros((1, 3)))
    assert boundary.distances[0] == math.inf
    assert np.isnan(boundary_points(regions, np.zeros((1, 3)), boundary)).all()
    assert bounded_distances(regions, np.zeros((1, 3)), -1.0)[0] == math.inf


def test_distances_do_not_depend_on_what_all_classes_share() -> None:
    rng = np.random.default_rng(4)
    regions, points = random_regions(rng, 5, 4), rng.standard_normal((30, 4))
    shifted = Regions(regions.weights + rng.standard_normal(4), regions.bias + 3)
    scaled = Regions(7 * regions.weights, 7 * regions.bias)
    for other in (shifted, scaled):
        np.testing.assert_allclose(other.distances(points), regions.distances(points), rtol=1e-9, atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 6), st.integers(1, 10))
def test_combinations_of_points_of_one_class_have_that_class(seed: int, classes: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    regions, points = random_regions(rng, classes, width), rng.standard_normal((60, width))
    said = regions.assign(points)
    for label in np.unique(said):
        members = points[said == label]
        mixed = rng.dirichlet(np.ones(len(members)), 400) @ members
        logits = regions.logits(mixed)
        assert (logits[:, label] >= logits.max(axis=1) - 1e-9).all()
        onto = project_on_hull(3 * rng.standard_normal((5, width)), members).points
        logits = regions.logits(onto)
        assert (logits[:, label] >= logits.max(axis=1) - 1e-7).all()
