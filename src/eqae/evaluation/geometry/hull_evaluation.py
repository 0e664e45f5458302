"""How far test images lie from the convex hull of the training images, next to clouds without structure."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge
from numpy.typing import NDArray

from eqae.data.base import UNLABELED
from eqae.evaluation.bootstrap import bootstrap_statistic
from eqae.evaluation.declaration import Scale, evaluator
from eqae.evaluation.evidence import Evidence, Findings, IntArray, NotAvailable, Score
from eqae.evaluation.geometry.class_hull_scores import labelled_findings
from eqae.evaluation.geometry.controls import CONTROLS, Cloud, gaussian_control
from eqae.evaluation.geometry.hull import HullProjection
from eqae.evaluation.geometry.hull_case import HullCase, HullLevel, principal_cloud
from eqae.evaluation.geometry.pixel_twin import pixel_cloud
from eqae.evaluation.scores import unavailable

DoubleArray = NDArray[np.float64]

_PIXELS = "pixels, "
_PIXEL_DIMENSIONS = 32  # highest that pixels are projected in


def _seconds(scale: Scale) -> float:
    """Projections grow with the product of vertices and queries; the map with the number of features and of pixels."""
    return 5 + 5e-6 * min(scale.train, 5000) * scale.width / 10 + 0.1 * scale.classes


@evaluator(needs={"pixels"}, cost=_seconds)
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
    ``hull_certified_outside_share``, images that a hyperplane is known to separate from the hull, and
    ``hull_undecided_share``, those that are neither: the three shares add up to one;
    ``hull_control_ratio``, the distance over that of the Gaussian; ``hull_inside_excess``, the share less that of the
    Gaussian; ``hull_active_vertices``, the number of training images behind the projection of an image outside;
    ``hull_label_purity``, the weight that those of the image's own class have in it.

    Under ``"pixels, 16-d"``, ...: ``hull_control_ratio`` and ``hull_inside_share`` of the images themselves, flattened
    (averaged down to 4,096 values first) and treated as features are, at up to two of the dimensions, none above 32.

    At one dimension: ``nearest_hull_accuracy``, the class whose hull is nearest; ``own_hull_distance`` and
    ``other_hull_distance``, to the hull of the own class and to the nearest of another, in the unit of
    ``hull_distance``; ``own_hull_distance_gaussian``, the same as the first where each class is a Gaussian of its size
    and covariance; ``own_hull_inside_share``; ``hull_distance_correct`` and ``hull_distance_wrong``, by the answers of
    a linear probe fitted in the same coordinates; ``hull_boundary_ratio``, the median over images of the distance to
    the hull over the distance to the boundary of that probe: below 1, the projection keeps the class.
    ``class_hulls_pure_share`` is the share of training images in the region of their own class: a region is convex, so
    the hull of all images in it lies in it. Definitions other than of the projection are our own formulation.

    Drawings: ``"hull_table"``, mean distance and share inside by dimension, of features and controls;
    ``"hull_class_distances"``, for 2 to 20 classes, the mean distance from test images of each class (rows) to the hull
    of every class (columns), in the unit of ``hull_distance``.

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
    case = HullCase.of(evidence, train_images, test_images)
    train, test = evidence.train.upright[case.train_rows], evidence.test.upright[case.test_rows]
    cloud = principal_cloud(train, test, max(dimensions), case.seed)
    width = cloud[0].shape[1]
    if width == 0:
        raise NotAvailable("the training features do not differ")
    chosen = sorted({d for d in dimensions if d <= width}) or [width]
    return _by_dimension(evidence, case, cloud, chosen, class_dimension)


def _by_dimension(evidence: Evidence, case: HullCase, cloud: Cloud, chosen: list[int], most: int) -> Findings:
    """What each of the ``chosen`` dimensions says; labelled figures are of the largest one up to ``most``."""
    rng = np.random.default_rng(case.seed)
    levels = [HullLevel.of(cloud, dimension, CONTROLS, rng) for dimension in chosen]
    at_class = max((level for level in levels if level.dimension <= most), default=levels[0], key=_dimension)
    labelled = labelled_findings(evidence, case, at_class)
    scores = (
        *(score for level in levels for score in _level_scores(case, level)),
        *labelled.scores, *_pixel_scores(evidence, case, chosen),
    )  # fmt: skip
    return Findings(scores, {"hull_table": _table(levels), **labelled.drawings})


def _dimension(level: HullLevel) -> int:
    return level.dimension


def _level_scores(case: HullCase, level: HullLevel) -> Iterator[Score]:
    own, condition = level.own, level.condition
    yield case.mean("hull_distance", own.relative, condition, higher_is_better=False)
    yield case.mean("hull_inside_share", own.inside, condition)
    yield case.mean("hull_certified_outside_share", own.outside, condition, higher_is_better=False)
    yield case.mean("hull_undecided_share", own.undecided, condition, higher_is_better=False)
    for name, control in level.controls.items():  # no samples: their points are no images
        distance = case.mean(f"hull_distance_{name}", control.relative, condition, higher_is_better=False)
        yield replace(distance, samples=None)
        yield replace(case.mean(f"hull_inside_share_{name}", control.inside, condition), samples=None)
    yield _control_ratio(case, level)
    yield _inside_excess(case, level)
    yield from _behind(case, level)


def _pixel_scores(evidence: Evidence, case: HullCase, dimensions: list[int]) -> Iterator[Score]:
    chosen = [dimension for dimension in dimensions if dimension <= _PIXEL_DIMENSIONS][-2:]
    cloud = pixel_cloud(evidence, case, max(chosen)) if chosen else None
    rng = np.random.default_rng(case.seed)
    for dimension in chosen:
        condition = f"{_PIXELS}{dimension}-d"
        if cloud is None or cloud[0].shape[1] < dimension:
            why = "the images are not at hand" if cloud is None else "the images span fewer dimensions"
            yield unavailable("hull_inside_share", why, condition=condition)
            yield unavailable("hull_control_ratio", why, higher_is_better=False, condition=condition)
        else:
            level = HullLevel.of(cloud, dimension, {"gaussian": gaussian_control}, rng, _PIXELS)
            yield case.mean("hull_inside_share", level.own.inside, condition)
            yield _control_ratio(case, level)


def _behind(case: HullCase, level: HullLevel) -> Iterator[Score]:
    """What projections are combinations of; points inside are combinations in many ways, and are left out."""
    own, condition = level.own, level.condition
    known = ~own.inside & (case.truth != UNLABELED)
    if own.inside.all():
        yield unavailable("hull_active_vertices", "every image lies inside", condition=condition)
    else:
        yield case.mean("hull_active_vertices", np.where(own.inside, np.nan, own.projection.active), condition)
    if known.any() and (case.labels != UNLABELED).any():
        yield case.mean("hull_label_purity", np.where(known, _own_weight(case, own.projection), np.nan), condition)
    else:
        yield unavailable("hull_label_purity", "no labelled images outside", condition=condition)


def _control_ratio(case: HullCase, level: HullLevel) -> Score:
    """Mean distance over that of the Gaussian; the interval resamples the points of both."""
    own, control, count = level.own.relative, level.controls["gaussian"].relative, len(case.truth)

    def ratio(draw: IntArray) -> float:
        below = float(control[draw].mean())
        return float(own[draw].mean()) / below if below > 0 else float("nan")

    value = ratio(np.arange(count))
    if math.isnan(value):
        why = "the control lies inside its hull"
        return unavailable("hull_control_ratio", why, higher_is_better=False, n=count, condition=level.condition)
    interval = bootstrap_statistic(ratio, value, count, case.seed)
    return Score("hull_control_ratio", value, *interval, False, count, level.condition)


def _inside_excess(case: HullCase, level: HullLevel) -> Score:
    """Share inside less that of the Gaussian; the interval resamples the points of both."""
    own, control, count = level.own.inside, level.controls["gaussian"].inside, len(case.truth)

    def excess(draw: IntArray) -> float:
        return float(own[draw].mean() - control[draw].mean())

    value = excess(np.arange(count))
    interval = bootstrap_statistic(excess, value, count, case.seed)
    return Score("hull_inside_excess", value, *interval, True, count, level.condition)


def _own_weight(case: HullCase, projection: HullProjection) -> DoubleArray:
    """Weight of the vertices that share the query's label, ``(Q,)``."""
    own = case.labels[projection.index] == case.truth[:, None]
    weight: DoubleArray = (projection.weights * own).sum(axis=1)
    return np.minimum(weight, 1.0)


def _table(levels: list[HullLevel]) -> dict[str, Any]:
    clouds = {"features": [level.own for level in levels]}
    clouds |= {name: [level.controls[name] for level in levels] for name in CONTROLS}
    return {
        "dimensions": [level.dimension for level in levels],
        "distance": {name: [float(s.relative.mean()) for s in found] for name, found in clouds.items()},
        "inside": {name: [float(s.inside.mean()) for s in found] for name, found in clouds.items()},
    }
