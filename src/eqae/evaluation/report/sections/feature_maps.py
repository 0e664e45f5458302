"""The features of the test images in the plane."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eqae.evaluation.report.colours import OTHER
from eqae.evaluation.report.figures.feature_map import class_colours, feature_map, largest_classes
from eqae.evaluation.report.markup import Markup, figure, join, tag
from eqae.evaluation.report.subject import Subject
from eqae.evaluation.report.table import model_label

_KINDS = {
    "pca": (
        "PCA",
        "The first two principal components. Distances are to be trusted, "
        "crowding is not: two components see little of many.",
    ),
    "tsne": (
        "t-SNE",
        "Neighbours stay neighbours; distances between islands and their sizes mean nothing.",
    ),
}


def feature_maps(subject: Subject) -> Markup:
    """PCA and t-SNE of each model's features, coloured by class."""
    drawings = subject.drawings("projection")
    if not drawings:
        return Markup()
    first = next(iter(drawings.values()))
    labels: NDArray[np.integer] = np.asarray(first["labels"], dtype=np.int64)
    shown = largest_classes(labels)
    maps = [_maps(subject, drawings, kind, shown) for kind in _KINDS]
    return join(_legend(subject, labels, shown), *maps)


def _maps(subject: Subject, drawings: Mapping[str, Any], kind: str, shown: Sequence[int]) -> Markup:
    title, caption = _KINDS[kind]
    panels = [
        _panel(subject, model, drawing, kind, shown)
        for model, drawing in drawings.items()
        if drawing.get(kind) is not None
    ]
    if not panels:
        return Markup()
    return join(tag("h3", title), figure(tag("div", *panels, class_="panels"), caption))


def _panel(subject: Subject, model: str, drawing: Mapping[str, Any], kind: str, shown: Sequence[int]) -> Markup:
    points: NDArray[np.floating] = np.asarray(drawing[kind], dtype=float)
    labels: NDArray[np.integer] = np.asarray(drawing["labels"], dtype=np.int64)
    picture = feature_map(points, labels, shown, f"{_KINDS[kind][0]} of the features of {model}.")
    explained = drawing.get("explained") if kind == "pca" else None
    shares = (
        tag("small", f"{' + '.join(f'{100 * share:.0f}' for share in explained)} % of the variance")
        if explained is not None
        else ""
    )
    return tag("div", model_label(subject, model), picture, shares, class_="panel")


def _legend(subject: Subject, labels: NDArray[np.integer], shown: Sequence[int]) -> Markup:
    if not shown:
        return tag("p", "The images carry no labels, so the dots have one colour.", class_="note")
    names: Sequence[str] = next((drawing["classes"] for drawing in subject.drawings("confusion").values()), [])
    chips = [
        tag("span", _swatch(colour), str(names[label]) if label < len(names) else str(label), class_="model")
        for label, colour in class_colours(shown).items()
    ]
    others = len(np.unique(labels[labels >= 0])) - len(shown)
    if others:
        chips.append(tag("span", _swatch(OTHER), f"{others} smaller classes", class_="model"))
    return tag("p", *chips, class_="legend")


def _swatch(colour: str) -> Markup:
    return tag("i", class_="swatch", style=f"background:{colour}")
