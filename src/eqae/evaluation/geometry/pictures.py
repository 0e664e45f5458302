"""What the decoder makes of points that geometry names: the boundary, the hull, and the way between two images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from eqae.data.base import UNLABELED, Dataset
from eqae.evaluation.evidence import Code, Evidence, FloatArray, IntArray
from eqae.evaluation.geometry.boundary import boundary_points, nearest_boundary
from eqae.evaluation.geometry.hull import project_on_hull
from eqae.evaluation.geometry.regions import probe_regions
from eqae.evaluation.geometry.scales import median_distance
from eqae.evaluation.linear_probe import LinearProbe, fit_probe
from eqae.evaluation.sampling import spread_evenly

DoubleArray = NDArray[np.float64]

COLUMNS = ("original", "reconstruction", "boundary point", "hull projection")

_VERTICES = 2000
_LARGEST = 64  # pixels a side; larger images are reduced


@dataclass(frozen=True, eq=False)
class Gallery:
    """Codes with a probe of their own, and the images to show.

    Attributes:
        code: decodable vectors.
        pixels: the images.
        probe: fitted on the training codes.
        names: of the classes, by label.
        labels: of the test images, ``(N,)``.
        index: of the test images in their split, ``(N,)``.
        said: what the probe takes them for, ``(N,)``.
    """

    code: Code
    pixels: Dataset
    probe: LinearProbe
    names: tuple[str, ...]
    labels: IntArray
    index: IntArray
    said: IntArray

    def name(self, label: int) -> str:
        """Name of a class; the label itself where classes have none, a question mark where it is not known."""
        if label == UNLABELED:
            return "?"
        return self.names[label] if label < len(self.names) else str(label)

    def standard(self, rows: IntArray) -> DoubleArray:
        """Standardised codes of test images."""
        return self.probe.standardize(self.code.test[rows]).astype(np.float64)

    def decode(self, standard: DoubleArray) -> NDArray[np.uint8]:
        """Images ``(B, C, H, W)`` of standardised codes."""
        return _thumbnails(self.code.decode(np.asarray(self.probe.scaler.inverse_transform(standard), np.float32)))


def open_gallery(evidence: Evidence) -> Gallery | None:
    """The gallery of ``evidence``; None for a model without a decoder, or where the images are not at hand.

    Raises:
        NotAvailable: fewer than two classes among the labelled training images.
    """
    code, pixels, test = evidence.code, evidence.pixels, evidence.test
    if code is None or pixels is None:
        return None
    probe = fit_probe(code.train, evidence.train.labels, evidence.seed)
    index = np.arange(len(test.labels)) if test.index is None else test.index
    return Gallery(code, pixels, probe, evidence.class_names, test.labels, index, probe.predict(code.test))


def boundary_film(gallery: Gallery, images: int) -> dict[str, Any]:
    """Some test images, mistakes among them, beside what is decoded from their codes' neighbourhood.

    Columns: the image; its reconstruction; the nearest point of the decision boundary of a probe on the standardised
    codes; the projection on the convex hull of up to 2,000 training codes. ``rows`` names the true class, the class
    the probe gives, the class across the boundary, and both distances over the median distance between training
    codes. ``images`` is ``(rows, columns, C, H, W)``, uint8.
    """
    chosen = _some_of_each(gallery, images)
    here = gallery.standard(chosen)
    regions = probe_regions(gallery.probe)
    boundary = nearest_boundary(regions, here)
    across = np.where(np.isfinite(boundary.distances)[:, None], boundary_points(regions, here, boundary), here)
    train = gallery.code.train[spread_evenly(len(gallery.code.train), _VERTICES)]
    vertices = gallery.probe.standardize(train).astype(np.float64)
    hull = project_on_hull(here, vertices)
    scale = median_distance(vertices)
    columns = [_originals(gallery, chosen), *(gallery.decode(points) for points in (here, across, hull.points))]
    rows = [
        {
            "truth": gallery.name(int(gallery.labels[row])),
            "said": gallery.name(int(gallery.said[row])),
            "across": gallery.name(int(gallery.probe.classes[boundary.neighbour[place]])),
            "boundary_distance": float(boundary.distances[place] / scale),
            "hull_distance": float(hull.distances[place] / scale),
        }
        for place, row in enumerate(chosen)
    ]
    return {"columns": list(COLUMNS), "images": np.stack(columns, axis=1), "rows": rows}


def morph_film(gallery: Gallery, frames: int) -> dict[str, Any] | None:
    """The straight way between the codes of two test images of different classes, both recognised, decoded.

    From the first recognised image to one of the class across its nearest boundary, if there is one; None where all
    recognised images are of one class. ``frames`` is ``(F, C, H, W)``, uint8; ``labels`` has the class that
    the probe gives each.
    """
    right = np.flatnonzero(gallery.said == gallery.labels)
    if len(np.unique(gallery.labels[right])) < 2:
        return None
    start = right[0]
    boundary = nearest_boundary(probe_regions(gallery.probe), gallery.standard(right[:1]))
    across = gallery.probe.classes[boundary.neighbour[0]]
    others = right[gallery.labels[right] != gallery.labels[start]]
    wanted = others[gallery.labels[others] == across]
    ends = gallery.standard(np.array([start, (wanted if len(wanted) else others)[0]]))
    shares = np.linspace(0, 1, frames)[:, None]
    way = (1 - shares) * ends[0] + shares * ends[1]
    said = gallery.probe.classes[probe_regions(gallery.probe).assign(way)]
    return {"frames": gallery.decode(way), "labels": [gallery.name(int(label)) for label in said]}


def _some_of_each(gallery: Gallery, images: int) -> IntArray:
    """Up to a half mistakes, the rest spread over the classes."""
    known = gallery.labels != UNLABELED
    wrong = np.flatnonzero(known & (gallery.said != gallery.labels))
    rest = np.flatnonzero(~known | (gallery.said == gallery.labels))
    rest = rest[np.argsort(gallery.said[rest], kind="stable")]
    mistakes = wrong[spread_evenly(len(wrong), images // 2)]
    return np.concatenate([rest[spread_evenly(len(rest), images - len(mistakes))], mistakes])


def _originals(gallery: Gallery, rows: IntArray) -> NDArray[np.uint8]:
    return _thumbnails(gallery.pixels.test.batch(gallery.index[rows].tolist()).numpy())


def _thumbnails(images: FloatArray) -> NDArray[np.uint8]:
    """Images ``(B, C, H, W)`` in 0 ... 255, no side longer than 64."""
    pixels = np.round(255 * np.clip(np.nan_to_num(images), 0, 1)).astype(np.uint8)
    return np.stack([_reduced(image) for image in pixels])


def _reduced(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = image.shape[1:]
    longest = max(height, width)
    if longest <= _LARGEST:
        return image
    size = max(1, round(width * _LARGEST / longest)), max(1, round(height * _LARGEST / longest))
    return np.stack([np.asarray(Image.fromarray(plane).resize(size, Image.Resampling.LANCZOS)) for plane in image])
