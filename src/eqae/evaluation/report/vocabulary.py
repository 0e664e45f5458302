"""How metrics and conditions are called where people read them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["percent", "error", "score", "count"]


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
    "linear_probe_balanced_accuracy": Metric("balanced", "percent", "Linear probe: mean over classes of the recall."),
    "classifier_accuracy": Metric("classifier", "percent", "The model's own classifier, which saw all labels."),
    "mlp_probe_accuracy": Metric("MLP probe", "percent", "One hidden layer on the frozen features."),
    "knn_accuracy": Metric("kNN", "percent", "Nearest neighbours among the training features."),
    "kmeans_acc": Metric("k-means", "percent", "Accuracy of k-means clusters under the best one-to-one matching."),
    "kmeans_purity": Metric("purity", "percent", "Share of images in the largest class of their cluster."),
    "kmeans_nmi": Metric("NMI", "score", "Normalised mutual information, arithmetic mean; 1 is perfect."),
    "kmeans_ari": Metric("ARI", "score", "Adjusted Rand index; 0 is chance, 1 is perfect."),
    "kmeans_silhouette": Metric("silhouette", "score", "Silhouette of the clusters; needs no labels."),
    "cluster_stability": Metric("cluster stability", "score", "ARI of k-means on parts of the images; no labels."),
    "neighbour_consistency": Metric("neighbour consistency", "percent", "Nearest neighbours that share the cluster."),
    "gmm_acc": Metric("GMM", "percent", "Accuracy of Gaussian-mixture clusters under the best one-to-one matching."),
    "gmm_purity": Metric("purity", "percent", "Share of images in the largest class of their component."),
    "gmm_nmi": Metric("NMI", "score", "Normalised mutual information, arithmetic mean; 1 is perfect."),
    "gmm_ari": Metric("ARI", "score", "Adjusted Rand index; 0 is chance, 1 is perfect."),
    "spectral_acc": Metric("spectral", "percent", "Accuracy of spectral clusters under the best one-to-one matching."),
    "spectral_purity": Metric("purity", "percent", "Share of images in the largest class of their spectral cluster."),
    "spectral_nmi": Metric("NMI", "score", "Normalised mutual information, arithmetic mean; 1 is perfect."),
    "spectral_ari": Metric("ARI", "score", "Adjusted Rand index; 0 is chance, 1 is perfect."),
    "gmm_silhouette": Metric("silhouette", "score", "Silhouette of the components; needs no labels."),
    "relative_invariance_error": Metric("Invariance error", "error", "Mean of |f(gx) − f(x)| / |f(x)|."),
    "relative_interpolation_floor": Metric("floor", "error", "The same error when images are turned there and back."),
    "invariance_ratio": Metric("ratio", "error", "Movement under the turn over the mean distance between images."),
    "orbit_recall_at_1": Metric("Orbit recall", "percent", "Nearest neighbour is a turned copy of the same image."),
    "shift_global_cosine": Metric("Shift cosine", "score", "Mean cosine of the features at all places to an anchor's."),
    "shift_worst_cosine": Metric("worst", "score", "Lowest cosine to any anchor over all places of the frame."),
    "shift_interior_cosine": Metric("interior", "score", "Mean cosine to the centre, away from the frame's edge."),
    "shift_local_cosine": Metric("neighbours", "score", "Mean cosine of features a few pixels apart."),
    "shift_cosine_floor": Metric("floor", "score", "Mean cosine of different objects at the same place."),
    "shift_invariance_ratio": Metric("ratio", "error", "Cosine distance by shift over that of different objects."),
    "shift_stride_artefact": Metric("artefact", "percent", "Share of the cosine's ripple that repeats with a stride."),
    "shift_decodability": Metric("AUC", "score", "A linear probe reads the half of the frame; 0.5 is chance."),
    "shift_position_r2": Metric("Position, R²", "score", "Share of the position that ridge regression explains."),
    "shift_prediction_consistency": Metric("Same decision", "percent", "Two placements get the same label."),
    "shift_prediction_floor": Metric("different objects", "percent", "Control: different objects get the same label."),
    "orbit_cosine": Metric("Orbit cosine", "score", "Mean cosine of the features of an image and its turned copies."),
    "orbit_cosine_floor": Metric("floor", "score", "Mean cosine of the features of different images."),
    "boundary_distance": Metric("Boundary", "score", "Distance to the decision boundary over the median distance."),
    "boundary_distance_correct": Metric("right", "score", "Distance to the decision boundary, right answers."),
    "boundary_distance_wrong": Metric("wrong", "score", "Distance to the decision boundary, wrong answers."),
    "boundary_distance_nonnegative": Metric("reachable", "score", "Median distance to boundary without negatives."),
    "boundary_unreachable_share": Metric("unreachable", "percent", "Images whose class only negative features change."),
    "boundary_negative_share": Metric("negative", "percent", "Images whose nearest boundary point has negatives."),
    "boundary_auc": Metric("AUC", "score", "A small distance to the boundary finds mistakes; 0.5 is chance."),
    "margin_entropy_correlation": Metric("Entropy", "score", "Spearman of boundary distance and the probe's entropy."),
    "region_purity": Metric("Purity", "percent", "Share of images in the largest class of their decision region."),
    "guaranteed_neighbour_share": Metric("Guaranteed", "percent", "Nearest training image within the boundary."),
    "region_ball_radius": Metric("ball", "score", "Mean radius of the largest ball in a region, relative."),
    "region_volume_evenness": Metric("evenness", "score", "Effective over true number of regions, by volume."),
    "region_adjacent_share": Metric("adjacent", "percent", "Share of pairs of regions that have a facet in common."),
    "hull_distance": Metric("Hull", "score", "Distance to the hull of the training images over the median distance."),
    "hull_distance_gaussian": Metric("Gaussian", "score", "The same for a Gaussian of the same covariance."),
    "hull_distance_permuted": Metric("permuted", "score", "The same with every coordinate shuffled by itself."),
    "hull_inside_share": Metric("Inside", "percent", "Share of test images in the hull of the training images."),
    "hull_inside_share_gaussian": Metric("control", "percent", "The same for a Gaussian of the same covariance."),
    "hull_inside_share_permuted": Metric("permuted", "percent", "The same with every coordinate shuffled by itself."),
    "hull_certified_outside_share": Metric("outside", "percent", "Test images that a hyperplane parts from the hull."),
    "hull_undecided_share": Metric("undecided", "percent", "Test images neither inside nor proved to be outside."),
    "hull_inside_excess": Metric("Excess", "score", "Share inside the hull less that of the Gaussian control."),
    "hull_control_ratio": Metric("ratio", "score", "Distance to the hull over that of the Gaussian control."),
    "hull_active_vertices": Metric("Vertices", "count", "Training images behind the projection of a test image."),
    "hull_label_purity": Metric("Label purity", "percent", "Weight of the own class in the projection on the hull."),
    "hull_distance_correct": Metric("right", "score", "Distance to the hull of all, images rightly classified."),
    "hull_distance_wrong": Metric("wrong", "score", "Distance to the hull of all, images wrongly classified."),
    "own_hull_distance": Metric("own", "score", "Distance to the hull of the own class over the median distance."),
    "own_hull_distance_gaussian": Metric("control", "score", "The same if each class were a Gaussian."),
    "other_hull_distance": Metric("other", "score", "Distance to the nearest hull of another class, relative."),
    "own_hull_inside_share": Metric("inside own", "percent", "Share of test images in the hull of their own class."),
    "nearest_hull_accuracy": Metric("Nearest hull", "percent", "The class whose hull of training images is nearest."),
    "hull_boundary_ratio": Metric("Hull/boundary", "score", "Distance to the hull over that to the boundary, median."),
    "class_hulls_pure_share": Metric("Pure hulls", "percent", "Training images in the region of their own class."),
    "orbit_map": Metric("Orbit mAP", "percent", "Mean average precision: an image asks for its own turned copies."),
    "orbit_auc": Metric("Orbit AUC", "percent", "ROC-AUC of distances within orbits against those between orbits."),
    "orbit_separation_ratio": Metric("separation", "score", "Distance to own turned copies over nearest other image."),
    "copy_detection_map": Metric("muAP", "percent", "Average precision of all pairs of query and original, pooled."),
    "copy_detection_recall_at_p90": Metric("R@P90", "percent", "Copies found at a precision of 90 %, one threshold."),
    "class_map": Metric("Class mAP", "percent", "Mean average precision; relevant are images of the same class."),
    "class_recall_at_1": Metric("recall@1", "percent", "The nearest test image is of the same class."),
    "class_recall_at_5": Metric("recall@5", "percent", "One of the five nearest test images is of the same class."),
    "effective_rank": Metric("effective rank", "count", "Exponential of the entropy of the covariance's eigenvalues."),
    "participation_ratio": Metric("participation", "count", "(sum λ)² / sum λ² of the covariance's eigenvalues."),
    "components_for_90": Metric("for 90 %", "count", "Principal components that explain 90 % of the variance."),
    "components_for_95": Metric("for 95 %", "count", "Principal components that explain 95 % of the variance."),
    "components_for_99": Metric("for 99 %", "count", "Principal components that explain 99 % of the variance."),
    "icc_agreement": Metric("agreement", "score", "ICC(2,1) over transforms, mean of the features."),
    "icc_consistency": Metric("consistency", "score", "ICC(3,1) over transforms, mean of the features."),
    "stable_feature_share": Metric("stable", "percent", "Share of features with an agreement above 0.9."),
    "stable_feature_accuracy": Metric("accuracy", "percent", "Linear probe, 2,000 images, on the features named."),
    "constant_feature_ratio": Metric("constant", "percent", "Share of features that do not vary at all."),
    "distance_correlation_squared": Metric("dCor²", "score", "Bias-corrected squared distance correlation."),
    "distance_correlation_p_value": Metric("p", "score", "Of independence, by permutation of the turns."),
    "subgroup_spread": Metric("spread", "score", "Standard deviation of the accuracy on a class over subgroups."),
    "subgroup_excess_spread": Metric("excess", "score", "The spread less that of shuffled turns."),
    "worst_subgroup_accuracy": Metric("worst", "percent", "Accuracy of the linear probe on the worst subgroup."),
    "uniformity": Metric("uniformity", "score", "log mean exp(−2 |z − z′|²) over pairs of images, unit length."),
    "tolerance": Metric("tolerance", "score", "Mean cosine over all pairs, 0 for pairs of different classes."),
    "within_class_cosine": Metric("class cosine", "score", "Mean cosine of pairs of one class."),
    "within_orbit_cosine": Metric("orbit cosine", "score", "Mean cosine of an image and its turned copies."),
    "operating_point_inconsistency": Metric("inconsistency", "score", "OPIS-like variance of utility over classes."),
    "operating_point_utility": Metric("utility", "score", "Harmonic mean of pairs found and pairs told apart."),
    "intrinsic_dimension_mle": Metric("dimension", "count", "Maximum likelihood from 20 neighbours."),
    "intrinsic_dimension_twonn": Metric("dimension", "count", "From the ratio of the first two neighbour distances."),
    "relative_label_sharpness": Metric("sharpness", "score", "Mean distance over the shortest between classes."),
    "novelty_auroc": Metric("AUROC", "percent", "One class known as a Gaussian, all others novel; mean over classes."),
    "nc1_variability": Metric("NC1 spread", "score", "Spread within classes over spread of the class means."),
    "nc2_length_spread": Metric("NC2 lengths", "score", "Standard deviation over mean of the class means' lengths."),
    "nc2_angle_error": Metric("NC2 angles", "score", "Mean deviation of class means' cosines from a simplex."),
    "nc3_duality_error": Metric("NC3 duality", "score", "Distance of the probe's weights from the class means."),
    "nc4_disagreement": Metric("NC4", "percent", "Test images where nearest class mean and probe disagree."),
    "expected_calibration_error": Metric("ECE", "percent", "Gap of confidence and accuracy, 15 bins."),
    "brier_score": Metric("Brier", "score", "Squared error of the probabilities, summed over classes; 0 to 2."),
    "negative_log_likelihood": Metric("NLL", "score", "Negative log-likelihood of the true class, in nats."),
    "temperature": Metric("temperature", "score", "Divides the logits; above 1 the probe was too sure."),
    "attention_entropy": Metric("entropy", "score", "Of the attention over the rows of V, in nats; 0 is certainty."),
    "attention_peak_share": Metric("decided", "percent", "Images whose largest attention weight is above 0.9."),
    "pose_consistency": Metric("Pose", "percent", "The pose seen by the attention turns exactly as the image does."),
    "reconstruction_mse": Metric("Reconstr. MSE", "error", "Mean squared pixel error of the reconstruction."),
    "semantic_retrieval_recall_at_1": Metric("Matched recall", "percent", "Nearest matched map is of the same class."),
    "semantic_retrieval_recall_at_5": Metric("Matched recall 5", "percent", "One of the five nearest: same class."),
    "semantic_retrieval_map": Metric("Matched mAP", "score", "Mean average precision of the class, positions matched."),
    "spatial_retrieval_recall_at_1": Metric("Spatial recall", "percent", "Nearest map, place by place: same class."),
    "spatial_retrieval_recall_at_5": Metric("Spatial recall 5", "percent", "One of the five nearest: same class."),
    "spatial_retrieval_map": Metric("Spatial mAP", "score", "Mean average precision of the class, place by place."),
    "semantic_inner_recall_at_1": Metric("Inner product", "percent", "Matched recall by inner product, not cosine."),
    "semantic_rbf_recall_at_1": Metric("RBF", "percent", "Matched recall by the Gaussian kernel, not cosine."),
    "spatial_inner_recall_at_1": Metric("Inner, spatial", "percent", "Spatial recall by inner product, not cosine."),
    "spatial_rbf_recall_at_1": Metric("RBF, spatial", "percent", "Spatial recall by the Gaussian kernel, not cosine."),
    "semantic_position_recall_at_1": Metric("Oriented", "percent", "Matched recall of tokens with their orientation."),
    "semantic_divergence_correlation": Metric("Correlation", "score", "Pearson, matched similarity and divergence."),
    "semantic_divergence_rank_correlation": Metric("Rank corr.", "score", "Spearman, matched similarity, divergence."),
    "spatial_divergence_correlation": Metric("Correlation", "score", "Pearson, spatial similarity and divergence."),
    "spatial_divergence_rank_correlation": Metric("Rank corr.", "score", "Spearman, spatial similarity, divergence."),
    "semantic_spatial_cka": Metric("CKA", "score", "Alignment of matched and spatial similarities; 1 is the same."),
    "semantic_spatial_gap": Metric("Gap", "score", "Mean cosine that matching adds between different images."),
    "semantic_min_eigenvalue": Metric("Eigenvalue", "score", "Least of the matched matrix; below 0: not a kernel."),
    "spatial_scrambled_cosine": Metric("Scrambled", "score", "Control: cosine to its own positions in random order."),
    "semantic_scrambled_cosine": Metric("Scrambled", "score", "Control: matched; 1 where matching is exact."),
    "semantic_optimality": Metric("Optimality", "score", "Share of the optimum that the fast matching attains."),
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
