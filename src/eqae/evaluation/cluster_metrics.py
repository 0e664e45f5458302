"""How well clusters agree with classes; all are 1 for a perfect clustering, whatever the clusters are called.

torchmetrics counts in sparse tensors; torch warns about these unless told whether to check them.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from torch.sparse import check_sparse_tensor_invariants
from torchmetrics.functional.clustering import adjusted_rand_score, normalized_mutual_info_score

from eqae.evaluation.evidence import IntArray


def contingency(clusters: IntArray, labels: IntArray) -> IntArray:
    """Number of images by cluster and class, ``(clusters, classes)``, from two arrays ``(N,)`` of indices."""
    shape = int(clusters.max()) + 1, int(labels.max()) + 1
    cells = np.ravel_multi_index((clusters, labels), shape)
    return np.bincount(cells, minlength=shape[0] * shape[1]).reshape(shape)


def clustering_accuracy(clusters: IntArray, labels: IntArray) -> float:
    """ACC: share of images in the class of their cluster under the best one-to-one matching (Xie et al. 2016, eq. 10).

    A cluster without a class of its own, and a class without a cluster, count as wrong.
    """
    return float(matched(clusters, labels).mean())


def matched(clusters: IntArray, labels: IntArray) -> NDArray[np.bool_]:
    """Which images are in the class of their cluster under the best one-to-one matching, ``(N,)``."""
    table = contingency(clusters, labels)
    class_of = np.full(len(table), -1)
    rows, columns = linear_sum_assignment(table, maximize=True)
    class_of[rows] = columns
    return np.asarray(class_of[clusters] == labels)


def in_largest_class(clusters: IntArray, labels: IntArray) -> NDArray[np.bool_]:
    """Which images are in the largest class of their cluster, ``(N,)``."""
    return np.asarray(contingency(clusters, labels).argmax(axis=1)[clusters] == labels)


def purity(clusters: IntArray, labels: IntArray) -> float:
    """Share of images in the largest class of their cluster; never below :func:`clustering_accuracy`."""
    return float(in_largest_class(clusters, labels).mean())


def normalised_mutual_information(clusters: IntArray, labels: IntArray) -> float:
    """NMI: mutual information over the arithmetic mean of the two entropies."""
    with check_sparse_tensor_invariants():
        return float(normalized_mutual_info_score(torch.from_numpy(clusters), torch.from_numpy(labels)))


def adjusted_rand_index(clusters: IntArray, labels: IntArray) -> float:
    """ARI: agreement over pairs of images, 0 for chance (Hubert & Arabie 1985)."""
    with check_sparse_tensor_invariants():
        return float(adjusted_rand_score(torch.from_numpy(clusters), torch.from_numpy(labels)))


METRICS = {
    "acc": clustering_accuracy,
    "nmi": normalised_mutual_information,
    "ari": adjusted_rand_index,
    "purity": purity,
}
BY_IMAGE = {"acc": matched, "purity": in_largest_class}
"""What the metrics that are means over images say of each."""
