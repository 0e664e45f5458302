"""How far test images lie from the convex hull of the training images, next to clouds without structure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge
from numpy.typing import NDArray

from eqae.data.base import UNLABELED
from eqae.evaluation.bootstrap import bootstrap_statistic
from eqae.evaluation.declaration import Scale, evaluator
from eqae.evaluation.evidence import Evidence, Findings, IntArray, NotAvailable, Score
from eqae.evaluation.geometry.boundary import nearest_boundary
from eqae.evaluation.geometry.class_hulls import class_hull_distances, nearest_hull_hits
from eqae.evaluation.geometry.controls import CONTROLS, Cloud
from eqae.evaluation.geometry.hull import HullProjection, project_on_hull
from eqae.evaluation.geometry.principal import fit_principal_map
from eqae.evaluation.geometry.regions import Regions
from eqae.evaluation.geometry.scales import median_distance, median_neighbour_distance
from eqae.evaluation.linear_probe import LinearProbe, fit_probe, linear_probe
from eqae.evaluation.sampling import spread_evenly
from eqae.evaluation.scores import mean_score, unavailable

DoubleArray = NDArray[np.float64]

_INSIDE = 1e-4  # distances below this share of the median nearest-neighbour distance


def _seconds(scale: Scale) -> float:
    """Projections grow with the product of vertices and queries; the map with the number of features."""
    return 4 + 5e-6 * min(scale.train, 5000) * scale.width / 10 + 0.1 * scale.classes


@evaluator(cost=_seconds)
def evaluate_hulls(
    evidence: Evidence,
    *,
    dimensions: tuple[Annotated[int, Ge(1)], ...] = (8, 16, 32, 64),
    class_dimension: Annotated[int, Ge(1)] = 32,
    train_images: Annotated[int, Ge(2)] = 5000,
    test_images: Annotated[int, Ge(1)] = 500,
) -> Findings:
    """Hull statistics after Yousefzadeh (2022) and, beside each, controls of the same size and dimension.

    Whether a point lies inside a hull is decided by the dimension first of all, so features of every model are brought
    to the same few dimensions (principal components of the standardised training features), and the same is measured
    on a Gaussian of the same covariance and on a copy with shuffled columns. At most ``train_images`` and
    ``test_images`` images take part, evenly spread over their splits.

    By condition (``"8-d"``, ...): ``hull_distance`` over the median distance between training images,
    ``hull_inside_share``, both with the endings ``_gaussian`` and ``_permuted`` for the controls;
    ``hull_control_ratio``, the distance over that of the Gaussian; ``hull_inside_excess``, the share less that of the
    Gaussian; ``hull_active_vertices``, the number of training images behind the projection of an image outside;
    ``hull_label_purity``, the weight that those of the image's own class have in it.

    At one dimension: ``nearest_hull_accuracy``, the class whose hull is nearest; ``hull_boundary_ratio``, the median
    over images of the distance to the hull over the distance to the boundary of a linear probe fitted in the same
    coordinates: below 1, the projection keeps the class. ``class_hulls_pure_share`` is the share of training images in
    the region of their own class: a region is convex, so the hull of all images in it lies in it. Definitions other
    than of the projection are our own formulation.

    Drawing ``"hull_table"``: mean distance and share inside by dimension, of features and controls.

    Args:
        evidence: of one model.
        dimensions: to project in; those above the number of dimensions that the features span are left out, and that
            number is taken where none remains.
        class_dimension: the labelled scores take the largest dimension up to this one.
        train_images: most vertices.
        test_images: most queries.

    Raises:
        NotAvailable: training features that do not differ.
    """
    case = _Case.of(evidence, max(dimensions), train_images, test_images)
    width = case.vertices.shape[1]
    if width == 0:
        raise NotAvailable("the training features do not differ")
    chosen = sorted({d for d in dimensions if d <= width}) or [width]
    rng = np.random.default_rng(evidence.seed)
    levels = [_Level.of(case, dimension, rng) for dimension in chosen]
    scores = [score for level in levels for score in _level_scores(case, level)]
    at_class = max((level for level in levels if level.dimension <= class_dimension), default=levels[0], key=_dimension)
    return Findings((*scores, *_labelled_scores(evidence, case, at_class)), {"hull_table": _table(levels)})


@dataclass(frozen=True, eq=False)
class _Case:
    """Principal coordinates of the images that take part: ``vertices`` and ``queries``, with their labels."""

    vertices: DoubleArray
    labels: IntArray
    queries: DoubleArray
    truth: IntArray
    rows: IntArray  # of the queries among the test images
    images: int
    seed: int

    @classmethod
    def of(cls, evidence: Evidence, dimensions: int, most_train: int, most_test: int) -> _Case:
        train, test = evidence.train, evidence.test
        a = spread_evenly(len(train.labels), most_train)
        b = spread_evenly(len(test.labels), most_test)
        values = train.upright[a]
        principal = fit_principal_map(values, dimensions, evidence.seed)
        coordinates = principal(values), principal(test.upright[b])
        return cls(coordinates[0], train.labels[a], coordinates[1], test.labels[b], b, len(test.labels), evidence.seed)

    def mean(self, metric: str, values: NDArray[Any], condition: str, *, higher_is_better: bool = True) -> Score:
        """The mean of ``values (Q,)``; its samples stand where the queries stand among all test images."""
        samples = np.full(self.images, np.nan)
        samples[self.rows] = values
        return mean_score(metric, samples, seed=self.seed, higher_is_better=higher_is_better, condition=condition)


@dataclass(frozen=True, eq=False)
class _Statistics:
    """Of one cloud: distances over the median distance between vertices, and which queries are inside."""

    projection: HullProjection
    relative: DoubleArray
    inside: NDArray[np.bool_]
    tolerance: float

    @classmethod
    def of(cls, cloud: Cloud) -> _Statistics:
        vertices, queries = cloud
        projection = project_on_hull(queries, vertices)
        tolerance = _INSIDE * median_neighbour_distance(vertices)
        inside = projection.distances <= tolerance
        return cls(projection, projection.distances / median_distance(vertices), inside, tolerance)


@dataclass(frozen=True, eq=False)
class _Level:
    """Everything at one dimension."""

    dimension: int
    features: _Statistics
    controls: Mapping[str, _Statistics]

    @classmethod
    def of(cls, case: _Case, dimension: int, rng: np.random.Generator) -> _Level:
        cloud = case.vertices[:, :dimension], case.queries[:, :dimension]
        controls = {name: _Statistics.of(control(*cloud, rng)) for name, control in CONTROLS.items()}
        return cls(dimension, _Statistics.of(cloud), controls)

    @property
    def condition(self) -> str:
        return f"{self.dimension}-d"


def _dimension(level: _Level) -> int:
    return level.dimension


def _level_scores(case: _Case, level: _Level) -> Iterator[Score]:
    own, condition = level.features, level.condition
    yield case.mean("hull_distance", own.relative, condition, higher_is_better=False)
    yield case.mean("hull_inside_share", own.inside, condition)
    for name, control in level.controls.items():  # no samples: their points are no images
        distance = case.mean(f"hull_distance_{name}", control.relative, condition, higher_is_better=False)
        yield replace(distance, samples=None)
        yield replace(case.mean(f"hull_inside_share_{name}", control.inside, condition), samples=None)
    yield from _differences(case, level)
    yield from _behind(case, level)


def _behind(case: _Case, level: _Level) -> Iterator[Score]:
    """What projections are combinations of; points inside are combinations in many ways, and are left out."""
    own, condition = level.features, level.condition
    known = ~own.inside & (case.truth != UNLABELED)
    if own.inside.all():
        yield unavailable("hull_active_vertices", "every image lies inside", condition=condition)
    else:
        yield case.mean("hull_active_vertices", np.where(own.inside, np.nan, own.projection.active), condition)
    if known.any() and (case.labels != UNLABELED).any():
        yield case.mean("hull_label_purity", np.where(known, _own_weight(case, own.projection), np.nan), condition)
    else:
        yield unavailable("hull_label_purity", "no labelled images outside", condition=condition)


def _differences(case: _Case, level: _Level) -> Iterator[Score]:
    """Features against the Gaussian; the intervals resample the points of both."""
    own, control, condition = level.features, level.controls["gaussian"], level.condition
    count = len(case.queries)

    def ratio(draw: IntArray) -> float:
        below = float(control.relative[draw].mean())
        return float(own.relative[draw].mean()) / below if below > 0 else float("nan")

    def excess(draw: IntArray) -> float:
        return float(own.inside[draw].mean() - control.inside[draw].mean())

    everything = np.arange(count)
    value = ratio(everything)
    if math.isnan(value):
        why = "the control lies inside its hull"
        yield unavailable("hull_control_ratio", why, higher_is_better=False, n=count, condition=condition)
    else:
        interval = bootstrap_statistic(ratio, value, count, case.seed)
        yield Score("hull_control_ratio", value, *interval, False, count, condition)
    value = excess(everything)
    interval = bootstrap_statistic(excess, value, count, case.seed)
    yield Score("hull_inside_excess", value, *interval, True, count, condition)


def _own_weight(case: _Case, projection: HullProjection) -> DoubleArray:
    """Weight of the vertices that share the query's label, ``(Q,)``."""
    own = case.labels[projection.index] == case.truth[:, None]
    weight: DoubleArray = (projection.weights * own).sum(axis=1)
    return np.minimum(weight, 1.0)


def _labelled_scores(evidence: Evidence, case: _Case, level: _Level) -> Iterator[Score]:
    try:
        yield from _class_scores(case, level)
        yield _pure_share(evidence)
    except NotAvailable as reason:
        yield unavailable("nearest_hull_accuracy", str(reason), condition=level.condition)


def _class_scores(case: _Case, level: _Level) -> Iterator[Score]:
    vertices, queries = case.vertices[:, : level.dimension], case.queries[:, : level.dimension]
    known = case.truth != UNLABELED
    if not known.any():
        raise NotAvailable("no labelled test images")
    probe = fit_probe(vertices.astype(np.float32), case.labels, case.seed)
    distances = class_hull_distances(queries, vertices, case.labels, probe.classes)
    hits = nearest_hull_hits(distances, probe.classes, case.truth, level.features.tolerance)
    yield case.mean("nearest_hull_accuracy", np.where(known, hits, np.nan), level.condition)
    yield _boundary_ratio(level, queries, probe, case.seed)


def _boundary_ratio(level: _Level, queries: DoubleArray, probe: LinearProbe, seed: int) -> Score:
    """Median distance to the hull over the distance to the boundary; on a boundary there is no ratio."""
    scale, mean = probe.scaler.scale_, probe.scaler.mean_
    weights = probe.weights / scale  # for coordinates that are not standardised
    boundary = nearest_boundary(Regions(weights, probe.bias - weights @ mean), queries).distances
    apart = boundary > 0
    ratios = level.features.projection.distances[apart] / boundary[apart]
    if not len(ratios):
        why = "every image lies on a boundary"
        return unavailable("hull_boundary_ratio", why, higher_is_better=False, condition=level.condition)

    def middle(draw: IntArray) -> float:
        return float(np.median(ratios[draw]))

    value = middle(np.arange(len(ratios)))
    interval = bootstrap_statistic(middle, value, len(ratios), seed)
    return Score("hull_boundary_ratio", value, *interval, False, len(ratios), level.condition)


def _pure_share(evidence: Evidence) -> Score:
    probe = linear_probe(evidence)
    rows = spread_evenly(len(evidence.train.labels), 5000)
    rows = rows[evidence.train.labels[rows] != UNLABELED]
    right = probe.predict(evidence.train.upright[rows]) == evidence.train.labels[rows]
    score = mean_score("class_hulls_pure_share", right, seed=evidence.seed, higher_is_better=True)
    return replace(score, samples=None)  # training images: nothing to pair with the scores of test images


def _table(levels: list[_Level]) -> dict[str, Any]:
    clouds = {"features": [level.features for level in levels]}
    clouds |= {name: [level.controls[name] for level in levels] for name in CONTROLS}
    return {
        "dimensions": [level.dimension for level in levels],
        "distance": {name: [float(s.relative.mean()) for s in found] for name, found in clouds.items()},
        "inside": {name: [float(s.inside.mean()) for s in found] for name, found in clouds.items()},
    }
