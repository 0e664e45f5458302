"""Classifiers that are fitted on frozen features. Their settings are the same for every model and every dataset."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Protocol

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from eqae.evaluation.evidence import FloatArray, IntArray


class Probe(Protocol):
    """A fitted classifier."""

    def predict(self, features: FloatArray, /) -> IntArray:
        """Standardised features ``(N, D)`` to class indices ``(N,)``."""
        ...


FitProbe = Callable[[FloatArray, IntArray, int], Probe]


def fit_linear_probe(features: FloatArray, labels: IntArray, seed: int) -> LogisticRegression:
    """Multinomial logistic regression, C = 1, at most 400 L-BFGS steps; the seed is not used.

    With fewer images than features the penalised optimum lies in the span of the images (representer theorem), so it
    is looked for there: the same probe, in a problem of N instead of D dimensions.
    """
    classifier = LogisticRegression(C=1.0, max_iter=400)
    if len(features) >= features.shape[1]:
        return _fit(classifier, features, labels)
    _, _, span = np.linalg.svd(features, full_matrices=False)
    _fit(classifier, features @ span.T, labels)
    classifier.coef_ = classifier.coef_ @ span
    classifier.n_features_in_ = features.shape[1]
    return classifier


def fit_knn(features: FloatArray, labels: IntArray, seed: int) -> Probe:
    """The 20 nearest training images (all, where there are fewer) vote with the inverse of their distance."""
    return _fit(KNeighborsClassifier(min(20, len(labels)), weights="distance"), features, labels)


def _fit(classifier: LogisticRegression, features: FloatArray, labels: IntArray) -> Probe:
    with warnings.catch_warnings():
        # Reaching the fixed number of steps is the recipe, not a mishap.
        warnings.simplefilter("ignore", ConvergenceWarning)
        # With one labelled image a class, scikit-learn suspects a regression.
        warnings.filterwarnings("ignore", "The number of unique classes is greater than 50%", UserWarning)
        probe: Probe = classifier.fit(np.ascontiguousarray(features), labels)
    return probe
