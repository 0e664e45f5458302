"""Whether the copies of an image under the transforms stay together, and apart from those of other images.

The quotient by the group is what an invariant extractor should see: every orbit one point, different orbits different
points.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eqae.evaluation.evidence import Features, FloatArray, IntArray, Score
from eqae.evaluation.feature_space import FeatureSpace, unit_rows
from eqae.evaluation.retrieval.ranking import precision_at_hits, share_below
from eqae.evaluation.sampling import spread_evenly
from eqae.evaluation.scores import mean_score, unavailable

ORBITS = 512
_SAME_PLACE = 1e-6  # squared distance on the unit sphere below which float32 cannot tell two points apart


@dataclass(frozen=True, eq=False)
class OrbitDistances:
    """Squared distances between standardised features of unit length: ``2 - 2 cos``.

    Attributes:
        rows: ``(n,)`` which images of the orbits were taken.
        originals: ``(n, D)``, the images as they are.
        squared: ``(O, n, n)``: ``[o, i, j]`` from copy o of image i to original j; o = 0 is the image itself.
    """

    rows: IntArray
    originals: FloatArray
    squared: FloatArray

    @property
    def own(self) -> FloatArray:
        """``(O - 1, n)``: from every turned copy to its own original."""
        return np.diagonal(self.squared, axis1=1, axis2=2)[1:]

    @property
    def others(self) -> FloatArray:
        """``(O - 1, n, n - 1)``: from every turned copy to all other originals."""
        return self.squared[1:, self._different].reshape(len(self.squared) - 1, len(self.rows), -1)

    @property
    def nearest_other(self) -> FloatArray:
        """``(n,)``: from any copy of an image, turned or not, to the nearest other original."""
        return np.where(self._different, self.squared, np.inf).min(axis=(0, 2))

    @property
    def _different(self) -> NDArray[np.bool_]:
        return ~np.eye(len(self.rows), dtype=bool)


def orbit_distances(features: Features, space: FeatureSpace) -> OrbitDistances:
    """Distances of at most 512 orbits, spread evenly.

    A copy and its own original are subtracted before they are squared: near zero, ``2 - 2 cos`` is all rounding. What
    rounding cannot tell from zero is zero in either case, so that two images at one place tie.
    """
    rows = spread_evenly(len(features.labels), ORBITS)
    originals = unit_rows(space(features.values[rows, 0]))
    squared = np.empty((features.values.shape[1], len(rows), len(rows)), np.float32)
    for pose, distances in enumerate(squared):
        copies = unit_rows(space(features.values[rows, pose]))
        np.maximum(2 - 2 * (copies @ originals.T), 0, out=distances)
        np.fill_diagonal(distances, np.square(copies - originals).sum(axis=1))
    return OrbitDistances(rows, originals, merge_same_places(squared))


def merge_same_places(squared: FloatArray) -> FloatArray:
    """Squared distances on the unit sphere, with those that float32 cannot tell from zero set to zero; in place."""
    squared[squared <= _SAME_PLACE] = 0
    return squared


def orbit_scores(distances: OrbitDistances, condition: str, seed: int) -> Iterator[Score]:
    """The four figures of one condition; means over images, whose interval resamples images.

    - ``orbit_recall_at_1``: share of turned copies whose nearest original is their own; a tie is a miss.
    - ``orbit_map``: each original asks for its own among the turned copies of all images: mean average precision.
    - ``orbit_auc``: ROC-AUC of distances within orbits against those between orbits, pooled.
    - ``orbit_separation_ratio``: mean distance from an image to its turned copies, over the distance from its orbit to
      the nearest other original; below 1 orbits are separate clusters, 0 is exact invariance. Images that coincide
      with another have no ratio. Own formulation, as are the other three.
    """
    own, others = distances.own, distances.others
    nearest = np.sqrt(distances.nearest_other)
    ratio = np.sqrt(own).mean(axis=0) / np.where(nearest**2 > _SAME_PLACE, nearest, np.nan)
    samples = {
        "orbit_recall_at_1": (own < others.min(axis=2)).mean(axis=0),
        "orbit_map": np.array([_average_precision(distances.squared[1:, :, j], j) for j in range(own.shape[1])]),
        "orbit_auc": share_below(-own, -others.ravel()).mean(axis=0),
    }
    for metric, values in samples.items():
        yield mean_score(metric, values, seed=seed, higher_is_better=True, condition=condition)
    name = "orbit_separation_ratio"
    if np.isnan(ratio).all():
        yield unavailable(name, "all images coincide", higher_is_better=False, condition=condition)
    else:
        yield mean_score(name, ratio, seed=seed, higher_is_better=False, condition=condition)


def _average_precision(squared: FloatArray, image: int) -> float:
    """Of one original among all turned copies ``(O - 1, n)``."""
    relevant, irrelevant = -squared[:, image], -np.delete(squared, image, axis=1).ravel()
    return float(precision_at_hits(relevant, irrelevant).mean())
