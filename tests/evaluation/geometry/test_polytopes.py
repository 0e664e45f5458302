"""Regions in a box: balls, facets and volumes."""

import numpy as np
import pytest

from eqae.evaluation.geometry.boundary import nearest_boundary
from eqae.evaluation.geometry.polytopes import Box, are_adjacent, largest_ball, sliced, volume_shares
from eqae.evaluation.geometry.regions import Regions

CROSS = Regions(np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]]), np.zeros(3))
UNIT = Box(np.zeros(2), np.ones(2))
AROUND = Box(-np.ones(2), np.ones(2))
STRIPES = Regions(np.array([[1.0, 0.0], [0.0, 0.0], [-1.0, 0.0]]), np.array([-1.0, 0.0, -1.0]))  # at x = -1 and 1


def test_the_largest_ball_of_a_corner() -> None:
    ball = largest_ball(CROSS, 0, UNIT)
    np.testing.assert_allclose(ball.centre, [0.5**0.5, 1 - 0.5**0.5], atol=1e-9)
    assert ball.radius == pytest.approx(1 - 0.5**0.5)


def test_a_region_beyond_the_box_has_no_ball() -> None:
    assert largest_ball(CROSS, 1, Box(np.array([1.0, 0.0]), np.array([2.0, 1.0]))).radius == 0


def test_a_largest_ball_lies_in_its_region_and_box() -> None:
    rng = np.random.default_rng(0)
    regions = Regions(rng.standard_normal((5, 6)), rng.standard_normal(5))
    box = Box.around(rng.standard_normal((100, 6)))
    for region in range(5):
        ball = largest_ball(regions, region, box)
        if ball.radius == 0:
            continue
        boundary = nearest_boundary(regions, ball.centre[None])
        wall = float(np.minimum(ball.centre - box.low, box.high - ball.centre).min())
        assert boundary.region[0] == region
        assert ball.radius == pytest.approx(min(float(boundary.distances[0]), wall), abs=1e-7)


def test_neighbours_share_a_facet_and_others_do_not() -> None:
    wide = Box(np.full(2, -3.0), np.full(2, 3.0))
    assert are_adjacent(STRIPES, 0, 1, wide)
    assert are_adjacent(STRIPES, 1, 2, wide)
    assert not are_adjacent(STRIPES, 0, 2, wide)
    assert not are_adjacent(STRIPES, 0, 1, Box(np.full(2, -0.5), np.full(2, 0.5)))  # the facet is not in the box


def test_regions_that_touch_in_a_point_are_no_neighbours() -> None:
    quadrants = Regions(np.array([[1.0, 1.0], [-1.0, 1.0], [-1.0, -1.0], [1.0, -1.0]]), np.zeros(4))
    assert are_adjacent(quadrants, 0, 1, AROUND)
    assert not are_adjacent(quadrants, 0, 2, AROUND)


def test_adjacency_agrees_with_a_walk_over_random_points() -> None:
    rng = np.random.default_rng(1)
    regions = Regions(rng.standard_normal((6, 2)), 0.5 * rng.standard_normal(6))
    sides = np.linspace(-1, 1, 801)
    grid = regions.assign(np.stack(np.meshgrid(sides, sides), axis=-1).reshape(-1, 2)).reshape(801, 801)
    walked = {
        frozenset(pair)
        for a, b in ((grid[1:], grid[:-1]), (grid[:, 1:], grid[:, :-1]))
        for pair in zip(a[a != b].tolist(), b[a != b].tolist(), strict=True)
    }
    solved = {frozenset((c, k)) for c in range(6) for k in range(c) if are_adjacent(regions, c, k, AROUND)}
    assert walked == solved


def test_classes_without_a_boundary_are_no_neighbours() -> None:
    assert not are_adjacent(Regions(np.ones((2, 2)), np.array([0.0, 1.0])), 0, 1, UNIT)


def test_volume_shares_are_areas() -> None:
    np.testing.assert_allclose(volume_shares(CROSS, AROUND, 40_000, 0), [0.375, 0.375, 0.25], atol=0.01)
    np.testing.assert_array_equal(volume_shares(CROSS, UNIT, 1000, 3), volume_shares(CROSS, UNIT, 1000, 3))


def test_a_slice_answers_as_the_whole_does() -> None:
    rng = np.random.default_rng(2)
    regions = Regions(rng.standard_normal((4, 7)), rng.standard_normal(4))
    directions = np.linalg.qr(rng.standard_normal((7, 3)))[0].T
    centre, points = rng.standard_normal(7), rng.standard_normal((50, 3))
    cut = sliced(regions, centre, directions)
    np.testing.assert_allclose(cut.logits(points), regions.logits(centre + points @ directions), atol=1e-12)
    assert (cut.distances(points) >= regions.distances(centre + points @ directions) - 1e-12).all()
