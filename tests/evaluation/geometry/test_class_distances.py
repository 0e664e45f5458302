"""Distances to every region: known ones, a search over all sets of constraints, and what all of them keep."""

import itertools
import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from eqae.evaluation.geometry.boundary import nearest_boundary
from eqae.evaluation.geometry.class_distances import mean_class_distances, region_distances
from eqae.evaluation.geometry.regions import Regions


def slow_distance(regions: Regions, point: np.ndarray, region: int) -> float:
    """Distance to ``{y : z_region >= z_m}`` by trying every set of constraints that hold with equality."""
    others = [k for k in range(len(regions.weights)) if k != region]
    best = math.inf
    for size in range(len(others) + 1):
        for tight in itertools.combinations(others, size):
            found = point
            if tight:
                rows = np.array([regions.weights[region] - regions.weights[k] for k in tight])
                level = np.array([regions.bias[k] - regions.bias[region] for k in tight])
                found = point - np.linalg.pinv(rows) @ (rows @ point - level)
            logits = regions.weights @ found + regions.bias
            if logits[region] >= logits.max() - 1e-9:
                best = min(best, float(np.linalg.norm(found - point)))
    return best


def test_a_class_behind_another_is_further_than_its_hyperplane() -> None:
    # Three parts of a line: below -1, between, above 1. The scores of the outer ones meet at 0.
    regions = Regions(np.array([[-1.0], [0.0], [1.0]]), np.array([-1.0, 0.0, -1.0]))
    point = np.array([[-2.0]])
    np.testing.assert_allclose(region_distances(regions, point), [[0, 1, 3]])
    np.testing.assert_allclose(regions.distances(point), [[math.inf, 1, 2]])


def test_distances_are_those_of_a_search() -> None:
    rng = np.random.default_rng(0)
    for _ in range(80):
        classes, width = int(rng.integers(2, 6)), int(rng.integers(1, 8))
        regions = Regions(rng.standard_normal((classes, width)), rng.standard_normal(classes))
        points = 2 * rng.standard_normal((1, width))
        found = region_distances(regions, points)[0]
        slow = [slow_distance(regions, points[0], region) for region in range(classes)]
        np.testing.assert_allclose(found, slow, rtol=1e-6, atol=1e-9)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 12), st.integers(1, 30), st.sampled_from([1e-6, 1.0, 1e6]))
def test_the_nearest_class_is_the_one_across_the_boundary(seed: int, classes: int, width: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    regions = Regions(scale * rng.standard_normal((classes, width)), scale * rng.standard_normal(classes))
    points = rng.standard_normal((5, width))
    found, boundary = region_distances(regions, points), nearest_boundary(regions, points)
    assert (found >= 0).all()
    assert (np.take_along_axis(found, boundary.region[:, None], axis=1) == 0).all()
    np.testing.assert_allclose(np.partition(found, 1, axis=1)[:, 1], boundary.distances, rtol=1e-5)
    assert (found >= np.where(np.isfinite(regions.distances(points)), regions.distances(points), 0) * (1 - 1e-6)).all()


def test_a_class_that_never_leads_is_infinitely_far() -> None:
    same = Regions(np.ones((2, 3)), np.array([1.0, 0.0]))
    assert region_distances(same, np.zeros((1, 3))).tolist() == [[0, math.inf]]
    under = Regions(np.array([[-1.0], [0.0], [1.0]]), np.array([0.0, -1.0, 0.0]))
    assert region_distances(under, np.array([[0.5]]))[0, 1] == math.inf
    assert region_distances(Regions(np.zeros((2, 3)), np.zeros(2)), np.zeros((1, 3))).tolist() == [[0, 0]]


def test_means_leave_out_what_is_not_there() -> None:
    distances = np.array([[0, 1, math.inf, 2], [0, 3, math.inf, 4], [5, 0, math.inf, 6]])
    found = mean_class_distances(distances, np.array([0, 0, 1]))
    np.testing.assert_array_equal(found[0], [0, 2, math.nan, 3])
    np.testing.assert_array_equal(found[1], [5, 0, math.nan, 6])
    assert np.isnan(found[2:]).all()
    assert found.shape == (4, 4)
