"""Fitting what is to be judged, where a head learns from training images."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from eqae.data.base import Dataset
from eqae.evaluation.extraction import FeatureModel
from eqae.heads.fitting import fit_heads


def fit_subjects(subjects: Sequence[FeatureModel], dataset: Dataset, device: torch.device) -> None:
    """Fit the heads of one model that still need it; those of its untrained twin to the twin's own embeddings."""
    first = subjects[0]
    fit_heads([subject.head for subject in subjects], first.model, dataset.train, device)
    if first.untrained is not None:
        heads = [subject.untrained_head for subject in subjects if subject.untrained_head is not None]
        fit_heads(heads, first.untrained, dataset.train, device)
