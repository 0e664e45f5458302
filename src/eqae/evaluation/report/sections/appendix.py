"""Every figure, and where the figures come from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eqae.evaluation.report.markup import Markup, join, tag
from eqae.evaluation.report.number_text import ABSENT, is_number
from eqae.evaluation.report.subject import Subject

if TYPE_CHECKING:
    from eqae.evaluation.row import Row

_HEADINGS = ("model", "dataset", "evaluator", "metric", "condition", "value", "95 % interval", "better", "n", "seed")


def all_rows(subject: Subject) -> Markup:
    """Every row of the results, folded away."""
    rows = subject.results.rows
    if not rows:
        return Markup()
    head = tag("tr", *(tag("th", heading, scope="col") for heading in _HEADINGS))
    table = tag("table", tag("thead", head), tag("tbody", *map(_row, rows)), class_="rows")
    return tag("details", tag("summary", f"Show all {len(rows)}"), tag("div", table, class_="scroll", tabindex=0))


def provenance(subject: Subject) -> Markup:
    """The facts as a list."""
    pairs = [join(tag("dt", name), tag("dd", value)) for name, value in subject.facts.items()]
    return tag("dl", *pairs) if pairs else Markup()


def _row(row: Row) -> Markup:
    interval = f"{_exact(row.low)} to {_exact(row.high)}" if is_number(row.low) and is_number(row.high) else ABSENT
    better = "higher" if row.higher_is_better else "lower"
    words = (row.model, row.dataset, row.evaluator, row.metric, row.condition)
    numbers = (_exact(row.value), interval, better, f"{row.n:,}", str(row.seed))
    return tag("tr", *(tag("td", text) for text in (*words, *numbers)))


def _exact(value: float | None) -> str:
    return f"{value:.5g}" if value is not None and is_number(value) else ABSENT
