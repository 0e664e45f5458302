"""What choosing a model without labels would have come to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from eqae.evaluation.choice import TARGETS, Choice, by_pick
from eqae.evaluation.report.choice_text import rank_text, standing
from eqae.evaluation.report.markup import Markup, join, tag
from eqae.evaluation.report.number_text import ABSENT, number_in_prose, number_text
from eqae.evaluation.report.subject import Subject
from eqae.evaluation.report.table import model_label
from eqae.evaluation.report.vocabulary import metric_wording

_HOW_TO_READ = (
    "Each criterion needs no label: it picks the model that is best by it. Labels then say what the pick is worth, how "
    "many points it lost to the best model, and how well the criterion orders the models: Spearman's rank "
    "correlation, counted so that 1 is the same order, 0 no relation and -1 the reverse. A criterion that picks well "
    "by luck has a low one."
)
_NOTE = (
    "Bold: the pick is the best model. ≈ within noise of the best. Point at a number for the best model and the number "
    "of models: rank correlations of a handful are coarse. Of models that a criterion cannot tell apart, as "
    "reconstruction cannot the heads of one network, the worst is picked. Orbit recall is that under any "
    "angle. Where images are labelled, silhouette, stability and consistency are of as many clusters as there are "
    "classes."
)


def choice_section(subject: Subject) -> Markup:
    """A line a criterion; nothing where fewer than three models have a criterion and a figure by labels."""
    lines = by_pick(subject.results.choices)
    if not lines:
        return Markup()
    targets = [target for target in TARGETS if any(target in line for line in lines.values())]
    body = [_line(subject, *place, line, targets) for place, line in lines.items()]
    table = tag("table", tag("thead", *_heading(targets)), tag("tbody", *body))
    return join(tag("p", _HOW_TO_READ), tag("div", table, class_="scroll", tabindex=0), tag("p", _NOTE, class_="note"))


def _heading(targets: Sequence[str]) -> Iterator[Markup]:
    groups = [
        tag("th", metric_wording(target).title, scope="colgroup", colspan=3, class_="group") for target in targets
    ]
    picks = tag("th", "Picks", scope="col", rowspan=2, class_="picked")
    yield tag("tr", tag("th", "Criterion", scope="col", rowspan=2), picks, *groups)
    yield tag("tr", *(tag("th", title, scope="col") for _ in targets for title in ("%", "lost", "rank corr.")))


def _line(subject: Subject, criterion: str, picked: str, line: Mapping[str, Choice], targets: Sequence[str]) -> Markup:
    wording = metric_wording(criterion)
    cells = [cell for target in targets for cell in _cells(subject, line.get(target))]
    return tag(
        "tr",
        tag("th", wording.title, scope="row", title=wording.note),
        tag("td", model_label(subject, picked), class_="picked"),
        *cells,
    )


def _cells(subject: Subject, choice: Choice | None) -> list[Markup]:
    if choice is None:
        return [tag("td", ABSENT, title="not among the models with this figure", class_="absent")] * 3
    kind, mark = metric_wording(choice.target).kind, standing(subject.results, choice)
    value = number_text(choice.value, kind)
    shown = tag("b", value) if mark == "best" else value
    lost = join(tag("span", "≈", class_="near") if mark == "tied" else "", number_text(choice.regret, kind))
    about = f"best: {choice.best}, {number_in_prose(choice.best_value, kind)}; of {choice.models} models"
    texts = (shown, lost, rank_text(choice))
    return [tag("td", text, title=about) for text in texts]
