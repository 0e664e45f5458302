"""The choice without labels, in lines for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from eqae.evaluation.choice import TARGETS, Choice, by_pick
from eqae.evaluation.report.number_text import ABSENT, is_number, number_text
from eqae.evaluation.report.standings import Column, Mark, cells, is_tied
from eqae.evaluation.report.vocabulary import metric_wording

if TYPE_CHECKING:
    from eqae.evaluation.results import Results

_TITLE = "Chosen without labels"
_CELL = 12
_SHORTEST_LABEL = 12
_LONGEST_LABEL = 28
_SIGNS: Mapping[Mark, str] = {"best": "*", "tied": "~", "": ""}


def choice_lines(results: Results, width: int) -> list[str]:
    """A table of what each criterion picks, and for each target what that costs and how well both agree on the order.

    Targets that do not fit into ``width`` are left out from the right. Empty where nothing was chosen among.
    """
    lines = by_pick(results.choices)
    if not lines:
        return []
    targets = [target for target in TARGETS if any(target in line for line in lines.values())]
    titles = [metric_wording(criterion).title for criterion, _ in lines]
    name = min(_LONGEST_LABEL, max(len(picked) for _, picked in lines))
    first = max(map(len, [_TITLE, *titles]))
    room = width - first - 2 - min(name, _SHORTEST_LABEL)
    targets = targets[: max(1, room // (_CELL + 1))]
    name = max(_SHORTEST_LABEL, min(name, width - first - 2 - len(targets) * (_CELL + 1)))
    table = [_line(_TITLE, "", [metric_wording(target).title for target in targets], first, name)]
    table.append(_line("by", "picks", [_pair("lost", "rank")] * len(targets), first, name))
    for title, ((_, picked), line) in zip(titles, lines.items(), strict=True):
        table.append(_line(title, picked, [_cell(results, line.get(target)) for target in targets], first, name))
    return [*table, _key([choice for line in lines.values() for choice in line.values()])]


def standing(results: Results, choice: Choice) -> Mark:
    """Whether the picked model is the best by the target, or cannot be told from it."""
    if not choice.regret:
        return "best"
    rows = cells(results, Column(choice.target))
    return "tied" if is_tied(results, rows[choice.picked], rows[choice.best]) else ""


def rank_text(choice: Choice) -> str:
    """The rank correlation to two digits, which is more than a handful of models supports."""
    value = choice.rank_correlation
    return f"{value:.2f}".replace("-0.00", "0.00") if is_number(value) else ABSENT


def _line(criterion: str, picked: str, texts: Sequence[str], first: int, name: int) -> str:
    label = picked if len(picked) <= name else f"{picked[: name - 1]}…"
    return " ".join([criterion.ljust(first), label.ljust(name), *(text.rjust(_CELL) for text in texts)])


def _cell(results: Results, choice: Choice | None) -> str:
    if choice is None:
        return ""
    lost = number_text(choice.regret, metric_wording(choice.target).kind)
    return _pair(_SIGNS[standing(results, choice)] + lost, rank_text(choice))


def _pair(lost: str, rank: str) -> str:
    return f"{lost:>5} {rank:>5}"


def _key(choices: Sequence[Choice]) -> str:
    fewest, most = (extreme(choice.models for choice in choices) for extreme in (min, max))
    over = str(most) if fewest == most else f"{fewest} to {most}"
    return (
        f"lost: % points below the best of {over} models. rank: Spearman's correlation of criterion and accuracy; 1 is "
        "the same order."
    )
