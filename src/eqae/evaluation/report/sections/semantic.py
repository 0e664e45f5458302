"""Similarity of feature maps position by position, and with their positions matched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eqae.evaluation.report.figures.similarity_matrices import similarity_matrices
from eqae.evaluation.report.markup import Markup, figure, join, tag
from eqae.evaluation.report.standings import Column, conditions
from eqae.evaluation.report.subject import Subject
from eqae.evaluation.report.table import model_label, score_table

_HOW_TO_READ = (
    "Two feature maps can be compared position by position (spatial) or after their positions are matched one to one "
    "as they agree best (semantic): then it matters what is shown, not where. Recall says how often the most similar "
    "image is of the same class: high is good, and semantic above spatial says that the layer knows things by what "
    "they are but stores them by where they lie. The correlation is that of semantic similarity with how differently "
    "images are classified; the closer to -1 the better. CKA is the likeness of the two similarity matrices: at 1, "
    "matching changes nothing. Intervals of recall take queries against a fixed gallery."
)
_CONTROLS = (
    "Matching forgives much: an image and its own positions in random order have semantic "
    "similarity 1 (matched) where matching is exact, and their spatial one (scrambled) says how much is forgiven place "
    "by place. The gap is the cosine that matching adds between different images; where scrambling costs nothing, "
    "there is nothing to add. An eigenvalue far below 0 says that the matched matrix is no kernel. For the deepest "
    "layer, recall with other kernels, from the same matching, and of tokens that know their orientation: a class "
    "that only one kernel finds lies in the length of the tokens, not in what they show."
)
_CAPTION = (
    "Cosine similarity of {} test images sorted by class, deepest layer: position by position, and matched. Classes "
    "that a layer tells apart are dark squares on the diagonal. The two matrices of a model share one scale."
)
_BY_LAYER = (
    ("semantic_retrieval_recall_at_1", "semantic"),
    ("spatial_retrieval_recall_at_1", "spatial"),
    ("semantic_divergence_correlation", "correlation"),
    ("semantic_spatial_cka", "CKA"),
)
_CONTROLS_BY_LAYER = (
    ("spatial_scrambled_cosine", "scrambled"),
    ("semantic_scrambled_cosine", "matched"),
    ("semantic_spatial_gap", "gap"),
    ("semantic_optimality", "optimality"),
    ("semantic_min_eigenvalue", "eigenvalue"),
)
_CONTRASTS = (
    ("semantic_inner_recall_at_1", "inner, semantic"),
    ("spatial_inner_recall_at_1", "inner, spatial"),
    ("semantic_rbf_recall_at_1", "RBF, semantic"),
    ("spatial_rbf_recall_at_1", "RBF, spatial"),
    ("semantic_position_recall_at_1", "oriented"),
)


def semantic_section(subject: Subject) -> Markup:
    """Recall, correlation and alignment by layer, both matrices of each model, and what puts them to the test."""
    table, matrices = _table(subject, _BY_LAYER), _matrices(subject)
    controls = join(_table(subject, _CONTROLS_BY_LAYER), _table(subject, _CONTRASTS))
    if not any((table, matrices, controls)):
        return Markup()
    tested = join(tag("h3", "Controls and contrasts"), tag("p", _CONTROLS), controls) if controls else Markup()
    return join(tag("p", _HOW_TO_READ), table, matrices, tested)


def _table(subject: Subject, figures: Sequence[tuple[str, str]]) -> Markup:
    layers = conditions(subject.results, "semantic_retrieval_recall_at_1")
    columns = [Column(metric, layer, group=layer, title=title) for layer in layers for metric, title in figures]
    return score_table(subject, columns)


def _matrices(subject: Subject) -> Markup:
    drawings = subject.drawings("semantic_matrices")
    if not drawings:
        return Markup()
    panels = [_panel(subject, model, drawing) for model, drawing in drawings.items()]
    images = max(len(drawing["labels"]) for drawing in drawings.values())
    return figure(tag("div", *panels, class_="panels wide"), _CAPTION.format(images))


def _panel(subject: Subject, model: str, drawing: Mapping[str, Any]) -> Markup:
    both = {"Spatial": _matrix(drawing, "spatial"), "Semantic": _matrix(drawing, "semantic")}
    low, high = _scale(list(both.values()))
    classes = [str(name) for name in drawing["classes"]]
    alt = f"Spatial and semantic similarity matrices of {model}, images sorted by class."
    picture = similarity_matrices(both, list(drawing["labels"]), classes, (low, high), alt)
    note = tag("small", f"{drawing['layer']}; white {low:.2f} or less, darkest {high:.2f} or more")
    return tag("div", model_label(subject, model), picture, note, class_="panel")


def _matrix(drawing: Mapping[str, Any], kind: str) -> NDArray[np.floating]:
    return np.asarray(drawing[kind], dtype=np.float64)


def _scale(matrices: list[NDArray[np.floating]]) -> tuple[float, float]:
    """Least and largest similarity of different images, lone extremes left out."""
    others = np.concatenate([matrix[~np.eye(len(matrix), dtype=bool)] for matrix in matrices])
    low, high = (float(bound) for bound in np.quantile(others, [0.01, 0.995])) if len(others) else (0.0, 1.0)
    return low, max(high, low + 1e-3)
