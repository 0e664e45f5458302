"""Supervised training of the model's own classifier: a reference, not a rival."""

from __future__ import annotations

from typing import Annotated

import torch.nn.functional as F
from annotated_types import Ge, Lt
from torch import Tensor

from eqae.errors import ConfigError
from eqae.objectives.base import Objective
from eqae.objectives.step import Step


class CrossEntropy(Objective):
    """Cross-entropy of the model's classifier, over the images that have a label. Every label of them is seen.

    Args:
        classes: how many the dataset names.
        smoothing: share of the target spread evenly over all classes (Szegedy et al. 2016, arXiv:1512.00567).
    """

    needs = frozenset({"classifier", "labels"})

    def __init__(self, classes: int, *, smoothing: Annotated[float, Ge(0), Lt(1)] = 0.0) -> None:
        super().__init__()
        self.classes = classes
        self.smoothing = smoothing

    def forward(self, step: Step) -> Tensor:
        """A scalar, in nats; 0 where no image of the batch has a label.

        Raises:
            ConfigError: the classifier has another number of classes than the dataset.
        """
        assert step.logits is not None
        assert step.labels is not None
        if step.logits.shape[1] != self.classes:
            raise ConfigError("model.classes", f"{step.logits.shape[1]}", f"{self.classes}, as the dataset has")
        losses = F.cross_entropy(
            step.logits, step.labels, ignore_index=-1, reduction="sum", label_smoothing=self.smoothing
        )
        return losses / (step.labels >= 0).sum().clamp_min(1)
