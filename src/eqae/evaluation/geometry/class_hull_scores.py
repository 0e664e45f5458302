"""What hulls say of the classes: one hull a class, and a linear probe in the same coordinates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eqae.data.base import UNLABELED
from eqae.evaluation.bootstrap import bootstrap_statistic
from eqae.evaluation.evidence import Evidence, Findings, IntArray, NotAvailable, Score
from eqae.evaluation.geometry.boundary import nearest_boundary
from eqae.evaluation.geometry.class_distances import MOST_CLASSES, class_matrix, mean_class_distances
from eqae.evaluation.geometry.class_hulls import class_hull_distances, nearest_hull_hits, own_and_other
from eqae.evaluation.geometry.controls import gaussian_control
from eqae.evaluation.geometry.hull import project_on_hull
from eqae.evaluation.geometry.hull_case import HullCase, HullLevel
from eqae.evaluation.geometry.regions import Regions
from eqae.evaluation.linear_probe import LinearProbe, fit_probe, linear_probe
from eqae.evaluation.sampling import spread_evenly
from eqae.evaluation.scores import mean_score, unavailable

DoubleArray = NDArray[np.float64]

_PROBED = 5000  # training images in the share of pure hulls

_LOWER_IS_BETTER = {
    "nearest_hull_accuracy": False,
    "own_hull_distance": True,
    "own_hull_distance_gaussian": True,
    "other_hull_distance": False,
    "own_hull_inside_share": False,
    "hull_distance_correct": True,
    "hull_distance_wrong": True,
    "hull_boundary_ratio": True,
}


def labelled_findings(evidence: Evidence, case: HullCase, level: HullLevel) -> Findings:
    """All of :func:`eqae.evaluation.geometry.hull_evaluation.evaluate_hulls` that needs labels."""
    try:
        found = _class_findings(evidence, case, level)
    except NotAvailable as reason:
        found = Findings(tuple(
            unavailable(metric, str(reason), higher_is_better=not lower, condition=level.condition)
            for metric, lower in _LOWER_IS_BETTER.items()
        ))  # fmt: skip
    try:
        pure = _pure_share(evidence)
    except NotAvailable as reason:
        pure = unavailable("class_hulls_pure_share", str(reason))
    return Findings((*found.scores, pure), found.drawings)


def _class_findings(evidence: Evidence, case: HullCase, level: HullLevel) -> Findings:
    vertices, queries = level.cloud
    if not (case.truth != UNLABELED).any():
        raise NotAvailable("no labelled test images")
    probe = fit_probe(vertices.astype(np.float32), case.labels, case.seed)
    distances = class_hull_distances(queries, vertices, case.labels, probe.classes)
    scores = (
        *_hull_scores(case, level, distances, probe.classes), *_answer_scores(case, level, probe),
        _boundary_ratio(level, probe, case.seed),
    )  # fmt: skip
    return Findings(scores, _matrix(evidence, case, distances / level.own.scale, probe.classes))


def _matrix(evidence: Evidence, case: HullCase, distances: DoubleArray, classes: IntArray) -> dict[str, Any]:
    """Mean distance from the queries of each class (rows) to the hull of every class (columns)."""
    known = np.isin(case.truth, classes)
    if len(classes) > MOST_CLASSES or not known.any():
        return {}
    means = mean_class_distances(distances[known], np.searchsorted(classes, case.truth[known]))
    return {"hull_class_distances": class_matrix(evidence, classes, means)}


def _hull_scores(case: HullCase, level: HullLevel, distances: DoubleArray, classes: IntArray) -> Iterator[Score]:
    """``distances (Q, C)`` to the hulls of ``classes (C,)``; a query whose class has no hull has no own one."""
    known = case.truth != UNLABELED
    hits = nearest_hull_hits(distances, classes, case.truth, level.own.tolerance)
    yield case.mean("nearest_hull_accuracy", np.where(known, hits, np.nan), level.condition)
    own, other = own_and_other(distances, classes, case.truth)
    why = "no test image is of a class that was trained on"
    gaussian = _own_gaussian(case, level, classes)
    for metric, values in (("own_hull_distance", own), ("own_hull_distance_gaussian", gaussian)):
        relative = values / level.own.scale
        score = case.mean(metric, relative, level.condition, higher_is_better=False, why=why)
        yield score if values is own else replace(score, samples=None)  # a control's points are no images
    yield case.mean("other_hull_distance", other / level.own.scale, level.condition, why=why)
    inside = np.where(np.isfinite(own), own <= level.own.tolerance, np.nan)
    yield case.mean("own_hull_inside_share", inside, level.condition, why=why)


def _own_gaussian(case: HullCase, level: HullLevel, classes: IntArray) -> DoubleArray:
    """Distances to the hull of the own class if every class were a Gaussian of its size and covariance, ``(Q,)``."""
    (vertices, queries), rng = level.cloud, np.random.default_rng(case.seed)
    found = np.full(len(queries), np.nan)
    for label in classes[np.isin(classes, case.truth)]:
        members = case.truth == label
        hull, drawn = gaussian_control(vertices[case.labels == label], queries[members], rng)
        found[members] = project_on_hull(drawn, hull).distances
    return found


def _answer_scores(case: HullCase, level: HullLevel, probe: LinearProbe) -> Iterator[Score]:
    """Distance to the hull of all, of the images that the probe takes rightly and wrongly."""
    said, known = probe.predict(level.cloud[1].astype(np.float32)), case.truth != UNLABELED
    for ending, members, why in (
        ("correct", known & (said == case.truth), "no right answers"),
        ("wrong", known & (said != case.truth), "no mistakes"),
    ):
        values = np.where(members, level.own.relative, np.nan)
        why = f"{why} on the labelled test images"
        yield case.mean(f"hull_distance_{ending}", values, level.condition, higher_is_better=False, why=why)


def _boundary_ratio(level: HullLevel, probe: LinearProbe, seed: int) -> Score:
    """Median distance to the hull over the distance to the boundary; on a boundary there is no ratio."""
    scale, mean = probe.scaler.scale_, probe.scaler.mean_
    weights = probe.weights / scale  # for coordinates that are not standardised
    boundary = nearest_boundary(Regions(weights, probe.bias - weights @ mean), level.cloud[1]).distances
    apart = boundary > 0
    ratios = level.own.projection.distances[apart] / boundary[apart]
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
    rows = spread_evenly(len(evidence.train.labels), _PROBED)
    rows = rows[evidence.train.labels[rows] != UNLABELED]
    right = probe.predict(evidence.train.upright[rows]) == evidence.train.labels[rows]
    score = mean_score("class_hulls_pure_share", right, seed=evidence.seed, higher_is_better=True)
    return replace(score, samples=None)  # training images: nothing to pair with the scores of test images
