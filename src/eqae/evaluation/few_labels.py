"""What a linear probe learns from a handful of labelled images a class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from eqae.evaluation.bootstrap import draw_interval
from eqae.evaluation.evidence import FloatArray, IntArray, Score
from eqae.evaluation.label_metrics import accuracy
from eqae.evaluation.probes import fit_linear_probe
from eqae.evaluation.scores import unavailable

DRAWS = 5
DRAWS_OF_ONE = 20  # single images differ more than handfuls do


def few_label_score(
    train: tuple[FloatArray, IntArray],
    test: tuple[FloatArray, IntArray],
    per_class: int,
    seed: int,
    names: Sequence[str] = (),
) -> Score:
    """``linear_probe_accuracy_<per_class>``: the mean over seeded draws of ``per_class`` training images a class.

    Args:
        train, test: standardised features ``(N, D)`` and labels ``(N,)``.
        per_class: labelled images of each class.
        seed: of the draws, which are the same for every model.
        names: of the classes, by label, for the reason.

    Returns:
        The score, its interval over the draws; without a value where a class has fewer training images.
    """
    features, labels = train
    metric = f"linear_probe_accuracy_{per_class}"
    classes, counts = np.unique(labels, return_counts=True)
    if counts.min() < per_class:
        label, few = int(classes[counts.argmin()]), int(counts.min())
        name = names[label] if label < len(names) else str(label)
        return unavailable(metric, f"class {name} has {few} training image{'s' if few > 1 else ''}")
    draws = DRAWS_OF_ONE if per_class == 1 else DRAWS
    accuracies = np.empty(draws)
    for draw in range(draws):
        chosen = draw_per_class(labels, per_class, np.random.default_rng([seed, per_class, draw]))
        probe = fit_linear_probe(features[chosen], labels[chosen], seed)
        accuracies[draw] = accuracy(probe.predict(test[0]), test[1])
    low, high = draw_interval(accuracies)
    return Score(metric, float(accuracies.mean()), low, high, True, len(test[1]))


def draw_per_class(labels: IntArray, per_class: int, rng: np.random.Generator) -> IntArray:
    """Indices of ``per_class`` images of every class in ``labels (N,)``, without repetition."""
    members = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    return np.concatenate([rng.choice(indices, per_class, replace=False) for indices in members])
