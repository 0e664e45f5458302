"""How well predicted classes agree with true ones."""

from __future__ import annotations

import torch
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_confusion_matrix

from eqae.evaluation.evidence import IntArray


def accuracy(predicted: IntArray, true: IntArray) -> float:
    """Share of right predictions, from two arrays ``(N,)`` of class indices."""
    classes = max(2, int(predicted.max()) + 1, int(true.max()) + 1)
    return float(multiclass_accuracy(torch.from_numpy(predicted), torch.from_numpy(true), classes, average="micro"))


def confusion(predicted: IntArray, true: IntArray, classes: int) -> list[list[int]]:
    """Number of images by true class (rows) and predicted class (columns)."""
    matrix = multiclass_confusion_matrix(torch.from_numpy(predicted), torch.from_numpy(true), classes)
    table: list[list[int]] = matrix.tolist()
    return table
