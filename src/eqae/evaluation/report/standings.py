"""Who is best in a column, and who cannot be told apart from the best."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from eqae.evaluation.report.number_text import is_number
from eqae.evaluation.results import UNTRAINED

if TYPE_CHECKING:
    from eqae.evaluation.results import Results
    from eqae.evaluation.row import Row

Mark = Literal["best", "tied", ""]

ROUNDING = 1e-5
"""Relative errors below this are float32 rounding: an exact group leaves about 1e-7, and who has less means nothing."""

_NEVER_RANKED = (
    "relative_interpolation_floor", "shift_cosine_floor", "orbit_cosine_floor", "semantic_spatial_cka",
    "semantic_spatial_gap", "semantic_min_eigenvalue", "semantic_scrambled_cosine", "spatial_scrambled_cosine",
    "semantic_optimality", "shift_prediction_floor", "temperature",
)  # fmt: skip
"""Controls and descriptions: no value is better than another, or the best is neither the least nor the largest."""
_ROUNDED = ("relative_invariance_error", "invariance_ratio")


@dataclass(frozen=True)
class Column:
    """One figure for every model: a metric under a condition, of the trained or of the initial weights.

    Attributes:
        metric: its name in the rows.
        condition: its condition in the rows.
        untrained: take the rows of the initial weights.
        group: heading above this column and its neighbours of the same group; none if empty.
        title: heading of this column; the metric's own if empty.
    """

    metric: str
    condition: str = ""
    untrained: bool = False
    group: str = ""
    title: str = ""

    @property
    def is_ranked(self) -> bool:
        """Whether a best value means anything here."""
        return not self.untrained and self.metric not in _NEVER_RANKED


def trained_models(results: Results) -> tuple[str, ...]:
    """Labels of the models, in the order in which they were judged; the first is the one the page is about."""
    return tuple(dict.fromkeys(row.model for row in results.rows if not row.model.endswith(UNTRAINED)))


def cells(results: Results, column: Column) -> dict[str, Row]:
    """The row behind each model's cell of ``column``, by label without suffix; the first of several."""
    suffix = UNTRAINED if column.untrained else ""
    found: dict[str, Row] = {}
    for row in results.rows:
        if (row.metric, row.condition) != (column.metric, column.condition):
            continue
        if row.model.endswith(UNTRAINED) == column.untrained:
            found.setdefault(row.model.removesuffix(suffix), row)
    return found


def present(results: Results, columns: Iterable[Column]) -> tuple[Column, ...]:
    """Those of ``columns`` that were measured of any model, in the order given."""
    return tuple(column for column in columns if any(not row.note for row in cells(results, column).values()))


def conditions(results: Results, metric: str) -> tuple[str, ...]:
    """The conditions ``metric`` was measured under, in the order of the rows."""
    return tuple(dict.fromkeys(row.condition for row in results.rows if row.metric == metric))


def direction(results: Results, column: Column) -> str:
    """``"↑"`` where higher is better, ``"↓"`` where lower is, empty where no best value means anything."""
    rows = cells(results, column)
    if not column.is_ranked or not rows:
        return ""
    return "↑" if next(iter(rows.values())).higher_is_better else "↓"


def ranking(rows: Iterable[Row]) -> list[Row]:
    """Rows with a finite value, best first; each row's own ``higher_is_better`` gives the direction."""
    finite = [row for row in rows if is_number(row.value)]
    return sorted(finite, key=lambda row: -row.value if row.higher_is_better else row.value)


def marks(results: Results, column: Column) -> dict[str, Mark]:
    """``"best"`` for the best value, ``"tied"`` for values that cannot be told from it, else ``""``, by label.

    A single finite value is not marked: there is nothing it is better than.
    """
    rows = cells(results, column)
    order = ranking(rows.values())
    if len(order) < 2:
        return dict.fromkeys(rows, "")
    return {label: _mark(results, row, order[0]) for label, row in rows.items()}


def is_tied(results: Results, row: Row, best: Row) -> bool:
    """Whether the figures of two models are within noise of each other.

    They are if the 95 % interval of their difference on the same images holds zero; where they were not compared
    image by image, if their own intervals overlap; and if both errors are rounding.
    """
    if row.value == best.value:
        return True
    if row.metric in _ROUNDED and max(row.value, best.value) < ROUNDING:
        return True
    place = (row.metric, row.condition, row.model, best.model)
    for entry in results.differences:
        if (entry.metric, entry.condition, entry.model, entry.reference) == place:
            return entry.is_within_noise
    if row.low is None or row.high is None or best.low is None or best.high is None:
        return False
    return row.low <= best.high and best.low <= row.high


def _mark(results: Results, row: Row, best: Row) -> Mark:
    if not is_number(row.value):
        return ""
    if row.value == best.value:
        return "best"
    return "tied" if is_tied(results, row, best) else ""
