"""What features say of themselves: whether their clusters come back, and whether neighbours share them."""

from __future__ import annotations

import warnings
from typing import Annotated

import numpy as np
from annotated_types import Ge
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.neighbors import NearestNeighbors

from eqae.data.base import UNLABELED
from eqae.evaluation.bootstrap import draw_interval
from eqae.evaluation.cluster_metrics import adjusted_rand_index, contingency
from eqae.evaluation.clustering import DIMENSIONS
from eqae.evaluation.clusters import number_of_clusters
from eqae.evaluation.declaration import Scale, evaluator
from eqae.evaluation.evidence import Evidence, Findings, FloatArray, IntArray, NotAvailable, Score
from eqae.evaluation.preprocessing import are_constant, fit_compression
from eqae.evaluation.sampling import spread_evenly
from eqae.evaluation.scores import mean_score, unavailable

IMAGES = 5_000
PAIRS = 5
SHARE = 0.8
NEIGHBOURS = 10
_DECIMALS = 4
"""Coordinates, of standardised features, that agree to so many digits are of one image twice."""


def _seconds(scale: Scale) -> float:
    """Eleven times k-means with ten starts, and the compression."""
    return 0.5 + min(scale.train, IMAGES) * (2e-5 * max(scale.classes, 10) + 5e-8 * scale.width)


@evaluator(cost=_seconds)
def evaluate_label_free(evidence: Evidence, *, clusters: Annotated[int, Ge(2)] | None = None) -> Findings:
    """Two figures of k-means clusters (10 starts) that ask for no label.

    Of at most 5,000 training images, spread evenly; their features are standardised and, where wider, compressed to
    32 principal components.

    ``cluster_stability``: adjusted Rand index of the clusters of two random subsamples of 80 % of the images, all
    images then joining the nearest centre (Ben-Hur, Elisseeff & Guyon 2002; von Luxburg 2010); mean of 5 pairs. Its
    interval is Student's t over the pairs, which share images: it speaks of the subsampling, not of other images.
    ``neighbour_consistency``: share of the 10 nearest neighbours of an image, itself excluded, that lie in its own
    cluster; mean over images (k-nearest-neighbour consistency of Ding & He 2004, counted by neighbour).

    Args:
        evidence: of one model.
        clusters: their number; None takes as many as there are classes, as :mod:`eqae.evaluation.clustering` does.
            Nothing else here looks at a label.

    Raises:
        NotAvailable: the features are constant, or a subsample would have no more different images than clusters.
    """
    coordinates = _coordinates(evidence)
    labels = evidence.train.labels
    count = clusters or number_of_clusters(len(np.unique(labels[labels != UNLABELED])), len(labels))
    if count < 2:
        raise NotAvailable("a single cluster, for a single class")
    different = len(np.unique(coordinates.round(_DECIMALS), axis=0))
    if int(SHARE * different) <= count:
        raise NotAvailable(f"{different} different training images are too few for {count} clusters")
    stability = _stability(coordinates, count, evidence.seed)
    return Findings((stability, _consistency(coordinates, count, evidence.seed)))


def _coordinates(evidence: Evidence) -> FloatArray:
    train = evidence.train.upright
    if len(train) < 2:
        raise NotAvailable("a single training image")
    coordinates, compression = fit_compression(train[spread_evenly(len(train), IMAGES)], DIMENSIONS, evidence.seed)
    if are_constant(compression.scaler).all():
        raise NotAvailable("the features are constant")
    return coordinates


def _stability(coordinates: FloatArray, count: int, seed: int) -> Score:
    rng = np.random.default_rng(seed)
    pairs = [[_clusters_of_part(coordinates, count, rng) for _ in range(2)] for _ in range(PAIRS)]
    agreement = np.array([adjusted_rand_index(contingency(one, other)) for one, other in pairs])
    low, high = draw_interval(agreement, least=-1.0)
    return Score("cluster_stability", float(agreement.mean()), low, high, True, len(coordinates))


def _clusters_of_part(coordinates: FloatArray, count: int, rng: np.random.Generator) -> IntArray:
    """Cluster of each image ``(N,)``, by centres that were found on 80 % of them."""
    part = rng.choice(len(coordinates), int(SHARE * len(coordinates)), replace=False)
    found = _kmeans(coordinates[part], count, int(rng.integers(2**31)))
    return np.asarray(found.predict(coordinates), np.int64)


def _consistency(coordinates: FloatArray, count: int, seed: int) -> Score:
    if len(coordinates) <= NEIGHBOURS:
        return unavailable("neighbour_consistency", f"no image has {NEIGHBOURS} neighbours", n=len(coordinates))
    clusters = _kmeans(coordinates, count, seed).labels_
    nearest = NearestNeighbors(n_neighbors=NEIGHBOURS).fit(coordinates).kneighbors(return_distance=False)
    shares = (clusters[nearest] == clusters[:, None]).mean(axis=1)
    return mean_score("neighbour_consistency", shares, seed=seed, higher_is_better=True)


def _kmeans(coordinates: FloatArray, count: int, seed: int) -> KMeans:
    with warnings.catch_warnings():
        # Repeated images may leave a subsample fewer points than clusters; the agreement shows it.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return KMeans(count, n_init=10, random_state=seed).fit(coordinates)
