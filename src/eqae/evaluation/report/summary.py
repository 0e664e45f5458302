"""The results in two sentences of plain words. What lies within noise is said to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from eqae.evaluation.report.number_text import number_in_prose
from eqae.evaluation.report.standings import ROUNDING, Column, cells, conditions, is_tied, ranking
from eqae.evaluation.report.vocabulary import metric_wording

if TYPE_CHECKING:
    from eqae.evaluation.results import Results
    from eqae.evaluation.row import Row

HEADLINES = ("linear_probe_accuracy", "mlp_probe_accuracy", "knn_accuracy", "kmeans_acc")
"""The metrics a summary speaks of, and the panels of the dot plot."""


class Name(str):
    """A model's label inside a sentence, so that a page can set it apart."""

    __slots__ = ()


def wins(results: Results) -> list[str]:
    """Sentences on who is best at what, as parts to be joined; empty where nothing was classified or clustered.

    Metrics with the same winner share a sentence; a winner that is within noise of the next one is not said to
    win.
    """
    verdicts: dict[tuple[str, ...], list[Row]] = {}
    unrivalled: dict[str, list[Row]] = {}
    for metric in HEADLINES:
        order = ranking(cells(results, Column(metric)).values())
        if len(order) == 1:
            unrivalled.setdefault(order[0].model, []).append(order[0])
        elif order:
            front = tuple(row.model for row in order if is_tied(results, row, order[0]))
            verdicts.setdefault(front, []).append(order[0])
    sentences = [_verdict(front, rows) for front, rows in verdicts.items()]
    sentences += [_figures(model, rows) for model, rows in unrivalled.items()]
    return [part for sentence in sentences for part in (" ", *sentence)][1:]


def invariance(results: Results) -> list[str]:
    """One sentence on how far features move when images are turned exactly, as parts; empty where not measured."""
    measured = conditions(results, "relative_invariance_error")
    condition = next((c for c in measured if c in ("D4", "D2")), next(iter(measured), ""))
    order = ranking(cells(results, Column("relative_invariance_error", condition)).values())
    if not order:
        return []
    exact = [row for row in order if row.value < ROUNDING]
    moved = order[len(exact) :]
    turned = f"Under {condition}, " if condition else "When images are turned, "
    if not exact:
        return [turned, "features move by ", *_movement(moved), " of their length."]
    most = number_in_prose(exact[-1].value, "error")
    parts = [turned, "the features of ", *_names([row.model for row in exact])]
    bound = [" move by no more than rounding (at most ", most, " of their length)"]
    parts += bound if exact[-1].value else [" do not move at all"]
    return [*parts, *(["; others move by ", *_movement(moved)] if moved else []), "."]


def _movement(moved: Sequence[Row]) -> list[str]:
    ends = [moved[0]] if len(moved) == 1 else [moved[0], moved[-1]]
    shown = [[number_in_prose(row.value, "error"), " (", Name(row.model), ")"] for row in ends]
    return [*shown[0], " to ", *shown[1]] if len(shown) == 2 else shown[0]


def _verdict(front: Sequence[str], rows: Sequence[Row]) -> list[str]:
    what = [f"{_title(row)} ({_value(row)})" for row in rows]
    if len(front) == 1:
        return [Name(front[0]), " is best by ", *_listed(what), "."]
    return ["By ", *_listed(what), ", ", Name(front[0]), " is ahead, but within noise of ", *_names(front[1:]), "."]


def _figures(model: str, rows: Sequence[Row]) -> list[str]:
    return [Name(model), " reaches ", *_listed([f"{_value(row)} by {_title(row)}" for row in rows]), "."]


def _title(row: Row) -> str:
    title = metric_wording(row.metric).title
    return title if title[1:2].isupper() or title[:1].islower() else title[0].lower() + title[1:]


def _value(row: Row) -> str:
    return number_in_prose(row.value, metric_wording(row.metric).kind)


def _names(labels: Sequence[str]) -> list[str]:
    return _listed([Name(label) for label in labels])


def _listed(items: Sequence[str]) -> list[str]:
    """``a, b and c`` as parts."""
    parts: list[str] = []
    for place, item in enumerate(items):
        parts += [" and " if place == len(items) - 1 else ", "] if place else []
        parts.append(item)
    return parts
