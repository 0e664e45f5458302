"""Tables of models by metrics, as HTML."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from eqae.evaluation.report.markup import Markup, join, tag
from eqae.evaluation.report.number_text import ABSENT, is_number, number_text
from eqae.evaluation.report.standings import Column, Mark, cells, direction, marks, present
from eqae.evaluation.report.subject import Subject
from eqae.evaluation.report.vocabulary import metric_wording

if TYPE_CHECKING:
    from eqae.evaluation.row import Row

_MOST_AT_EASE = 9
KEY = (
    "Bold: best. ≈ within noise of the best: the 95 % interval of their difference on the same images holds zero "
    "(where figures are not means over images: their intervals overlap)."
)


def score_table(subject: Subject, columns: Iterable[Column], *, described: bool = False) -> Markup:
    """Models by those of ``columns`` that were measured; neighbours of one group stand under its heading.

    Args:
        subject: the results.
        columns: wanted, from left to right.
        described: put each model's one-line description below its label.
    """
    columns = present(subject.results, columns)
    if not columns:
        return Markup()
    body = [_cells(subject, column) for column in columns]
    rows = [
        tag("tr", _model(subject, model, described), *(column[place] for column in body))
        for place, model in enumerate(subject.models)
    ]
    dense = "dense" if len(columns) > _MOST_AT_EASE else None
    table = tag("table", tag("thead", *_heading(subject, columns)), tag("tbody", *rows), class_=dense)
    return tag("div", table, class_="scroll", tabindex=0)


def model_label(subject: Subject, model: str) -> Markup:
    """A model's name after a dot of its colour."""
    swatch = tag("i", class_="swatch", style=f"background:{subject.colours.get(model, 'none')}")
    return tag("span", swatch, model, class_="model")


def interval_text(row: Row) -> str:
    """The value with its interval, number of images and seed, in full."""
    percent = metric_wording(row.metric).kind == "percent"
    scale, unit = (100, " %") if percent else (1, "")
    parts = [f"{scale * row.value:.4g}{unit}" if is_number(row.value) else "not a finite number"]
    if row.low is not None and row.high is not None and is_number(row.low) and is_number(row.high):
        parts.append(f"95 % interval {scale * row.low:.4g} to {scale * row.high:.4g}{unit}")
    return ", ".join([*parts, f"n = {row.n:,}", f"seed {row.seed}"])


def _heading(subject: Subject, columns: Sequence[Column]) -> Iterable[Markup]:
    tall = any(column.group for column in columns)
    upper: list[Markup] = [tag("th", "Model", scope="col", rowspan=2 if tall else None)]
    lower: list[Markup] = []
    for group, members in groupby(columns, lambda column: column.group):
        if group:
            headings = [_column_heading(subject, column) for column in members]
            upper.append(tag("th", group, scope="colgroup", colspan=len(headings), class_="group"))
            lower += headings
        else:
            upper += [_column_heading(subject, column, rowspan=2 if tall else None) for column in members]
    yield tag("tr", *upper)
    if tall:
        yield tag("tr", *lower)


def _column_heading(subject: Subject, column: Column, rowspan: int | None = None) -> Markup:
    wording = metric_wording(column.metric)
    under = (
        f"{wording.unit} {direction(subject.results, column)}".strip() or "\N{NO-BREAK SPACE}"
    )  # keeps the lines level
    return tag(
        "th", column.title or wording.title, tag("small", under), scope="col", title=wording.note, rowspan=rowspan
    )


def _model(subject: Subject, model: str, described: bool) -> Markup:
    description = subject.descriptions.get(model, "") if described else ""
    label = model_label(subject, model)
    return tag("th", label, tag("small", description) if description else "", scope="row")


def _cells(subject: Subject, column: Column) -> list[Markup]:
    rows = cells(subject.results, column)
    standing = marks(subject.results, column) if column.is_ranked else {}
    return [_cell(rows.get(model), standing.get(model, ""), column) for model in subject.models]


def _cell(row: Row | None, mark: Mark, column: Column) -> Markup:
    if row is None:
        return tag("td", ABSENT, title="not measured", class_="absent")
    text = number_text(row.value, metric_wording(row.metric).kind)
    if text == ABSENT:
        return tag("td", ABSENT, title=row.note or "undefined for these features", class_="absent")
    shown = tag("b", text) if mark == "best" else join(tag("span", "≈", class_="near") if mark == "tied" else "", text)
    kind = mark or (None if column.is_ranked else "aside")
    return tag("td", shown, title=interval_text(row), class_=kind)
