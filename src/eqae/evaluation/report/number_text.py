"""Numbers as people read them; never ``nan``."""

from __future__ import annotations

from math import isfinite

from eqae.evaluation.report.vocabulary import Kind

ABSENT = "—"


def is_number(value: float | None) -> bool:
    """Whether there is a finite number to show."""
    return value is not None and isfinite(value)


def number_text(value: float | None, kind: Kind) -> str:
    """A value for a table cell: ``89.6`` (percent, of the fraction 0.896), ``1.2e-07`` or ``0.41`` (error), ``0.812``
    (score) or ``65.1`` (count).

    What is missing, infinite or not a number becomes an em dash.
    """
    if value is None or not isfinite(100 * value):  # a percent of it must be finite, too
        return ABSENT
    if kind == "percent":
        return f"{100 * value:.1f}"
    if kind == "error":
        return f"{value:.2f}" if 0.1 <= abs(value) < 100 else f"{value:.1e}" if value else "0"
    if kind == "count":
        return f"{value:.0f}" if value >= 100 or value == round(value) else f"{value:.1f}"
    return f"{value:.3f}".replace("-0.000", "0.000")


def number_in_prose(value: float | None, kind: Kind) -> str:
    """The same with its unit, held together by a no-break space: ``89.6 %``; errors from 0.1 % on are percents too."""
    if kind == "error" and value is not None and value >= 1e-3 and isfinite(100 * value):
        return f"{float(f'{100 * value:.2g}'):g}\N{NO-BREAK SPACE}%"
    text = number_text(value, kind)
    return f"{text}\N{NO-BREAK SPACE}%" if kind == "percent" and text != ABSENT else text
