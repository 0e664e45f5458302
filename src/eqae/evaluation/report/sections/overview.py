"""What came out, before any detail."""

from __future__ import annotations

from eqae.evaluation.report.figures.dot_plot import dot_plot
from eqae.evaluation.report.markup import Markup, figure, join, tag
from eqae.evaluation.report.standings import Column, cells, present, trained_models
from eqae.evaluation.report.subject import Subject
from eqae.evaluation.report.summary import HEADLINES, Name, invariance, wins
from eqae.evaluation.report.table import KEY, score_table

KEY_COLUMNS = (
    Column("linear_probe_accuracy"),
    Column("mlp_probe_accuracy"),
    Column("knn_accuracy"),
    Column("kmeans_acc"),
    Column("gmm_acc"),
    Column("relative_invariance_error", "D4", group="Invariance error", title="D4"),
    Column("relative_invariance_error", "D2", group="Invariance error", title="D2"),
    Column("relative_invariance_error", "any-angle", group="Invariance error", title="any angle"),
    Column("reconstruction_mse"),
)
"""The figures that a reader looks for first, here and on the terminal."""

_CAPTION = (
    "Dots are accuracies, lines their 95 % intervals over images; the grey band is the interval of the best. Probes "
    "and kNN are judged on the test images; k-means by the best one-to-one matching of its clusters with the classes."
)


def scope(subject: Subject) -> Markup:
    """What was judged, in one line: dataset, images, models."""
    rows = subject.results.rows
    datasets = ", ".join(dict.fromkeys(row.dataset for row in rows))
    images = max((row.n for row in rows if row.metric in HEADLINES[:3]), default=0)
    parts = [datasets, f"{images:,} test images" if images else "", f"{len(subject.models)} models"]
    if len(subject.models) == 1:
        parts[-1] = "1 model"
    return tag("p", " · ".join(part for part in parts if part), class_="scope")


def summary(subject: Subject) -> Markup:
    """The two sentences at the top of the page."""
    sentences = [parts for parts in (wins(subject.results), invariance(subject.results)) if parts]
    shown = [
        tag("p", *(tag("strong", part) if isinstance(part, Name) else part for part in parts)) for parts in sentences
    ]
    return tag("div", *shown, class_="lead")


def overview(subject: Subject) -> Markup:
    """The main table and the dot plot."""
    table = score_table(subject, KEY_COLUMNS, described=True)
    if not table:
        return Markup()
    several = len(trained_models(subject.results)) > 1
    note = f"{KEY if several else ''} Point at a number for its interval."
    return join(table, tag("p", note.strip(), class_="note"), _dots(subject))


def _dots(subject: Subject) -> Markup:
    columns = present(subject.results, map(Column, HEADLINES))
    panels = {column.metric: cells(subject.results, column) for column in columns}
    if not panels:
        return Markup()
    colours = {model: subject.colours[model] for model in subject.models}
    return figure(dot_plot(panels, colours), _CAPTION)
