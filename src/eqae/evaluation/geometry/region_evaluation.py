"""How a linear probe parts the space of features, and where the images lie in its parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge
from numpy.typing import NDArray
from scipy.special import entr, softmax
from scipy.stats import rankdata
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors

from eqae.data.base import UNLABELED
from eqae.evaluation.bootstrap import bootstrap_agreement, bootstrap_statistic
from eqae.evaluation.cluster_metrics import contingency, purity
from eqae.evaluation.declaration import Scale, evaluator
from eqae.evaluation.evidence import Evidence, Findings, FloatArray, IntArray, NotAvailable, Score
from eqae.evaluation.geometry.boundary import boundary_points, bounded_distances, nearest_boundary
from eqae.evaluation.geometry.class_distances import MOST_CLASSES, class_matrix, mean_class_distances, region_distances
from eqae.evaluation.geometry.pictures import boundary_film, morph_film, open_gallery
from eqae.evaluation.geometry.region_extent import extent_scores
from eqae.evaluation.geometry.regions import Regions, probe_regions
from eqae.evaluation.geometry.scales import median_distance
from eqae.evaluation.linear_probe import LinearProbe, linear_probe
from eqae.evaluation.sampling import spread_evenly
from eqae.evaluation.scores import mean_score, unavailable

DoubleArray = NDArray[np.float64]

_BLOCK = 1024  # images whose features are held in double precision
_TRAIN, _TEST = 5000, 500  # images in comparisons of training with test images
_PAIRS = 200
_BINS = 30
_BELOW = 1e-6  # coordinates that are less than this below their bound are on it
_NONNEGATIVE = {
    "boundary_distance_nonnegative": True,
    "boundary_unreachable_share": True,
    "boundary_negative_share": False,
}
"""Scores of features that cannot be negative, and whether higher is better."""


def _seconds(scale: Scale) -> float:
    """The probe, distances, and linear programmes; the gallery's probe costs about as much as the first."""
    pairs = min(_PAIRS, scale.classes * (scale.classes - 1) // 2)
    return 2 + 4e-8 * scale.train * scale.width * max(scale.classes, 2) / 2 + 0.03 * (pairs + scale.classes)


@evaluator(needs={"code", "pixels"}, cost=_seconds)
def evaluate_regions(
    evidence: Evidence, *, pictures: Annotated[int, Ge(0)] = 6, frames: Annotated[int, Ge(2)] = 9
) -> Findings:
    """The partition of the standardised features by the linear probe, after Yousefzadeh (2022).

    A region ``{h : z_c(h) >= z_k(h)}`` is a convex polyhedron, and the distance of h to its boundary is exactly
    ``min_k (z_c - z_k) / |w_c - w_k|``: the ball of that radius is guaranteed to keep its class. Distances are given
    over the median distance between test images. Measures other than that distance are our own formulation.

    Over test images: ``boundary_distance``, also of the rightly and the wrongly classified apart (``_correct``,
    ``_wrong``); ``boundary_auc``, the probability that a mistake lies nearer to the boundary than
    a right answer; ``margin_entropy_correlation``, Spearman's between distance and entropy of the probe's answer;
    ``region_purity``, share of images in the largest class of their region; ``guaranteed_neighbour_share``, of 500
    images, how many have their nearest of 5,000 training images within their guaranteed ball.

    Where no feature is ever negative, of 500 images: ``boundary_distance_nonnegative``, the median distance to boundary
    points without negative features, images that cannot reach one counted as furthest; ``boundary_unreachable_share``,
    how many those are; ``boundary_negative_share``, how many have a nearest boundary point with negative features.

    Over classes, inside the box around the training images in their first 64 principal components:
    ``region_ball_radius``, mean radius of the largest ball in a region; ``region_volume_evenness``, the exponential of
    the entropy of the regions' shares of the box, over the number of classes: 1 where all are as large;
    ``region_adjacent_share``, share of up to 200 pairs of regions that have a facet in common. There, n counts classes
    or pairs, and intervals resample classes (those of the evenness: the 20,000 points that volumes are counted by). In
    more dimensions than 64 the regions are those that the flat of these components cuts out.

    Drawings: ``"boundary_distances"``, histograms; ``"class_distances"``, for 2 to 20 classes, the mean exact distance
    from the rightly classified of up to 500 images of each class (rows) to the region of every other (columns), NaN
    where there is none; ``"boundary_film"`` and ``"morph_film"`` of
    :mod:`eqae.evaluation.geometry.pictures`, for a model with a decoder.

    Args:
        evidence: of one model.
        pictures: images in the film at the boundary.
        frames: steps of the way between two images.

    Raises:
        NotAvailable: fewer than two classes, or features that do not differ.
    """
    case = _Case.of(evidence)
    scores = (
        *_distance_scores(case), *_nonnegative_scores(evidence, case), *_prediction_scores(case), _purity(case),
        _neighbour_share(evidence, case), *extent_scores(evidence, case.probe, case.regions, case.scale),
    )  # fmt: skip
    drawings = _histograms(case) | _class_distances(evidence, case) | _films(evidence, pictures, frames)
    return Findings(scores, drawings)


@dataclass(frozen=True, eq=False)
class _Case:
    """The probe's regions and, for every test image, its label, region, distance over ``scale``, and entropy."""

    probe: LinearProbe
    regions: Regions
    scale: float
    labels: IntArray
    said: IntArray
    distances: DoubleArray  # NaN where the region has no boundary
    entropy: DoubleArray
    seed: int

    @classmethod
    def of(cls, evidence: Evidence) -> _Case:
        probe, test = linear_probe(evidence), evidence.test.upright
        regions = probe_regions(probe)
        scale = median_distance(probe.standardize(test[spread_evenly(len(test), _TEST)]))
        if np.isnan(scale):
            raise NotAvailable("the features of the test images do not differ")
        said, distances, entropy = [], [], []
        for start in range(0, len(test), _BLOCK):
            points = probe.standardize(test[start : start + _BLOCK]).astype(np.float64)
            boundary = nearest_boundary(regions, points)
            said.append(probe.classes[boundary.region])
            distances.append(np.where(np.isfinite(boundary.distances), boundary.distances / scale, np.nan))
            entropy.append(entr(softmax(regions.logits(points), axis=1)).sum(axis=1))
        arrays = np.concatenate(said), np.concatenate(distances), np.concatenate(entropy)
        return cls(probe, regions, scale, evidence.test.labels, *arrays, evidence.seed)

    @property
    def known(self) -> NDArray[np.bool_]:
        return self.labels != UNLABELED

    @property
    def wrong(self) -> NDArray[np.bool_]:
        return self.known & (self.said != self.labels)

    @property
    def right(self) -> NDArray[np.bool_]:
        return self.said == self.labels


def _distance_scores(case: _Case) -> Iterator[Score]:
    groups = {"": np.ones(len(case.labels), bool), "_correct": case.right, "_wrong": case.wrong}
    why = {"": "no boundary", "_correct": "no right answers", "_wrong": "no mistakes"}
    for ending, members in groups.items():
        metric, samples = f"boundary_distance{ending}", np.where(members, case.distances, np.nan)
        if np.isfinite(samples).any():
            yield mean_score(metric, samples, seed=case.seed, higher_is_better=True)
        else:
            yield unavailable(metric, f"{why[ending]} on the labelled test images" if ending else why[ending])


def _nonnegative_scores(evidence: Evidence, case: _Case) -> Iterator[Score]:
    """Only where features cannot be negative, as far as the images tell."""
    rows = spread_evenly(len(case.labels), _TEST)
    values = evidence.test.upright[rows]
    if min(_lowest(evidence.train.upright), _lowest(values)) < 0:
        for metric, higher in _NONNEGATIVE.items():
            yield unavailable(metric, "features can be negative", higher_is_better=higher)
        return
    points = case.probe.standardize(values).astype(np.float64)
    low = case.probe.standardize(np.zeros((1, values.shape[1]), np.float32))[0].astype(np.float64)
    found = bounded_distances(case.regions, points, low) / case.scale
    yield _median_distance(found, case.seed)
    boundary = nearest_boundary(case.regions, points)
    nearest = boundary_points(case.regions, points, boundary)
    below = (nearest < low - _BELOW * np.maximum(np.abs(low), 1.0)).any(axis=1)
    negative = np.where(np.isfinite(boundary.distances), below, np.nan)
    for metric, held in (("boundary_unreachable_share", np.isinf(found)), ("boundary_negative_share", negative)):
        samples = np.full(len(case.labels), np.nan)
        samples[rows] = held
        higher = _NONNEGATIVE[metric]
        yield mean_score(metric, samples, seed=case.seed, higher_is_better=higher, why="no boundary")


def _median_distance(distances: DoubleArray, seed: int) -> Score:
    """The median of distances that may be infinite; resamples whose median is infinite have no part in the interval."""

    def middle(draw: IntArray) -> float:
        return float(np.median(distances[draw]))

    value = middle(np.arange(len(distances)))
    if not np.isfinite(value):
        return unavailable("boundary_distance_nonnegative", "most images cannot reach a boundary", n=len(distances))
    return _bootstrapped("boundary_distance_nonnegative", middle, len(distances), seed)


def _lowest(values: FloatArray) -> float:
    return float(values.min()) if values.size else 0.0


def _prediction_scores(case: _Case) -> Iterator[Score]:
    usable = np.isfinite(case.distances)
    judged = usable & case.known
    near, wrong = -case.distances[judged], case.wrong[judged]
    if wrong.all() or not wrong.any():
        yield unavailable("boundary_auc", "mistakes and right answers are needed", n=len(wrong))
    else:
        yield _bootstrapped("boundary_auc", lambda draw: _auc(near[draw], wrong[draw]), len(wrong), case.seed)
    distance, entropy = case.distances[usable], case.entropy[usable]
    if min(len(np.unique(distance)), len(np.unique(entropy))) < 2:
        yield unavailable("margin_entropy_correlation", "distance or entropy is constant", n=len(distance))
    else:
        yield _bootstrapped(
            "margin_entropy_correlation",
            lambda draw: _spearman(distance[draw], entropy[draw]),
            len(distance),
            case.seed,
        )


def _purity(case: _Case) -> Score:
    known = case.known
    if not known.any():
        return unavailable("region_purity", "no labelled test images")
    _, truth = np.unique(case.labels[known], return_inverse=True)
    _, said = np.unique(case.said[known], return_inverse=True)
    table = contingency(said, truth)
    low, high = bootstrap_agreement(purity, table, case.seed)
    return Score("region_purity", float(purity(table)), low, high, True, len(truth))


def _neighbour_share(evidence: Evidence, case: _Case) -> Score:
    rows = spread_evenly(len(case.labels), _TEST)
    train = evidence.train.upright[spread_evenly(len(evidence.train.labels), _TRAIN)]
    known = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(case.probe.standardize(train))
    nearest = known.kneighbors(case.probe.standardize(evidence.test.upright[rows]))[0][:, 0] / case.scale
    samples = np.full(len(case.labels), np.nan)
    radius = np.nan_to_num(case.distances[rows], nan=np.inf)
    samples[rows] = nearest <= radius
    return mean_score("guaranteed_neighbour_share", samples, seed=case.seed, higher_is_better=True)


def _bootstrapped(metric: str, statistic: Callable[[IntArray], float], images: int, seed: int) -> Score:
    value = statistic(np.arange(images))
    return Score(metric, value, *bootstrap_statistic(statistic, value, images, seed), True, images)


def _auc(score: DoubleArray, positive: NDArray[np.bool_]) -> float:
    """Area under the ROC curve; NaN where a resample lacks one kind."""
    return float("nan") if positive.all() or not positive.any() else float(roc_auc_score(positive, score))


def _spearman(a: DoubleArray, b: DoubleArray) -> float:
    ranks = rankdata(a) - (len(a) + 1) / 2, rankdata(b) - (len(b) + 1) / 2
    below = float(np.linalg.norm(ranks[0]) * np.linalg.norm(ranks[1]))
    return float(ranks[0] @ ranks[1]) / below if below > 0 else float("nan")


def _histograms(case: _Case) -> dict[str, Any]:
    """Shares of right and of wrong answers by distance; the last bin holds all that lies beyond."""
    known = np.isfinite(case.distances)
    if not known.any():
        return {}
    top = float(np.quantile(case.distances[known], 0.99)) or 1.0
    edges = np.linspace(0, top, _BINS + 1)
    counts = {
        name: np.histogram(np.minimum(case.distances[known & members], top), edges)[0].tolist()
        for name, members in (("correct", case.right), ("wrong", case.wrong))
    }
    return {"boundary_distances": {"edges": edges.tolist(), **counts}}


def _class_distances(evidence: Evidence, case: _Case) -> dict[str, Any]:
    right, classes = np.flatnonzero(case.right), case.probe.classes
    if len(classes) > MOST_CLASSES or not len(right):
        return {}
    rows = right[spread_evenly(len(right), _TEST)]
    points = case.probe.standardize(evidence.test.upright[rows]).astype(np.float64)
    distances = region_distances(case.regions, points) / case.scale
    means = mean_class_distances(distances, np.searchsorted(classes, case.said[rows]))
    np.fill_diagonal(means, np.nan)  # the own region: no distance, and no part of the colour scale
    return {"class_distances": class_matrix(evidence, classes, means)}


def _films(evidence: Evidence, pictures: int, frames: int) -> dict[str, Any]:
    gallery = open_gallery(evidence) if pictures else None
    if gallery is None:
        return {}
    morph = morph_film(gallery, frames)
    return {"boundary_film": boundary_film(gallery, pictures)} | ({"morph_film": morph} if morph else {})
