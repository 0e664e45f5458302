"""The table a command ends with."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from eqae.evaluation.report.absences import absences
from eqae.evaluation.report.choice_text import choice_lines
from eqae.evaluation.report.number_text import ABSENT, number_text
from eqae.evaluation.report.sections.overview import KEY_COLUMNS
from eqae.evaluation.report.standings import Column, Mark, cells, direction, marks, present, trained_models
from eqae.evaluation.report.summary import invariance
from eqae.evaluation.report.vocabulary import metric_wording

if TYPE_CHECKING:
    from eqae.evaluation.results import Results
    from eqae.evaluation.row import Row

_LONGEST_LABEL = 28
_SHORTEST_LABEL = 12
_PLAIN = str.maketrans({"↑": "+", "↓": "-", "—": "-", "°": "", "…": ".", "\N{NO-BREAK SPACE}": " "})


def print_table(results: Results, console: Console | None = None) -> None:
    """Models by key metrics, one line on invariance below, and which of several models would be chosen without labels.

    The best of a column is bold and starred; ``~`` stands before figures that are within noise of the best.
    Columns that do not fit the width are left out from the right and named. Where nobody watches (a file, a pipe) the
    width is 100 and there are no colours.
    """
    console = console or (Console() if sys.stdout.isatty() else Console(width=100))
    columns = present(results, KEY_COLUMNS) or _other_columns(results)
    if not columns:
        console.print("\n".join(["Nothing was measured.", *absences(results)]), markup=False)
        return
    labels = trained_models(results)
    body = {column: _column(results, column, labels) for column in columns}
    name_width = min(_LONGEST_LABEL, max(map(len, labels)), max(_SHORTEST_LABEL, console.width // 3))
    shown = _fitting(results, body, console.width - name_width - 2)
    console.print(_table(results, labels, {column: body[column] for column in shown}, name_width, console))
    for line in _notes(results, columns[len(shown) :], len(labels) > 1):
        console.print(Text(_encodable(line, console)), soft_wrap=False)
    if choices := choice_lines(results, console.width):
        console.print("", *(Text(_encodable(line, console)) for line in choices), sep="\n")


def _table(
    results: Results, labels: tuple[str, ...], body: Mapping[Column, list[Text]], name_width: int, console: Console
) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    table.add_column("model", no_wrap=True, width=name_width, overflow="ellipsis", vertical="bottom")
    for column in body:
        heading = "\n".join(_heading(results, column))
        table.add_column(_encodable(heading, console), justify="right", no_wrap=True, vertical="bottom")
    for place, label in enumerate(labels):
        texts = [cells[place] for cells in body.values()]
        table.add_row(
            Text(_encodable(_shortened(label, name_width), console)),
            *(_encodable_text(text, console) for text in texts),
        )
    return table


def _column(results: Results, column: Column, labels: tuple[str, ...]) -> list[Text]:
    rows = cells(results, column)
    standing = marks(results, column)
    return [_cell(rows.get(label), standing.get(label, "")) for label in labels]


def _cell(row: Row | None, mark: Mark) -> Text:
    if row is None:
        return Text(ABSENT)
    text = number_text(row.value, metric_wording(row.metric).kind)
    sign = {"best": "*", "tied": "~", "": ""}[mark]
    return Text(sign + text, style="bold" if mark == "best" else "")


def _heading(results: Results, column: Column) -> list[str]:
    wording = metric_wording(column.metric)
    unit = column.title if column.group else wording.unit
    return [*(column.group or column.title or wording.title).split(" "), f"{unit} {direction(results, column)}".strip()]


def _other_columns(results: Results) -> tuple[Column, ...]:
    """What was measured where none of the key figures was."""
    measured = dict.fromkeys((row.metric, row.condition) for row in results.rows if not row.note)
    return tuple(Column(metric, condition) for metric, condition in measured)


def _fitting(results: Results, body: Mapping[Column, list[Text]], width: int) -> list[Column]:
    """The columns, from the left, that fit into ``width`` characters; at least one."""
    shown: list[Column] = []
    for column, texts in body.items():
        width -= max(*(len(line) for line in _heading(results, column)), *(text.cell_len for text in texts)) + 2
        if width < 0 and shown:
            break
        shown.append(column)
    return shown


def _notes(results: Results, left_out: tuple[Column, ...], several: bool) -> list[str]:
    notes = ["* best   ~ within noise of the best (95 %, on the same images)"] if several else []
    if left_out:
        notes.append(f"Not shown for lack of room: {', '.join(' '.join(_heading(results, c)) for c in left_out)}")
    return [note for note in (*notes, *absences(results), "".join(invariance(results))) if note]


def _shortened(label: str, width: int) -> str:
    return label if len(label) <= width else f"{label[: width - 1]}…"


def _encodable(text: str, console: Console) -> str:
    """The text as it is where the stream takes Unicode, else in ASCII: a table must not fail for an arrow."""
    return text.translate(_PLAIN).encode("ascii", "replace").decode() if console.options.ascii_only else text


def _encodable_text(text: Text, console: Console) -> Text:
    return Text(_encodable(text.plain, console), style=text.style)
