"""Which images take part in hull statistics, and what is measured on one cloud of them at one dimension."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eqae.evaluation.evidence import Evidence, FloatArray, IntArray, Score
from eqae.evaluation.geometry.controls import Cloud
from eqae.evaluation.geometry.hull import HullProjection, project_on_hull
from eqae.evaluation.geometry.principal import fit_principal_map
from eqae.evaluation.geometry.scales import median_distance, median_neighbour_distance
from eqae.evaluation.sampling import spread_evenly
from eqae.evaluation.scores import mean_score

DoubleArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
Control = Callable[[DoubleArray, DoubleArray, np.random.Generator], Cloud]

_INSIDE = 1e-4  # distances below this share of the median nearest-neighbour distance


@dataclass(frozen=True, eq=False)
class HullCase:
    """The images that take part, at most so many of each split, evenly spread.

    Attributes:
        train_rows, test_rows: of them among the training and test images.
        labels: of the vertices, ``(n,)``.
        truth: of the queries, ``(Q,)``.
        images: number of all test images.
        seed: of resampling and of controls.
    """

    train_rows: IntArray
    test_rows: IntArray
    labels: IntArray
    truth: IntArray
    images: int
    seed: int

    @classmethod
    def of(cls, evidence: Evidence, most_train: int, most_test: int) -> HullCase:
        """At most ``most_train`` vertices and ``most_test`` queries of ``evidence``."""
        train, test = evidence.train.labels, evidence.test.labels
        a, b = spread_evenly(len(train), most_train), spread_evenly(len(test), most_test)
        return cls(a, b, train[a], test[b], len(test), evidence.seed)

    def mean(
        self,
        metric: str,
        values: NDArray[Any],
        condition: str,
        *,
        higher_is_better: bool = True,
        why: str = "no image has a value",
    ) -> Score:
        """The mean of ``values (Q,)``; its samples stand where the queries stand among all test images."""
        samples = np.full(self.images, np.nan)
        samples[self.test_rows] = values
        return mean_score(
            metric, samples, seed=self.seed, higher_is_better=higher_is_better, condition=condition, why=why
        )


def principal_cloud(train: FloatArray, test: FloatArray, dimensions: int, seed: int) -> Cloud:
    """Both sets in the first ``dimensions`` principal components of the standardised first."""
    principal = fit_principal_map(train, dimensions, seed)
    return principal(train), principal(test)


@dataclass(frozen=True, eq=False)
class HullStatistics:
    """Where the queries of one cloud lie; a query is inside, proved to be outside, or undecided.

    Attributes:
        projection: of the queries on the hull of the vertices.
        scale: median distance between vertices.
        inside: closer to the hull than a ten-thousandth of the median nearest-neighbour distance, ``(Q,)``.
        tolerance: that distance.
    """

    projection: HullProjection
    scale: float
    inside: BoolArray
    tolerance: float

    @classmethod
    def of(cls, cloud: Cloud) -> HullStatistics:
        """Statistics of ``cloud``."""
        vertices, queries = cloud
        projection = project_on_hull(queries, vertices)
        tolerance = _INSIDE * median_neighbour_distance(vertices)
        return cls(projection, median_distance(vertices), projection.distances <= tolerance, tolerance)

    @property
    def relative(self) -> DoubleArray:
        """Distances over the scale, ``(Q,)``."""
        return self.projection.distances / self.scale

    @property
    def outside(self) -> BoolArray:
        """Proved by a separating hyperplane, ``(Q,)``."""
        return self.projection.outside & ~self.inside

    @property
    def undecided(self) -> BoolArray:
        """Neither: the projection stopped before it could tell, ``(Q,)``."""
        return ~self.inside & ~self.outside


@dataclass(frozen=True, eq=False)
class HullLevel:
    """Everything at one dimension.

    Attributes:
        cloud: the first ``dimension`` coordinates of vertices and queries.
        own: statistics of the cloud.
        controls: of its controls, by name.
        condition: of the scores.
    """

    cloud: Cloud
    own: HullStatistics
    controls: Mapping[str, HullStatistics]
    condition: str

    @classmethod
    def of(
        cls, cloud: Cloud, dimension: int, controls: Mapping[str, Control], rng: np.random.Generator, kind: str = ""
    ) -> HullLevel:
        """The level of the first ``dimension`` coordinates of ``cloud``; ``kind`` starts its condition."""
        low = cloud[0][:, :dimension], cloud[1][:, :dimension]
        found = {name: HullStatistics.of(control(*low, rng)) for name, control in controls.items()}
        return cls(low, HullStatistics.of(low), found, f"{kind}{dimension}-d")

    @property
    def dimension(self) -> int:
        """Number of coordinates."""
        return self.cloud[0].shape[1]
