"""One line of the table that every evaluation ends with."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Row:
    """One figure of one model. The fields and their order are those of ``results.json`` and ``results.csv``.

    Attributes:
        model: label; ``"... (untrained)"`` for figures of the initial weights.
        dataset: registered name.
        evaluator: registered name.
        metric: the field's name for it, e.g. ``"knn_accuracy"``.
        condition: transforms tested, or empty.
        value: the figure; NaN where it is not defined, which files hold as null or an empty cell.
        low, high: 95 % interval, or None.
        higher_is_better: direction.
        n: number of images behind the figure.
        seed: seed of the run.
        note: why there is no value (``"not available: the model has no decoder"``), else empty.
    """

    model: str
    dataset: str
    evaluator: str
    metric: str
    condition: str
    value: float
    low: float | None
    high: float | None
    higher_is_better: bool
    n: int
    seed: int
    note: str = ""


COLUMNS = tuple(column.name for column in fields(Row))
