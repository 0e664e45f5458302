"""The README's tables of features, brought up to what is on record; which rows and columns they have stays as it is.

    uv run benchmarks/refresh_readme.py

A table is told by its header, whose columns are those of ``paper_table.py`` or ``rivals_table.py``, and its dataset by
the name in backticks nearest above it. ``tests/test_recorded_runs.py`` fails where this was forgotten.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import paper_table
import rivals_table

README = Path(__file__).parents[1] / "README.md"
Row = dict[str, str]


def cells(line: str) -> list[str]:
    """The cells of a row of Markdown."""
    return [cell.strip() for cell in line.strip("| ").split(" | ")]


def plain(cell: str) -> str:
    """A cell without what makes it bold."""
    return cell.replace("*", "")


@cache
def on_record(data: str) -> dict[tuple[str, str], Row]:
    """The rows of both tables on a dataset, by features and group."""
    found: dict[tuple[str, str], Row] = {}
    for table in (paper_table, rivals_table):
        header, _, *rows = [line for line in table.table(table.RECORD.current(), data) if line.startswith("|")]
        for row in (dict(zip(cells(header), cells(line), strict=True)) for line in rows):
            found[plain(row["features"]), row.get("group", "")] = row
    return found


def refreshed(text: str) -> str:
    """The text of the README with the figures of today."""
    data, header, lines = "", list[str](), list[str]()
    for line in text.splitlines():
        names = re.findall(r"`([\w-]+)`", line)
        known = [name for name in names if name in rivals_table.RECORD.networks]
        if not line.startswith("|"):
            data, header = known[0] if known else data, []
        elif line.startswith("| features |"):
            header = cells(line)
        elif header and not line.startswith("|--"):
            line = _row(dict(zip(header, cells(line), strict=True)), data)
        lines.append(line)
    return "\n".join(lines) + "\n"


def _row(said: Row, data: str) -> str:
    """A row of the README with the record's figures, bold where they were."""
    record = on_record(data)[plain(said["features"]), said.get("group", "")]

    def made(title: str, cell: str) -> str:
        if title in ("features", "group", "command"):
            return cell
        return f"**{record[title]}**" if cell.startswith("**") else record[title]

    return f"| {' | '.join(made(title, cell) for title, cell in said.items())} |"


if __name__ == "__main__":
    README.write_text(refreshed(README.read_text()))
