"""Whether the classes can be found without labels, and what is found."""

from __future__ import annotations

import warnings
from typing import Annotated

import numpy as np
from annotated_types import Ge
from sklearn.cluster import KMeans, SpectralClustering
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import silhouette_samples
from sklearn.mixture import GaussianMixture

from eqae.data.base import UNLABELED
from eqae.evaluation.bootstrap import bootstrap_agreement, bootstrap_mean
from eqae.evaluation.cluster_metrics import BY_IMAGE, METRICS, contingency
from eqae.evaluation.clusters import Clusters, describe_clusters, number_of_clusters
from eqae.evaluation.declaration import evaluator
from eqae.evaluation.evidence import Evidence, Findings, FloatArray, IntArray, NotAvailable, Score
from eqae.evaluation.preprocessing import Compression, fit_compression
from eqae.evaluation.sampling import spread_evenly
from eqae.evaluation.scores import unavailable

DIMENSIONS = 32
SILHOUETTE_IMAGES = 2_000
SPECTRAL_IMAGES = 4_000
"""Whose neighbourhood graph is cut: its eigenvectors take seconds."""
SPECTRAL_NEIGHBOURS = 20
LOWEST_ARI = -0.5
"""Of any two clusterings (Chacón & Rastrojo 2023)."""


@evaluator(cost=lambda scale: 5 + 3e-7 * scale.train * (scale.width + 10 * max(scale.classes, 10)))
def evaluate_clustering(evidence: Evidence, *, clusters: Annotated[int, Ge(2)] | None = None) -> Findings:
    """k-means (10 starts), a Gaussian mixture (full covariance, 3 starts) and spectral clusters.

    Training features are standardised and, where wider, compressed to 32 principal components. Spectral clustering (von
    Luxburg 2007: normalised cut of the graph of 20 nearest neighbours) is of at most 4,000 images, spread evenly.
    ``kmeans_*``, ``gmm_*`` and ``spectral_*`` (ACC, NMI, ARI, purity) compare clusters with the labels of those images
    that have one;
    ``kmeans_silhouette``, in the same coordinates and on at most 2,000 images, needs none. The drawing ``"clusters"``
    (:class:`eqae.evaluation.clusters.Clusters`) has the k-means cluster of every image, test images included, which
    join the nearest centre.

    Args:
        evidence: of one model.
        clusters: their number; None takes as many as there are classes, and where nothing is labelled ten, or one for
            every ten training images where there are fewer than a hundred.
    """
    labels = evidence.train.labels
    coordinates, compression = fit_compression(evidence.train.upright, DIMENSIONS, evidence.seed)
    if len(coordinates) < 2:
        raise NotAvailable("a single training image")
    wanted = clusters or number_of_clusters(len(np.unique(labels[labels != UNLABELED])), len(coordinates))
    count = min(wanted, len(coordinates))
    with warnings.catch_warnings():
        # Duplicated images may leave fewer points than clusters; the metrics show it.
        warnings.simplefilter("ignore", ConvergenceWarning)
        kmeans = KMeans(count, n_init=10, random_state=evidence.seed).fit(coordinates)
        gmm = GaussianMixture(count, n_init=3, reg_covar=1e-3, random_state=evidence.seed).fit_predict(coordinates)
    chosen = spread_evenly(len(coordinates), SPECTRAL_IMAGES)
    spectral = _spectral(coordinates[chosen], count, evidence.seed)
    scores = (
        *_agreement("kmeans", kmeans.labels_, labels, evidence.seed),
        *_agreement("gmm", gmm, labels, evidence.seed),
        *_agreement("spectral", spectral, labels[chosen], evidence.seed),
        _silhouette(coordinates, kmeans.labels_, evidence.seed),
    )
    return Findings(scores, {"clusters": _of_all(evidence, kmeans, coordinates, compression)})


def _spectral(coordinates: FloatArray, count: int, seed: int) -> IntArray:
    """Cluster of each image ``(N, d)``; with hardly more images than clusters, each is one of its own."""
    neighbours = min(SPECTRAL_NEIGHBOURS, len(coordinates) - 1)
    if count >= len(coordinates) - 1:
        return np.arange(len(coordinates)) % count
    cut = SpectralClustering(
        count, affinity="nearest_neighbors", n_neighbors=neighbours, assign_labels="cluster_qr", random_state=seed
    )
    with warnings.catch_warnings():
        # A graph that falls apart by itself is cut where it does; as many images as dimensions look like affinities.
        warnings.filterwarnings("ignore", message="Graph is not fully connected")
        warnings.filterwarnings("ignore", message="The spectral clustering API has changed")
        return np.asarray(cut.fit_predict(coordinates), np.int64)


def _of_all(evidence: Evidence, kmeans: KMeans, train: FloatArray, compression: Compression) -> Clusters:
    test = compression.apply(evidence.test.upright)
    return describe_clusters(
        np.concatenate([train, test]),
        kmeans.cluster_centers_,
        np.concatenate([kmeans.labels_, kmeans.predict(test)]),
        np.concatenate([evidence.train.labels, evidence.test.labels]),
        evidence.class_names,
    )


def _agreement(clusterer: str, clusters: IntArray, labels: IntArray, seed: int) -> list[Score]:
    known = labels != UNLABELED
    classes = len(np.unique(labels[known]))
    if classes < 2:
        why = "a single class" if classes else "no training image has a label"
        return [unavailable(f"{clusterer}_{name}", why, n=int(known.sum())) for name in METRICS]
    clusters, labels = clusters[known].astype(np.int64), labels[known]
    table = contingency(clusters, labels)
    scores = []
    for name, metric in METRICS.items():
        low, high = bootstrap_agreement(metric, table, seed, lowest=LOWEST_ARI if name == "ari" else 0.0)
        samples = np.asarray(BY_IMAGE[name](clusters, labels), np.float64) if name in BY_IMAGE else None
        scores.append(Score(f"{clusterer}_{name}", float(metric(table)), low, high, True, len(labels), samples=samples))
    return scores


def _silhouette(coordinates: FloatArray, clusters: IntArray, seed: int) -> Score:
    """Mean silhouette (Rousseeuw 1987); NaN where all images are in one cluster or each is alone."""
    chosen = spread_evenly(len(clusters), SILHOUETTE_IMAGES)
    found = len(np.unique(clusters[chosen]))
    if not 2 <= found < len(chosen):
        return unavailable("kmeans_silhouette", "a single cluster, or one image in each", n=len(chosen))
    values = silhouette_samples(coordinates[chosen], clusters[chosen])
    low, high = bootstrap_mean(values, seed)
    return Score("kmeans_silhouette", float(values.mean(dtype=np.float64)), low, high, True, len(chosen))
