"""Who is near whom, and how many directions there are to be apart in."""

from __future__ import annotations

from eqae.evaluation.report.aside import Aside
from eqae.evaluation.report.figures.explained_variance import explained_variance
from eqae.evaluation.report.markup import Markup, figure, join, tag
from eqae.evaluation.report.standings import Column, conditions
from eqae.evaluation.report.subject import Subject
from eqae.evaluation.report.table import model_label, score_table
from eqae.evaluation.report.vocabulary import condition_wording

_HOW_TO_READ = (
    "All distances are angles between standardised features. By orbit: a turned copy should find its own original "
    "before any other image, and an exactly invariant extractor that tells all images apart has recall, mAP and AUC "
    "of 100 % and a separation of 0. Above a separation of 1, turning an image moves it farther than its nearest "
    "neighbour lies. Copies: one threshold on the angle for all images at once, with other images, of the same classes "
    "where they are known, among the queries; all copies are turned ones, none is cropped or blurred. "
    "By class: how many of the nearest images show the same kind; 100 % is perfect, for the mean average precision the "
    "share of the class is chance. Intervals of classes and copies ask other queries of the same gallery."
)
_ORBIT = ("orbit_recall_at_1", "orbit_map", "orbit_auc", "orbit_separation_ratio")
_COPY = ("copy_detection_map", "copy_detection_recall_at_p90")
_CLASS = ("class_map", "class_recall_at_1", "class_recall_at_5")
_SPECTRUM = (
    "effective_rank", "participation_ratio", "components_for_90", "components_for_95", "components_for_99",
)  # fmt: skip
_SPECTRUM_NOTE = (
    "Directions in use: no value is good in itself. One far below the width says that most features repeat each "
    "other, one near 1 that everything has collapsed onto a line."
)
_CAPTION = "Share of the variance of the training features in their first principal components. Dotted: 95 %."


def retrieval_section(subject: Subject) -> Markup:
    """A table a condition for orbits and copies, one for classes, and the spectrum."""
    parts = [*_orbits(subject), _classes(subject), _spectrum(subject)]
    return join(tag("p", _HOW_TO_READ), *parts) if any(parts) else Markup()


def _orbits(subject: Subject) -> list[Markup]:
    measured = [name for name in conditions(subject.results, "orbit_recall_at_1") if name]
    tables = {name: score_table(subject, _columns(name)) for name in measured}
    return [join(tag("h3", f"Orbits: {condition_wording(name)}"), table) for name, table in tables.items() if table]


def _columns(condition: str) -> list[Column]:
    return [
        *(Column(metric, condition, group="Orbit") for metric in _ORBIT),
        *(Column(metric, condition, group="Copy detection") for metric in _COPY),
    ]


def _classes(subject: Subject) -> Markup:
    table = score_table(subject, [Column(metric) for metric in _CLASS])
    return join(tag("h3", "Classes"), table) if table else Markup()


def _spectrum(subject: Subject) -> Markup:
    table, curves = (
        score_table(subject, [Aside(metric) for metric in _SPECTRUM]),
        subject.drawings("explained_variance"),
    )
    if not table and not curves:
        return Markup()
    legend = tag("p", *(model_label(subject, model) for model in curves), class_="legend")
    curve = figure(join(legend, explained_variance(curves, subject.colours)), _CAPTION) if curves else Markup()
    return join(tag("h3", "Explained variance"), tag("p", _SPECTRUM_NOTE), table, curve)
