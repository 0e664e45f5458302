"""The images that stand for a cluster, on points whose order is plain to see."""

import numpy as np
import pytest

from eqae.evaluation.clusters import FARTHEST, NEAREST, describe_clusters, number_of_clusters

LINE = np.concatenate([[10 + 0.1, 10 - 0.2, 10 + 0.3], np.arange(30) / 10])[:, None].astype(np.float32)
"""Three points around 10, and thirty from 0.0 to 2.9."""
CENTRES = np.array([[10.0], [0.04]], np.float32)
OF_POINT = np.repeat([0, 1], [3, 30])
UNKNOWN = np.full(33, -1)


def test_clusters_are_numbered_from_the_largest_on() -> None:
    found = describe_clusters(LINE, CENTRES, OF_POINT, UNKNOWN, ())
    assert [cluster["size"] for cluster in found["clusters"]] == [30, 3]
    assert found["of_image"].tolist() == [2] * 3 + [1] * 30


def test_the_medoid_is_the_point_nearest_to_the_centre_and_the_others_follow_in_order() -> None:
    large, small = describe_clusters(LINE, CENTRES, OF_POINT, UNKNOWN, ())["clusters"]
    assert (large["medoid"], small["medoid"]) == (3, 0)
    assert large["nearest"].tolist() == list(range(4, 4 + NEAREST))
    assert large["farthest"].tolist() == list(range(33 - FARTHEST, 33))
    assert small["nearest"].tolist() == [1, 2]
    assert small["farthest"].tolist() == []


def test_the_medoid_has_the_smallest_sum_of_squared_distances_to_the_others() -> None:
    points = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    centre = points.mean(0, keepdims=True)
    (found,) = describe_clusters(points, centre, np.zeros(50, np.int64), np.full(50, -1), ())["clusters"]
    sums = np.square(points[:, None] - points[None]).sum((1, 2))
    assert found["medoid"] == sums.argmin()
    assert [found["medoid"], *found["nearest"]] == np.argsort(sums, kind="stable")[: 1 + NEAREST].tolist()


@pytest.mark.parametrize("size", range(1, 1 + NEAREST + FARTHEST + 3))
def test_no_image_is_shown_twice_and_small_clusters_are_shown_whole(size: int) -> None:
    points = np.arange(size, dtype=np.float32)[:, None]
    (found,) = describe_clusters(points, points[:1], np.zeros(size, np.int64), np.full(size, -1), ())["clusters"]
    shown = [found["medoid"], *found["nearest"], *found["farthest"]]
    assert len(set(shown)) == len(shown) == min(size, 1 + NEAREST + FARTHEST)


def test_the_majority_is_the_most_frequent_class_among_labelled_images() -> None:
    labels = UNKNOWN.copy()
    labels[3:8] = [1, 1, 1, 0, 2]
    large, small = describe_clusters(LINE, CENTRES, OF_POINT, labels, ("ant", "bee", "crab"))["clusters"]
    assert (large["majority"], large["share"], large["labelled"]) == ("bee", 0.6, 5)
    assert (small["majority"], small["labelled"]) == ("", 0)


def test_a_centre_without_images_is_no_cluster() -> None:
    found = describe_clusters(LINE, np.array([[10.0], [50.0], [1.0]]), OF_POINT * 2, UNKNOWN, ())
    assert [cluster["size"] for cluster in found["clusters"]] == [30, 3]
    assert set(found["of_image"]) == {1, 2}


def test_the_number_of_clusters_follows_the_classes_and_without_them_the_images() -> None:
    assert number_of_clusters(classes=7, images=20) == 7
    assert [number_of_clusters(classes=0, images=n) for n in (2, 29, 55, 100, 10_000)] == [2, 2, 5, 10, 10]
