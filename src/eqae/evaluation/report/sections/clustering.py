"""Whether the classes show without any label, and what the clusters look like."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from eqae.data.base import as_float
from eqae.evaluation.clusters import Cluster, Clusters
from eqae.evaluation.report.figures.contact_sheet import Pixels, contact_sheet
from eqae.evaluation.report.markup import Markup, figure, join, tag
from eqae.evaluation.report.standings import Column
from eqae.evaluation.report.subject import Subject
from eqae.evaluation.report.table import model_label, score_table

if TYPE_CHECKING:
    from eqae.data.base import Dataset

_METHODS = {"kmeans": "k-means", "gmm": "Gaussian mixture", "spectral": "spectral clustering"}
_LABEL_FREE = {"cluster_stability": "stability", "neighbour_consistency": "neighbours"}
_MEASURES = {"acc": "ACC", "purity": "purity", "nmi": "NMI", "ari": "ARI", "silhouette": "silhouette"}
_HOW_TO_READ = (
    "Clusters are found in the features of the training images: by default as many as there are classes, and without "
    "classes ten, or one for every ten images where there are fewer than a hundred. Labels only judge them. ACC "
    "matches clusters and classes one to one; purity lets several clusters share a class and is never lower. The "
    "silhouette is near 1 where clusters lie apart and near 0 where they touch; stability, an ARI, is 1 where parts of "
    "the images give the same clusters; neighbours are those of the ten nearest that share an image's cluster. These "
    "three need no label."
)
_MOST_SHEETS = 20
_SHEET = (
    "Framed: the medoid, the image nearest to the cluster's centre. Beside it the next nearest, row by row; on the "
    "right, apart, the farthest. Where the farthest are of the kind of the medoid, the cluster is pure; where they are "
    "not, ask for more clusters. Pictures are what the model sees, after resizing."
)


def clustering(subject: Subject) -> Markup:
    """What clusters share with classes, what they are without them, and contact sheets of the main model."""
    columns = [
        Column(f"{method}_{measure}", group=group, title=title)
        for method, group in _METHODS.items()
        for measure, title in _MEASURES.items()
    ]
    columns += [Column(metric, group="k-means, no labels", title=title) for metric, title in _LABEL_FREE.items()]
    shown = join(score_table(subject, columns), _sheets(subject))
    return join(tag("p", _HOW_TO_READ), shown) if shown else Markup()


def _sheets(subject: Subject) -> Markup:
    main = next(iter(subject.models), "")
    clusters: Clusters | None = subject.drawings("clusters").get(main)
    if subject.images is None or clusters is None:
        return Markup()
    shown = clusters["clusters"][:_MOST_SHEETS]
    panels = [_panel(number, cluster, subject.images) for number, cluster in enumerate(shown, 1)]
    return join(
        tag("h3", "What the clusters look like"),
        tag("p", *_introduction(subject, main, clusters)),
        figure(tag("div", *panels, class_="panels sheets"), _SHEET),
    )


def _introduction(subject: Subject, main: str, clusters: Clusters) -> Iterator[str]:
    count, images = len(clusters["clusters"]), f"{len(clusters['of_image']):,}"
    yield from (f"k-means clusters of all {images} images by the features of ", model_label(subject, main))
    yield ", the model this page is about; test images are in the cluster whose centre is nearest. "
    yield f"Of {count} clusters, the {_MOST_SHEETS} largest. " if count > _MOST_SHEETS else "The largest is number 1. "
    if subject.images is not None and subject.images.train.names:
        yield "Which image is in which stands in features.csv."


def _panel(number: int, cluster: Cluster, images: Dataset) -> Markup:
    size = f"{cluster['size']:,} image{'s' if cluster['size'] > 1 else ''}"
    sheet = contact_sheet(
        _picture(images, cluster["medoid"]),
        _pictures(images, cluster["nearest"]),
        _pictures(images, cluster["farthest"]),
        f"Cluster {number}, {size}: the medoid, its neighbours and the farthest members.",
    )
    return tag(
        "div", tag("b", f"Cluster {number}"), f" · {size}", sheet, tag("small", _words(cluster, images)), class_="panel"
    )


def _words(cluster: Cluster, images: Dataset) -> str:
    """The file of the medoid and the majority class, where there are any."""
    names = (*images.train.names, *images.test.names)
    parts = [f"medoid {names[cluster['medoid']]}"] if names else []
    if cluster["labelled"]:
        of = "" if cluster["labelled"] == cluster["size"] else f" of {cluster['labelled']:,} labelled"
        parts.append(f"{cluster['share']:.0%} {cluster['majority']}{of}")
    return " · ".join(parts)


def _pictures(images: Dataset, places: Iterable[int]) -> list[Pixels]:
    return [_picture(images, int(place)) for place in places]


def _picture(images: Dataset, place: int) -> Pixels:
    """One image ``(C, H, W)`` of 8 bits; test images are numbered after the training images."""
    split, index = (images.train, place) if place < len(images.train) else (images.test, place - len(images.train))
    return np.asarray(as_float(split.pixels[index]).mul(255).round().byte().numpy())
