"""Whether classifiers that see only the features tell the classes apart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import numpy as np
from annotated_types import Ge
from sklearn.preprocessing import StandardScaler

from eqae.data.base import UNLABELED
from eqae.evaluation.declaration import Scale, evaluator
from eqae.evaluation.evidence import Evidence, Features, Findings, FloatArray, IntArray, NotAvailable, Score
from eqae.evaluation.few_labels import few_label_score
from eqae.evaluation.label_metrics import confusion
from eqae.evaluation.linear_probe import LinearProbe, linear_probe
from eqae.evaluation.mlp_probe import AXES, EPOCHS, HIDDEN, LEAST_STEPS, fit_mlp_probe
from eqae.evaluation.probes import fit_knn
from eqae.evaluation.scores import mean_score

PROBES = {"mlp_probe_accuracy": fit_mlp_probe, "knn_accuracy": fit_knn}


def _seconds(scale: Scale) -> float:
    """400 steps of the linear probe, the MLP's whitening and steps, and all distances, at 4e10 operations/s."""
    train, side, axes = scale.train * scale.width, min(scale.train, scale.width), min(scale.width, AXES)
    passes = 2.8 * (EPOCHS * scale.train + 256 * LEAST_STEPS)  # twice nine tenths, then all
    mlp = 6 * passes * HIDDEN * (axes + scale.classes) + 2 * train * side + 10 * side**3
    return 5e-4 * scale.train + (train * (1600 * scale.classes + 2 * scale.test) + mlp) / 4e10


@evaluator(needs={"orbits", "logits"}, cost=_seconds)
def evaluate_classification(
    evidence: Evidence, *, labels_per_class: tuple[Annotated[int, Ge(1)], ...] = (1, 10, 100)
) -> Findings:
    """Accuracies of a linear probe, a small MLP and nearest neighbours on the test images, and of the model's own
    classifier, where it has one for the classes of the dataset.

    All are fitted on the training features, standardised there. The linear probe is fitted on upright images once,
    and judged on upright test images and, under each condition of ``evidence.turned``, on turned ones, which it never
    saw. Images without a label are left out; nothing is scored where fewer than two classes remain.

    Drawing ``"confusion"``: ``matrix`` (rows: true classes) and ``classes`` of the linear probe.

    Args:
        evidence: of one model.
        labels_per_class: each adds ``linear_probe_accuracy_<n>``, fitted on n labelled images a class.
    """
    linear = linear_probe(evidence)
    train, test = _labelled(evidence.train, linear.scaler), _labelled(evidence.test, linear.scaler)
    if not len(test[1]):
        raise NotAvailable("no test image has a label")
    predicted = linear.predict(evidence.test.upright[evidence.test.labels != UNLABELED])
    scores = [_score("linear_probe_accuracy", predicted, test[1], evidence.seed)]
    scores.append(_balanced(predicted, test[1], evidence.seed))
    for metric, fit in PROBES.items():
        scores.append(_score(metric, fit(*train, evidence.seed).predict(test[0]), test[1], evidence.seed))
    names = evidence.class_names
    scores += [few_label_score(train, test, count, evidence.seed, names) for count in labels_per_class]
    scores += _turned_scores(evidence, linear)
    scores += _own_classifier(evidence)
    classes = evidence.class_names or tuple(map(str, range(int(max(train[1].max(), test[1].max())) + 1)))
    matrix = confusion(predicted, test[1], len(classes))
    return Findings(tuple(scores), {"confusion": {"matrix": matrix, "classes": list(classes)}})


def _labelled(features: Features, scaler: StandardScaler) -> tuple[FloatArray, IntArray]:
    known = features.labels != UNLABELED
    values = scaler.transform(features.upright[known]) if known.any() else features.upright[:0]
    return np.asarray(values, np.float32), features.labels[known]


def _turned_scores(evidence: Evidence, probe: LinearProbe) -> Iterator[Score]:
    """The upright probe on turned images: right answers over images and transforms other than the identity."""
    for condition, features in evidence.turned.items():
        known = features.labels != UNLABELED
        if not known.any():
            continue
        labels = features.labels[known]
        columns = (features.values[known, o] for o in range(1, features.values.shape[1]))
        right = np.stack([probe.predict(values) == labels for values in columns], axis=1).mean(axis=1)
        yield mean_score("linear_probe_accuracy", right, seed=evidence.seed, higher_is_better=True, condition=condition)


def _own_classifier(evidence: Evidence) -> Iterator[Score]:
    """What the classifier that was trained with the model says of the test images."""
    known = evidence.test.labels != UNLABELED
    if evidence.logits is not None and evidence.logits.shape[1] == len(evidence.class_names):
        said = evidence.logits[known].argmax(axis=1)
        yield _score("classifier_accuracy", said, evidence.test.labels[known], evidence.seed)


def _balanced(predicted: IntArray, labels: IntArray, seed: int) -> Score:
    """Mean over classes of the share of right answers, as a mean over images that count more the rarer their class."""
    _, places, counts = np.unique(labels, return_inverse=True, return_counts=True)
    shares = (predicted == labels) * (len(labels) / len(counts) / counts)[places]
    return mean_score("linear_probe_balanced_accuracy", shares, seed=seed, higher_is_better=True)


def _score(metric: str, predicted: IntArray, labels: IntArray, seed: int) -> Score:
    return mean_score(metric, predicted == labels, seed=seed, higher_is_better=True)
