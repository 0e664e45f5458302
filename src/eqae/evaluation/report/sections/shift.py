"""Whether features stay the same when the object moves over the frame."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from eqae.evaluation.report.figures.heatmap import colour_bar, heatmaps, shared_scale
from eqae.evaluation.report.figures.polar import orbit_polar
from eqae.evaluation.report.figures.pose_strip import pose_strip
from eqae.evaluation.report.markup import Markup, figure, join, tag
from eqae.evaluation.report.standings import Column, conditions
from eqae.evaluation.report.subject import Subject
from eqae.evaluation.report.table import model_label, score_table
from eqae.evaluation.report.vocabulary import condition_wording
from eqae.evaluation.shift.canvas import ANCHORS

_HOW_TO_READ = (
    "An object is cut from its image and put at every place of the frame; the cosine says how alike its features are "
    "to those at an anchor: top left, top right, centre, bottom left, bottom right. A shift-invariant model has 1 "
    "everywhere, a ratio of 0, no stride artefact, and a position that cannot be read: AUC 0.5, R² 0. A constant would "
    "have cosines of 1 too, so read them against the floor, the cosine of different objects at one place, and read "
    "the ratio: at 1, position matters as much as identity. In the same way decisions that agree say something where "
    "different objects get different ones. The interior leaves out places near the frame's edge, where padding shows; "
    "its shifts are shorter too, so compare what models gain there. Nothing here was trained on shifted objects."
)
_MAPS = (
    "Mean cosine of the features at each place to those at the ringed anchor, over all objects; one colour scale for "
    "all models. The bright part says how far an object may move; stripes or a checkerboard are the imprint of strides."
)
_POLAR = (
    "The same question for turns: mean cosine of the features of an image and of its turned copies, 1 on the rim. "
    "Rings: mirrored first, then turned. Dashed: different images, which a useful feature stays clear of."
)
_COSINE = (
    *(Column("shift_global_cosine", anchor, group="Cosine to anchor", title=anchor) for anchor in ANCHORS),
    Column("shift_worst_cosine", group="Cosine to anchor", title="worst"),
    Column("shift_interior_cosine", group="Cosine to anchor", title="C, interior"),
)
_RECTANGLE = 0.95  # of a bounding box covered: hardly any background was found in it
_LOCAL = "Cosine of neighbours"
_FOLDS = {"shuffled folds": "shuffled", "ordered folds": "ordered"}


def shift_section(subject: Subject) -> Markup:
    """Figures, five heatmaps a model, and the circle of turns."""
    tables = [score_table(subject, columns) for columns in (_cosines(subject), _positions(subject), _orbits(subject))]
    cosines, positions, orbits = tables
    maps, circle = _maps(subject), _circle(subject)
    if not any((*tables, maps, circle)):
        return Markup()
    return join(tag("p", _HOW_TO_READ), cosines, positions, maps, orbits, circle)


def _cosines(subject: Subject) -> list[Column]:
    near = conditions(subject.results, "shift_local_cosine")
    return [
        *_COSINE,
        *(Column("shift_local_cosine", radius, group=_LOCAL, title=radius) for radius in near),
        Column("shift_cosine_floor"),
        Column("shift_invariance_ratio"),
    ]


def _positions(subject: Subject) -> list[Column]:
    strides = conditions(subject.results, "shift_stride_artefact")
    reach = conditions(subject.results, "shift_prediction_consistency")
    return [
        *(
            Column("shift_stride_artefact", stride, group="Stride artefact", title=stride.removeprefix("stride "))
            for stride in strides
        ),
        *(Column("shift_decodability", folds, group="Position, AUC", title=title) for folds, title in _FOLDS.items()),
        Column("shift_position_r2"),
        *(Column("shift_prediction_consistency", shift, group="Same decision", title=shift) for shift in reach),
        Column("shift_prediction_floor", group="Same decision"),
    ]


def _orbits(subject: Subject) -> list[Column]:
    turned = conditions(subject.results, "orbit_cosine")
    return [
        *(Column("orbit_cosine", name, group="Cosine under turns", title=condition_wording(name)) for name in turned),
        Column("orbit_cosine_floor"),
    ]


def _maps(subject: Subject) -> Markup:
    drawings = subject.drawings("shift_maps")
    if not drawings:
        return Markup()
    maps = {model: _arrays(drawing["maps"]) for model, drawing in drawings.items()}
    scale = shared_scale(maps, highest=1.0)
    rows = [_examples(next(iter(drawings.values())))]
    for model, drawing in drawings.items():
        picture = heatmaps(maps[model], scale, _alt(model), drawing["anchors"])
        rows.append(_row(join(model_label(subject, model), _remark(drawing)), picture))
    return figure(join(tag("div", *rows, class_="strips"), colour_bar(scale)), f"{_MAPS} {_coverage(drawings)}")


def _coverage(drawings: Mapping[str, Mapping[str, Any]]) -> str:
    share = max(float(drawing["coverage"]) for drawing in drawings.values())
    doubt = ": their background was not told apart, and they move as rectangles" if share > _RECTANGLE else ""
    return f"Objects cover {100 * share:.0f} % of their bounding boxes on average{doubt}."


def _examples(drawing: Mapping[str, Any]) -> Markup:
    headings = [tag("span", anchor) for anchor in ANCHORS]
    names = tag("div", *headings, class_="poses", style=f"grid-template-columns: repeat({len(ANCHORS)}, 1fr)")
    strip = pose_strip(torch.tensor(drawing["examples"]) / 255, "One object at the five anchors.")
    return _row(Markup("one object"), tag("div", names, strip))


def _row(name: Markup, picture: Markup) -> Markup:
    return tag("div", tag("div", name, class_="name"), picture, class_="strip")


def _arrays(maps: Mapping[str, Any]) -> dict[str, NDArray[np.floating]]:
    return {anchor: np.asarray(values, dtype=float) for anchor, values in maps.items()}


def _alt(model: str) -> str:
    return f"Mean cosine of the features of {model} at each place of the frame to those at five anchors."


def _remark(drawing: Mapping[str, Any]) -> Markup:
    floor = drawing["floor"]
    words = [] if floor is None else [f"different objects {floor:.2f}"]
    if drawing["undefined"]:
        words.append(f"{drawing['undefined']:,} of {drawing['placements']:,} placements without a feature count as 0")
    return tag("small", "; ".join(words))


def _circle(subject: Subject) -> Markup:
    curves = subject.drawings("orbit_polar")
    if not curves:
        return Markup()
    legend = tag("p", *(model_label(subject, model) for model in curves), class_="legend")
    return figure(join(legend, orbit_polar(curves, subject.colours)), _POLAR)
