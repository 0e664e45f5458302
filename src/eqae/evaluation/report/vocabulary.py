"""How metrics and conditions are called where people read them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["percent", "error", "score"]

UNTRAINED = " (untrained)"
"""What the label of a model ends with where the figures belong to its initial weights."""


@dataclass(frozen=True)
class Metric:
    """The wording of one metric: a title of at most two short words, how numbers are written, and one sentence."""

    title: str
    kind: Kind
    note: str

    @property
    def unit(self) -> str:
        """What stands in the heading beside the direction; empty for plain numbers."""
        return "%" if self.kind == "percent" else ""


FEW_LABELS = re.compile(r"linear_probe_accuracy_(\d+)")
"""Names of linear probes that saw so many labels a class."""

_METRICS = {
    "linear_probe_accuracy": Metric("Linear probe", "percent", "Logistic regression on the frozen features."),
    "mlp_probe_accuracy": Metric("MLP probe", "percent", "One hidden layer on the frozen features."),
    "knn_accuracy": Metric("kNN", "percent", "Nearest neighbours among the training features."),
    "kmeans_acc": Metric("k-means", "percent", "Accuracy of k-means clusters under the best one-to-one matching."),
    "kmeans_purity": Metric("purity", "percent", "Share of images in the largest class of their cluster."),
    "kmeans_nmi": Metric("NMI", "score", "Normalised mutual information, arithmetic mean; 1 is perfect."),
    "kmeans_ari": Metric("ARI", "score", "Adjusted Rand index; 0 is chance, 1 is perfect."),
    "kmeans_silhouette": Metric("silhouette", "score", "Silhouette of the clusters; needs no labels."),
    "gmm_acc": Metric("GMM", "percent", "Accuracy of Gaussian-mixture clusters under the best one-to-one matching."),
    "gmm_purity": Metric("purity", "percent", "Share of images in the largest class of their component."),
    "gmm_nmi": Metric("NMI", "score", "Normalised mutual information, arithmetic mean; 1 is perfect."),
    "gmm_ari": Metric("ARI", "score", "Adjusted Rand index; 0 is chance, 1 is perfect."),
    "gmm_silhouette": Metric("silhouette", "score", "Silhouette of the components; needs no labels."),
    "relative_invariance_error": Metric("Invariance error", "error", "Mean of |f(gx) − f(x)| / |f(x)|."),
    "relative_interpolation_floor": Metric("floor", "error", "The same error when images are turned there and back."),
    "invariance_ratio": Metric("ratio", "error", "Movement under the turn over the mean distance between images."),
    "orbit_recall_at_1": Metric("Orbit recall", "percent", "Nearest neighbour is a turned copy of the same image."),
    "reconstruction_mse": Metric("Reconstr. MSE", "error", "Mean squared pixel error of the reconstruction."),
}  # fmt: skip

_CONDITIONS = {"30deg": "30° steps", "any-angle": "any angle"}


def metric_wording(name: str) -> Metric:
    """The wording of the metric called ``name``; a plain one, by the ending of its name, where it is not known."""
    if name in _METRICS:
        return _METRICS[name]
    if few := FEW_LABELS.fullmatch(name):
        count = few[1]
        title = f"{count} label{'s' if count != '1' else ''}"
        return Metric(title, "percent", f"Linear probe fitted on {count} labelled images a class.")
    last = name.rsplit("_", 1)[-1]
    kind: Kind = "score"
    if last in ("accuracy", "acc", "purity", "recall"):
        kind = "percent"
    elif last in ("error", "mse", "floor", "ratio"):
        kind = "error"
    return Metric(name.replace("_", " "), kind, name)


def condition_wording(condition: str) -> str:
    """``"30° steps"`` for ``"30deg"``; a condition that is not known stands for itself."""
    return _CONDITIONS.get(condition, condition)
