"""The linear probe of a model: fitted once, shared by every evaluator that asks what features say of the classes."""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray
from sklearn.preprocessing import StandardScaler

from eqae.data.base import UNLABELED
from eqae.evaluation.evidence import Evidence, FloatArray, IntArray, NotAvailable
from eqae.evaluation.preprocessing import fit_scaler
from eqae.evaluation.probes import fit_linear_probe


@dataclass(frozen=True, eq=False)
class LinearProbe:
    """Multinomial logistic regression on standardised features: ``z = W h + b``.

    Attributes:
        scaler: standardisation, fitted on the training features.
        weights: W, ``(C, D)``, for standardised features h.
        bias: b, ``(C,)``.
        classes: label of each row of W, ``(C,)``, in rising order.
    """

    scaler: StandardScaler
    weights: NDArray[np.float64]
    bias: NDArray[np.float64]
    classes: IntArray

    def standardize(self, features: FloatArray) -> FloatArray:
        """h ``(N, D)`` of features as they were extracted."""
        return np.asarray(self.scaler.transform(features), np.float32)

    def logits(self, features: FloatArray) -> NDArray[np.float64]:
        """z ``(N, C)`` of features as they were extracted."""
        return self.standardize(features) @ self.weights.T + self.bias

    def predict(self, features: FloatArray) -> IntArray:
        """Labels ``(N,)`` of features as they were extracted."""
        return self.classes[self.logits(features).argmax(axis=1)]


_FITTED: WeakKeyDictionary[Evidence, LinearProbe] = WeakKeyDictionary()


def linear_probe(evidence: Evidence) -> LinearProbe:
    """The linear probe of ``evidence``, fitted on the labelled training images when first asked for.

    Raises:
        NotAvailable: fewer than two classes among the training images.
    """
    if evidence not in _FITTED:
        _FITTED[evidence] = fit_probe(evidence.train.upright, evidence.train.labels, evidence.seed)
    return _FITTED[evidence]


def fit_probe(features: FloatArray, labels: IntArray, seed: int) -> LinearProbe:
    """A linear probe of ``features (N, D)``; images without a label count for the standardisation alone.

    Raises:
        NotAvailable: fewer than two classes.
    """
    known = labels != UNLABELED
    if len(np.unique(labels[known])) < 2:
        raise NotAvailable("fewer than two classes among the labelled training images")
    scaler = fit_scaler(features)
    fitted = fit_linear_probe(np.asarray(scaler.transform(features[known]), np.float32), labels[known], seed)
    weights, bias = fitted.coef_.astype(np.float64), fitted.intercept_.astype(np.float64)
    if len(weights) == 1:  # two classes are fitted as one contrast: softmax of (-z/2, z/2) is its sigmoid
        weights, bias = np.concatenate([-weights, weights]) / 2, np.concatenate([-bias, bias]) / 2
    return LinearProbe(scaler, weights, bias, np.asarray(fitted.classes_, np.int64))
