"""Proof that features do not change when the picture turns, or by how much they do."""

from __future__ import annotations

from eqae.evaluation.report.figures.angle_curve import angle_curve
from eqae.evaluation.report.markup import Markup, figure, join, tag
from eqae.evaluation.report.standings import Column, conditions
from eqae.evaluation.report.subject import Subject
from eqae.evaluation.report.table import model_label, score_table
from eqae.evaluation.report.vocabulary import condition_wording

_HOW_TO_READ = (
    "The error is how far features move when the image is turned, as a share of their length. An exact group leaves "
    "rounding alone, about 1e-07, and does so untrained too: it is built in, not learnt. Angles off the pixel "
    "lattice change the image itself, by interpolation; the floor is what turning there and back costs, and an error "
    "of its size comes from the pixels, not from the network. A constant would have no error at all, so read the "
    "ratio too: movement over the mean distance between different images. Below 1, turned copies lie closer than "
    "strangers; a constant has no ratio."
)
_CAPTION = (
    "Lines: error of the trained models. Dotted: their interpolation floors. At quarter turns no pixel is "
    "interpolated: exact models drop to rounding, and their lines break; the dots below, side by side, say how far."
)
_CAPTION_UNTRAINED = " Broad and faint: {} before training."


def invariance_section(subject: Subject) -> Markup:
    """Errors per condition, before and after training, and the curve against angle."""
    measured = conditions(subject.results, "relative_invariance_error")
    columns = [column for condition in measured for column in _columns(condition)]
    table, curve = score_table(subject, columns), _curve(subject)
    return join(tag("p", _HOW_TO_READ), table, curve) if table or curve else Markup()


def _columns(condition: str) -> tuple[Column, ...]:
    group = condition_wording(condition)
    return (
        Column("relative_invariance_error", condition, group=group, title="error"),
        Column("relative_invariance_error", condition, untrained=True, group=group, title="untrained"),
        Column("relative_interpolation_floor", condition, group=group),
        Column("invariance_ratio", condition, group=group),
    )


def _curve(subject: Subject) -> Markup:
    curves = subject.drawings("angle_curve")
    if not curves:
        return Markup()
    first = next(iter(curves))
    faint = _CAPTION_UNTRAINED.format(first) if curves[first].get("untrained") is not None else ""
    legend = tag("p", *(model_label(subject, model) for model in curves), class_="legend")
    return figure(join(legend, angle_curve(curves, subject.colours)), _CAPTION + faint)
