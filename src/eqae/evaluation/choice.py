"""Which model a figure that needs no label would have picked, and what labels say of that pick."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

if TYPE_CHECKING:
    from eqae.evaluation.row import Row

CRITERIA = (
    "reconstruction_mse", "effective_rank", "kmeans_silhouette", "cluster_stability", "neighbour_consistency",
    "orbit_recall_at_1",
)  # fmt: skip
"""Figures by which a model can be chosen where nothing is labelled."""
CONDITIONS = {"orbit_recall_at_1": "any-angle"}
"""Under what such a figure is taken, if under anything: by its exact turns an equivariant network finds every image."""
TARGETS = ("linear_probe_accuracy", "knn_accuracy", "kmeans_acc")
"""Figures, by labels, of what the chosen model is worth."""
FEWEST = 3
"""Models below which choosing says nothing of the criterion."""

Column = Mapping[str, "Row"]


@dataclass(frozen=True)
class Choice:
    """What choosing by one criterion costs in terms of one target, among the models that have both figures.

    Attributes:
        criterion: a figure that needs no label.
        target: a figure by labels, of which more is better.
        picked: the model with the best value of the criterion; of equals, the one with the worst target, for a
            criterion that cannot tell them apart promises no more.
        value: the target of the picked model.
        best: the model with the best target.
        best_value: its target.
        regret: ``best_value`` less ``value``; 0 for the best choice.
        rank_correlation: Spearman's, of criterion and target over the models, each counted so that more is better: 1
            where they order the models alike; NaN where either is the same for all.
        models: how many there are.
    """

    criterion: str
    target: str
    picked: str
    value: float
    best: str
    best_value: float
    regret: float
    rank_correlation: float
    models: int


def choices_without_labels(rows: Sequence[Row]) -> list[Choice]:
    """One choice for each criterion and target that at least three models have.

    Args:
        rows: of trained models; those with another condition than :data:`CONDITIONS` has, or without a finite value,
            do not count, and of several for one model and metric the first does.
    """
    columns = {metric: _column(rows, metric) for metric in (*CRITERIA, *TARGETS)}
    pairs = ((criterion, target) for criterion in CRITERIA for target in TARGETS)
    return [choice for one, other in pairs for choice in _choice(columns[one], columns[other])]


def by_pick(choices: Iterable[Choice]) -> dict[tuple[str, str], dict[str, Choice]]:
    """Choices by target, under criterion and picked model: one line of a table each.

    A criterion has more than one line only where the models that have the figures differ between targets.
    """
    lines: dict[tuple[str, str], dict[str, Choice]] = {}
    for choice in choices:
        lines.setdefault((choice.criterion, choice.picked), {})[choice.target] = choice
    return lines


def _column(rows: Iterable[Row], metric: str) -> Column:
    """The row of each model, by label."""
    found: dict[str, Row] = {}
    for row in rows:
        if row.metric == metric and row.condition == CONDITIONS.get(metric, "") and np.isfinite(row.value):
            found.setdefault(row.model, row)
    return found


def _choice(criterion: Column, target: Column) -> list[Choice]:
    models = [model for model in criterion if model in target]
    if len(models) < FEWEST:
        return []
    picked = max(models, key=lambda model: (_merit(criterion[model]), -_merit(target[model])))
    best = max(models, key=lambda model: _merit(target[model]))
    value, best_value = target[picked].value, target[best].value
    correlation = _spearman([_merit(criterion[m]) for m in models], [_merit(target[m]) for m in models])
    place = (criterion[picked].metric, target[picked].metric, picked)
    return [Choice(*place, value, best, best_value, best_value - value, correlation, len(models))]


def _merit(row: Row) -> float:
    return row.value if row.higher_is_better else -row.value


def _spearman(a: Sequence[float], b: Sequence[float]) -> float:
    if min(len(set(a)), len(set(b))) < 2:
        return float("nan")
    return float(stats.spearmanr(a, b).statistic)
