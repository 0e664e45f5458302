"""How a linear probe parts the space, and where test images lie: in which region, and how far from the known ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from eqae.evaluation.report.figures.boundary_histogram import boundary_histogram
from eqae.evaluation.report.figures.film_strip import film_strip
from eqae.evaluation.report.figures.hull_curves import hull_curves
from eqae.evaluation.report.markup import Markup, figure, join, tag
from eqae.evaluation.report.standings import Column, conditions
from eqae.evaluation.report.subject import Subject
from eqae.evaluation.report.table import model_label, score_table

_HOW_TO_READ = (
    "A linear probe cuts the features into one convex region a class, and the distance to the nearest cut is known "
    "exactly: within it, no change of the features changes the answer. It is good if right answers lie far from the "
    "boundary and mistakes close to it; an AUC of 1 means that distance alone finds every mistake, 0.5 is chance. "
    "Distances are shares of the median distance between images, so that models can be compared."
)
_HULLS = (
    "The hull of the training images is all that lies between them. Whether a test image is inside is decided by the "
    "number of dimensions first of all, so a share inside means nothing without its control, a Gaussian cloud of the "
    "same covariance, size and dimension. Read the ratio: below 1, test images are closer to the known ones than in a "
    "structureless cloud. Label purity is good near 1: what an image is mixed from has its own class."
)
_HISTOGRAMS = (
    "Distance to the boundary, as a share of the median distance between images: right answers grey, mistakes "
    "outlined, each as shares of their own number. The last bin holds all that lies beyond."
)
_CURVES = (
    "Solid: features in their first principal components. Dashed: Gaussian control. Dotted: the same coordinates, "
    "each shuffled by itself. What lies between solid and dashed is structure."
)
_FILM = (
    "From the left: a test image; its reconstruction; the nearest point at which a linear probe on the codes changes "
    "its answer, decoded; the nearest point between training codes, decoded. Below: true class, the probe's answer → "
    "the class across the boundary, and both distances over the median distance between codes. A boundary point "
    "that looks like the reconstruction shows how little the answer hangs on."
)
_MORPH = (
    "The straight way between the codes of two test images of different classes, decoded, and what the probe says of "
    "each frame."
)


@dataclass(frozen=True)
class _Fact(Column):
    """A figure of which neither more nor less is better."""

    @property
    def is_ranked(self) -> bool:
        return False


_BOUNDARY = "Distance to boundary"
_REGIONS = "Regions in the box"
_REGION_COLUMNS = (
    _Fact("boundary_distance", group=_BOUNDARY, title="all"),
    _Fact("boundary_distance_correct", group=_BOUNDARY, title="right"),
    _Fact("boundary_distance_wrong", group=_BOUNDARY, title="wrong"),
    Column("boundary_auc"),
    _Fact("margin_entropy_correlation"),
    Column("region_purity"),
    _Fact("region_ball_radius", group=_REGIONS, title="ball"),
    _Fact("region_volume_evenness", group=_REGIONS, title="evenness"),
    _Fact("region_adjacent_share", group=_REGIONS, title="adjacent"),
)


def geometry_section(subject: Subject) -> Markup:
    """Tables of regions and of hulls with their figures, and decoded pictures where there is a decoder."""
    regions = join(score_table(subject, _REGION_COLUMNS), _histograms(subject))
    hulls = join(*(score_table(subject, columns) for columns in _hull_columns(subject)), _curves(subject))
    films = join(_films(subject), _morphs(subject))
    return join(
        join(tag("p", _HOW_TO_READ), regions) if regions else Markup(),
        join(tag("h3", "Hull of the training images"), tag("p", _HULLS), hulls) if hulls else Markup(),
        join(tag("h3", "Seen through the decoder"), films) if films else Markup(),
    )


def _hull_columns(subject: Subject) -> tuple[list[Column], list[Column]]:
    by_dimension: list[Column] = []
    for condition in conditions(subject.results, "hull_distance"):
        by_dimension += [
            _Fact("hull_inside_share", condition, group=condition, title="inside"),
            _Fact("hull_inside_share_gaussian", condition, group=condition, title="control"),
            _Fact("hull_control_ratio", condition, group=condition, title="ratio"),
        ]
    others: list[Column] = []
    for condition in conditions(subject.results, "nearest_hull_accuracy"):
        others += [
            Column("nearest_hull_accuracy", condition, group=condition),
            Column("hull_label_purity", condition, group=condition),
            _Fact("hull_active_vertices", condition, group=condition),
            _Fact("hull_boundary_ratio", condition, group=condition),
        ]
    others.append(Column("class_hulls_pure_share"))
    return by_dimension, others


def _histograms(subject: Subject) -> Markup:
    panels = [
        tag("div", model_label(subject, model), boundary_histogram(drawing, _alt(model)), class_="panel")
        for model, drawing in subject.drawings("boundary_distances").items()
    ]
    return figure(tag("div", *panels, class_="panels"), _HISTOGRAMS) if panels else Markup()


def _alt(model: str) -> str:
    return f"Histogram of the distances to the decision boundary of {model}, right answers and mistakes apart."


def _curves(subject: Subject) -> Markup:
    tables = subject.drawings("hull_table")
    if not tables:
        return Markup()
    legend = tag("p", *(model_label(subject, model) for model in tables), class_="legend")
    return figure(join(legend, hull_curves(tables, subject.colours)), _CURVES)


def _films(subject: Subject) -> Markup:
    panels = [
        tag(
            "div",
            model_label(subject, model),
            film_strip(_pictures(drawing["images"]), f"{', '.join(drawing['columns'])}: test images of {model}."),
            tag("small", _rows(drawing["rows"])),
            class_="panel",
        )
        for model, drawing in subject.drawings("boundary_film").items()
    ]
    return figure(tag("div", *panels, class_="panels"), _FILM) if panels else Markup()


def _rows(rows: Sequence[Mapping[str, Any]]) -> Markup:
    """One line a row of the film, in its order."""
    return join(*(tag("div", _row(row)) for row in rows))


def _row(row: Mapping[str, Any]) -> str:
    distances = f"{row['boundary_distance']:.2g} and {row['hull_distance']:.2g}"
    return f"{row['truth']}: {row['said']} → {row['across']}, {distances}"


def _morphs(subject: Subject) -> Markup:
    strips = [
        tag("div", tag("div", model_label(subject, model), class_="name"), _frames(model, drawing), class_="strip")
        for model, drawing in subject.drawings("morph_film").items()
    ]
    return figure(tag("div", *strips, class_="strips"), _MORPH) if strips else Markup()


def _frames(model: str, drawing: Mapping[str, Any]) -> Markup:
    labels = [str(label) for label in drawing["labels"]]
    style = f"grid-template-columns: repeat({len(labels)}, minmax(0, 1fr))"
    said = tag("div", *(tag("span", label) for label in labels), class_="poses", style=style)
    alt = f"{len(labels)} frames between two test images, decoded by {model}."
    return tag("div", film_strip(_pictures(drawing["frames"])[None], alt), said)


def _pictures(images: Any) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.asarray(images, dtype=np.uint8)
