"""Model against model on the same images: differences of paired values, and whether they are more than noise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import stats

if TYPE_CHECKING:
    from eqae.evaluation.row import Row

LEVEL = 0.95
FEWEST = 10
"""Images below which no difference is claimed: their spread is not known."""

Samples = Mapping[tuple[str, str, str], NDArray[np.float64]]
"""Values ``(N,)`` of a figure by image, under ``(model, metric, condition)``; NaN where an image was left out."""


@dataclass(frozen=True)
class Difference:
    """How much a model's figure lies above another's, on the images that both have a value for.

    Attributes:
        metric, condition: of the figure.
        model: whose figure.
        reference: the model with the best value of this figure.
        value: mean over images of the model's value less the reference's.
        low, high: 95 % interval (Student's t over images).
        n: number of images.
    """

    metric: str
    condition: str
    model: str
    reference: str
    value: float
    low: float
    high: float
    n: int

    @property
    def is_within_noise(self) -> bool:
        """Whether the interval holds zero."""
        return self.low <= 0 <= self.high


def differences_from_best(rows: Sequence[Row], samples: Samples) -> list[Difference]:
    """Every model against the best of the same figure; figures that are not means over images are left out.

    Pairing removes what makes images easy or hard for all models alike, so it tells apart what two overlapping
    intervals cannot.
    """
    found = []
    for (metric, condition), column in _columns(rows, samples).items():
        sign = 1 if column[0].higher_is_better else -1
        best = max(column, key=lambda row: sign * row.value)
        reference = samples[best.model, metric, condition]
        for row in column:
            own = samples[row.model, metric, condition]
            if row is not best and len(own) == len(reference):
                found += _difference(row, best, own - reference)
    return found


def _columns(rows: Iterable[Row], samples: Samples) -> dict[tuple[str, str], list[Row]]:
    columns: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if (row.model, row.metric, row.condition) in samples and np.isfinite(row.value):
            columns.setdefault((row.metric, row.condition), []).append(row)
    return columns


def _difference(row: Row, best: Row, paired: NDArray[np.float64]) -> list[Difference]:
    paired = paired[np.isfinite(paired)]
    if len(paired) < FEWEST:
        return []
    value = float(paired.mean())
    half = float(stats.t.ppf((1 + LEVEL) / 2, len(paired) - 1) * paired.std(ddof=1) / np.sqrt(len(paired)))
    place = (row.metric, row.condition, row.model, best.model)
    return [Difference(*place, value, value - half, value + half, len(paired))]
