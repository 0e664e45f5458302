"""How a linear probe parts the space, and where test images lie: in which region, and how far from the known ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eqae.evaluation.report.aside import Aside
from eqae.evaluation.report.figures.boundary_histogram import boundary_histogram
from eqae.evaluation.report.figures.film_strip import film_strip
from eqae.evaluation.report.figures.heatmap import colour_bar, heatmaps, shared_scale
from eqae.evaluation.report.figures.hull_curves import hull_curves
from eqae.evaluation.report.markup import Markup, figure, join, tag
from eqae.evaluation.report.standings import Column, conditions
from eqae.evaluation.report.subject import Subject
from eqae.evaluation.report.table import model_label, score_table

_HOW_TO_READ = (
    "A linear probe cuts the features into one convex region a class, and the distance to the nearest cut is known "
    "exactly: within it, no change of the features changes the answer. It is good if right answers lie far from the "
    "boundary and mistakes close to it; an AUC of 1 means that distance alone finds every mistake, 0.5 is chance. "
    "Distances are shares of the median distance between images, so that models can be compared. Reachable distances "
    "are medians over boundary points without negative features, where features have none: the more images are "
    "unreachable, the safer. Adjacent is the share of pairs of classes that border on each other: with few classes in "
    "many dimensions it is 100 % of any model and says nothing; below that, some mistakes take a detour by a third "
    "class."
)
_HULLS = (
    "The hull of the training images is all that lies between them. Whether a test image is inside is decided by the "
    "number of dimensions first of all, so a share inside means nothing without its control, a Gaussian cloud of the "
    "same covariance, size and dimension. Read the ratio: below 1, test images are closer to the known ones than in a "
    "structureless cloud. Pixels are the same ratio for the images themselves: a ratio below "
    "theirs is structure that the model has added. Where images are undecided, the share inside is a lower bound. "
    "Label purity is good near 1: what an image is mixed from has its own class. The hull of the own class should be "
    "nearer than every other one, and nearer than its control, where each class is a Gaussian; right answers should "
    "lie nearer to the hull of all images than wrong ones."
)
_HISTOGRAMS = (
    "Distance to the boundary, as a share of the median distance between images: right answers grey, mistakes "
    "outlined, each as shares of their own number. The last bin holds all that lies beyond."
)
_CURVES = (
    "Solid: features in their first principal components. Dashed: Gaussian control. Dotted: the same coordinates, "
    "each shuffled by itself. What lies between solid and dashed is structure."
)
_CLASSES = (
    "How far the class of a column is from images of the class of a row, rightly classified: the mean exact distance "
    "to its region, as a share of the median distance between images. Dark pairs are easily mistaken."
)
_CLASS_HULLS = (
    "Mean distance from test images of the class of a row to the hull of the training images of the class of a column, "
    "as a share of the median distance between images. Good is a diagonal darker than all else in its row: an image is "
    "more like a mixture of its own kind than of any other."
)
_FILM = (
    "From the left: a test image; its reconstruction; the nearest point at which a linear probe on the codes changes "
    "its answer, decoded; the nearest point between training codes, decoded. Below each: true class, the probe's "
    "answer → the class across the boundary, and both distances over the median distance between codes. A boundary "
    "point that looks like the reconstruction shows how little the answer hangs on."
)
_MORPH = (
    "The straight way between the codes of two test images of different classes, decoded, and what the probe says of "
    "each frame."
)


_BOUNDARY = "Distance to boundary"
_REGIONS = "Regions in the box"
_ALL = "Distance to the hull"
_OF_CLASS = "Hulls of classes"
_REGION_COLUMNS = (
    Aside("boundary_distance", group=_BOUNDARY, title="all"),
    Aside("boundary_distance_correct", group=_BOUNDARY, title="right"),
    Aside("boundary_distance_wrong", group=_BOUNDARY, title="wrong"),
    Aside("boundary_distance_nonnegative", group=_BOUNDARY, title="reachable"),
    Aside("boundary_unreachable_share", group=_BOUNDARY, title="unreachable"),
    Aside("boundary_negative_share", group=_BOUNDARY, title="negative"),
    Column("boundary_auc"),
    Aside("margin_entropy_correlation"),
    Column("region_purity"),
    Aside("region_ball_radius", group=_REGIONS, title="ball"),
    Aside("region_volume_evenness", group=_REGIONS, title="evenness"),
    Aside("region_adjacent_share", group=_REGIONS, title="adjacent"),
)


def geometry_section(subject: Subject) -> Markup:
    """Tables of regions and of hulls with their figures, and decoded pictures where there is a decoder."""
    classes = _class_matrices(subject, "class_distances", _CLASSES)
    regions = join(score_table(subject, _REGION_COLUMNS), _histograms(subject), classes)
    tables = (score_table(subject, columns) for columns in _hull_columns(subject))
    hulls = join(*tables, _curves(subject), _class_matrices(subject, "hull_class_distances", _CLASS_HULLS))
    films = join(_films(subject), _morphs(subject))
    return join(
        join(tag("p", _HOW_TO_READ), regions) if regions else Markup(),
        join(tag("h3", "Hull of the training images"), tag("p", _HULLS), hulls) if hulls else Markup(),
        join(tag("h3", "Seen through the decoder"), films) if films else Markup(),
    )


def _hull_columns(subject: Subject) -> tuple[list[Column], list[Column]]:
    by_dimension: list[Column] = []
    undecided = any(row.metric == "hull_undecided_share" and row.value > 0 for row in subject.results.rows)
    for condition in conditions(subject.results, "hull_distance"):
        by_dimension += [
            Aside("hull_inside_share", condition, group=condition, title="inside"),
            *([Aside("hull_undecided_share", condition, group=condition, title="undecided")] if undecided else []),
            Aside("hull_inside_share_gaussian", condition, group=condition, title="control"),
            Aside("hull_control_ratio", condition, group=condition, title="ratio"),
            Aside("hull_control_ratio", f"pixels, {condition}", group=condition, title="pixels"),
        ]
    others: list[Column] = []
    for condition in conditions(subject.results, "nearest_hull_accuracy"):
        others += [
            Column("nearest_hull_accuracy", condition, group=condition),
            Column("hull_label_purity", condition, group=condition),
            Aside("hull_active_vertices", condition, group=condition),
            Aside("hull_boundary_ratio", condition, group=condition),
            Aside("hull_distance_correct", condition, group=f"{_ALL}, {condition}", title="right"),
            Aside("hull_distance_wrong", condition, group=f"{_ALL}, {condition}", title="wrong"),
            Aside("own_hull_distance", condition, group=f"{_OF_CLASS}, {condition}", title="own"),
            Aside("own_hull_distance_gaussian", condition, group=f"{_OF_CLASS}, {condition}", title="control"),
            Aside("other_hull_distance", condition, group=f"{_OF_CLASS}, {condition}", title="other"),
            Aside("own_hull_inside_share", condition, group=f"{_OF_CLASS}, {condition}", title="inside own"),
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


def _class_matrices(subject: Subject, name: str, caption: str) -> Markup:
    """A matrix a model, of one colour scale, and its closest pair in words."""
    found = subject.drawings(name)
    if not found:
        return Markup()
    matrices = {model: np.asarray(drawing["distances"], dtype=np.float64) for model, drawing in found.items()}
    scale = shared_scale({model: {"": matrix} for model, matrix in matrices.items()})
    panels = [
        tag(
            "div",
            model_label(subject, model),
            heatmaps({"": matrix}, scale, f"Mean distances from images of each class to every class, {model}."),
            tag("small", _closest_pair(matrix, found[model]["classes"])),
            class_="panel",
        )
        for model, matrix in matrices.items()
    ]
    return figure(join(colour_bar(scale), tag("div", *panels, class_="panels")), caption)


def _closest_pair(matrix: NDArray[np.float64], classes: Sequence[str]) -> str:
    others = np.where(np.eye(len(matrix), dtype=bool), np.nan, matrix)
    if not np.isfinite(others).any():
        return "No class can be reached from another."
    here, there = divmod(int(np.nanargmin(others)), len(classes))
    return f"Closest: {classes[here]} to {classes[there]}, {others[here, there]:.2g} on average."


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
            *_rows(model, drawing),
            class_="panel",
        )
        for model, drawing in subject.drawings("boundary_film").items()
    ]
    return figure(tag("div", *panels, class_="panels"), _FILM) if panels else Markup()


def _rows(model: str, drawing: Mapping[str, Any]) -> Iterator[Markup]:
    """Each row of the film, and below it what it shows."""
    alt = f"{', '.join(drawing['columns'])}: a test image of {model}."
    for images, row in zip(_pictures(drawing["images"]), drawing["rows"], strict=True):
        yield film_strip(images[None], alt)
        yield tag("small", _row(row))


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
    runs = [(label, len(list(run))) for label, run in groupby(labels)]
    said = [tag("span", label, style=f"grid-column: span {count}") for label, count in runs]
    alt = f"{len(labels)} frames between two test images, decoded by {model}."
    below = tag("div", *said, class_="poses frames", style=style)
    return tag("div", film_strip(_pictures(drawing["frames"])[None], alt), below)


def _pictures(images: Any) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.asarray(images, dtype=np.uint8)
