"""Whether classifiers that see only the features tell the classes apart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import numpy as np
from annotated_types import Ge
from numpy.typing import NDArray
from sklearn.preprocessing import StandardScaler

from eqae.data.base import UNLABELED
from eqae.evaluation.bootstrap import bootstrap_mean
from eqae.evaluation.evidence import Evidence, Features, Findings, FloatArray, IntArray, Score
from eqae.evaluation.few_labels import few_label_score
from eqae.evaluation.label_metrics import accuracy, confusion
from eqae.evaluation.preprocessing import fit_scaler
from eqae.evaluation.probes import Probe, fit_knn, fit_linear_probe, fit_mlp_probe

PROBES = {"mlp_probe_accuracy": fit_mlp_probe, "knn_accuracy": fit_knn}


def evaluate_classification(
    evidence: Evidence, *, labels_per_class: tuple[Annotated[int, Ge(1)], ...] = (1, 10, 100)
) -> Findings:
    """Accuracies of a linear probe, a small MLP and nearest neighbours on the test images.

    All are fitted on the training features, standardised there. The linear probe is fitted on upright images once,
    and judged on upright test images and, under each condition of ``evidence.turned``, on turned ones, which it never
    saw. Images without a label are left out; nothing is scored where fewer than two classes remain.

    Drawing ``"confusion"``: ``matrix`` (rows: true classes) and ``classes`` of the linear probe.

    Args:
        evidence: of one model.
        labels_per_class: each adds ``linear_probe_accuracy_<n>``, fitted on n labelled images a class.
    """
    scaler = fit_scaler(evidence.train.upright)
    train, test = _labelled(evidence.train, scaler), _labelled(evidence.test, scaler)
    if len(np.unique(train[1])) < 2 or not len(test[1]):
        return Findings(())
    linear = fit_linear_probe(*train, evidence.seed)
    predicted = linear.predict(test[0])
    scores = [_score("linear_probe_accuracy", predicted, test[1], evidence.seed)]
    for metric, fit in PROBES.items():
        scores.append(_score(metric, fit(*train, evidence.seed).predict(test[0]), test[1], evidence.seed))
    few = (few_label_score(train, test, count, evidence.seed) for count in labels_per_class)
    scores += [score for score in few if score is not None]
    scores += _turned_scores(evidence, scaler, linear)
    classes = evidence.class_names or tuple(map(str, range(int(max(train[1].max(), test[1].max())) + 1)))
    matrix = confusion(predicted, test[1], len(classes))
    return Findings(tuple(scores), {"confusion": {"matrix": matrix, "classes": list(classes)}})


def _labelled(features: Features, scaler: StandardScaler) -> tuple[FloatArray, IntArray]:
    known = features.labels != UNLABELED
    values = scaler.transform(features.upright[known]) if known.any() else features.upright[:0]
    return np.asarray(values, np.float32), features.labels[known]


def _turned_scores(evidence: Evidence, scaler: StandardScaler, probe: Probe) -> Iterator[Score]:
    """The upright probe on turned images: right answers over images and transforms other than the identity."""
    for condition, features in evidence.turned.items():
        known = features.labels != UNLABELED
        if not known.any():
            continue
        labels = features.labels[known]
        columns = (features.values[known, o] for o in range(1, features.values.shape[1]))
        right = np.stack([probe.predict(scaler.transform(values)) == labels for values in columns], axis=1)
        yield _mean_score("linear_probe_accuracy", right.mean(axis=1), evidence.seed, condition)


def _score(metric: str, predicted: IntArray, labels: IntArray, seed: int) -> Score:
    low, high = bootstrap_mean(predicted == labels, seed)
    return Score(metric, accuracy(predicted, labels), low, high, True, len(labels))


def _mean_score(metric: str, images: NDArray[np.float64], seed: int, condition: str) -> Score:
    low, high = bootstrap_mean(images, seed)
    return Score(metric, float(images.mean()), low, high, True, len(images), condition)
