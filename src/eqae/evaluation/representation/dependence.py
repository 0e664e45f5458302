"""Whether the features betray how the picture was turned: distance correlation with the transform."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import pdist, squareform
from scipy.stats import binomtest

from eqae.evaluation.bootstrap import bootstrap_statistic
from eqae.evaluation.declaration import Scale, evaluator
from eqae.evaluation.evidence import Evidence, Features, Findings, FloatArray, IntArray, NotAvailable, Score
from eqae.evaluation.feature_space import FeatureSpace, feature_space
from eqae.evaluation.preprocessing import ROUNDING
from eqae.evaluation.sampling import spread_evenly
from eqae.evaluation.scores import unavailable

FOLDS = (1, 2, 4, 8)
METRIC = "distance_correlation_squared"
P_VALUE = "distance_correlation_p_value"
IMAGES = 256
_PERMUTATIONS = 199
_RESAMPLES = 100
_FEWEST = 8

DoubleArray = NDArray[np.float64]


def _seconds(scale: Scale) -> float:
    return 0.3 + 1e-5 * min(scale.turned, IMAGES) ** 2 + 2e-9 * min(scale.turned, IMAGES) ** 2 * scale.width


@evaluator(needs={"orbits"}, cost=_seconds)
def evaluate_dependence(evidence: Evidence) -> Findings:
    """``distance_correlation_squared`` of features and transform, and the p-value of independence.

    Every image (at most 256, spread evenly) is seen once, under a transform drawn independently of it: under all
    angles for the conditions ``"1-fold"``, ``"2-fold"``, ``"4-fold"``, ``"8-fold"``, under the symmetries of the
    square for ``"mirror"``. The distance of two angles that differ by δ is the chord ``2 |sin(k δ / 2)|`` of a k-fold
    symmetric circle: features that see angles up to quarter turns only are invisible to the plain chord. The
    figure is bias-corrected (Székely & Rizzo 2014), so it scatters about 0 under independence, where it may be
    negative, and is 1 where distances agree up to scale. The p-value is by 199 permutations of the transforms;
    its interval says what these leave open, not what other images would.

    Images whose own pose is random hide every further turn: on such data only what the pixel lattice and the
    interpolation leave behind can be seen here, and images of one common pose are the sharper test.

    Not measured: dependence on anything but turn and mirroring, such as place and scale; dependence within a class;
    leaks so weak that it takes more than 256 images to see them.

    Raises:
        NotAvailable: no images were turned, or too few; the features are constant.
    """
    if not evidence.turned:
        raise NotAvailable("no images were turned")
    if max(len(turned.labels) for turned in evidence.turned.values()) < _FEWEST:
        raise NotAvailable("too few images were turned")
    space = feature_space(evidence)
    return Findings((*_angle_scores(evidence, space), *_mirror_scores(evidence, space)))


def u_centred(distances: DoubleArray) -> DoubleArray:
    """U-centring of distances ``(n, n)``, n > 2 (Székely & Rizzo 2014, definition 2): rows sum to zero."""
    n = len(distances)
    means = distances.sum(axis=0) / (n - 2)
    centred = distances - means - means[:, None] + distances.sum() / ((n - 1) * (n - 2))
    np.fill_diagonal(centred, 0)
    return centred


def distance_correlation_squared(a: DoubleArray, b: DoubleArray) -> float:
    """Of two U-centred matrices ``(n, n)``; NaN where either is zero."""
    size = np.sqrt(np.vdot(a, a) * np.vdot(b, b))
    return float(np.vdot(a, b) / size) if size > 0 else float("nan")


def chord(degrees: DoubleArray, fold: int) -> DoubleArray:
    """Distances ``(n, n)`` of angles on a circle where ``360 / fold`` degrees are a full turn, of radius 1."""
    difference = np.deg2rad(degrees[:, None] - degrees)
    return 2 * np.abs(np.sin(fold * difference / 2))


def _angle_scores(evidence: Evidence, space: FeatureSpace) -> Iterator[Score]:
    turned = evidence.turned.get("any-angle")
    if turned is None:
        for fold in FOLDS:
            yield from _no_scores("no turns by any angle", f"{fold}-fold")
        return
    distances, drawn = _draw(turned, space, evidence.seed)
    for fold in FOLDS:
        yield from _scores(distances, chord(turned.angles[drawn], fold), f"{fold}-fold", evidence.seed)


def _mirror_scores(evidence: Evidence, space: FeatureSpace) -> Iterator[Score]:
    with_mirror = [turned for turned in evidence.turned.values() if len(np.unique(turned.mirrored)) > 1]
    if not with_mirror:
        yield from _no_scores("no mirrored images", "mirror")
        return
    distances, drawn = _draw(with_mirror[0], space, evidence.seed)
    mirrored = with_mirror[0].mirrored[drawn].astype(np.float64)
    yield from _scores(distances, np.abs(mirrored[:, None] - mirrored), "mirror", evidence.seed)


def _draw(turned: Features, space: FeatureSpace, seed: int) -> tuple[DoubleArray, IntArray]:
    """Distances ``(n, n)`` of features, each image under one transform, and which transforms, ``(n,)``."""
    rows = spread_evenly(len(turned.labels), IMAGES)
    drawn = np.random.default_rng(seed).integers(len(turned.angles), size=len(rows))
    seen: FloatArray = space(turned.values[rows, drawn])
    distances = squareform(pdist(seen.astype(np.float64)))
    distances[distances <= ROUNDING * np.linalg.norm(seen, axis=1).max()] = 0  # what coincides up to float32
    return distances, drawn


def _no_scores(why: str, condition: str, images: int = 0) -> Iterator[Score]:
    yield unavailable(METRIC, why, higher_is_better=False, n=images, condition=condition)
    yield unavailable(P_VALUE, why, n=images, condition=condition)


def _vanishes(centred: DoubleArray, distances: DoubleArray) -> bool:
    """Whether U-centring leaves nothing but rounding: all distances are the same."""
    return bool(np.linalg.norm(centred) <= ROUNDING * np.linalg.norm(distances))


def _scores(features: DoubleArray, transforms: DoubleArray, condition: str, seed: int) -> Iterator[Score]:
    images = len(features)
    a, b = u_centred(features), u_centred(transforms)
    if _vanishes(a, features):
        yield from _no_scores("the features of all images are equally far apart", condition, images)
        return
    if _vanishes(b, transforms):
        yield from _no_scores("one transform for all", condition, images)
        return
    value = distance_correlation_squared(a, b)

    def resampled(draw: IntArray) -> float:
        chosen = np.ix_(draw, draw)
        return distance_correlation_squared(u_centred(features[chosen]), u_centred(transforms[chosen]))

    low, high = bootstrap_statistic(resampled, value, images, seed, _RESAMPLES)
    yield Score(METRIC, value, low, high, False, images, condition)
    rng = np.random.default_rng(seed)
    shuffled = (rng.permutation(images) for _ in range(_PERMUTATIONS))
    reached = sum(float(np.vdot(a, b[np.ix_(order, order)])) >= float(np.vdot(a, b)) for order in shuffled)
    value = (1 + reached) / (1 + _PERMUTATIONS)
    among = binomtest(reached, _PERMUTATIONS).proportion_ci(method="wilson")
    yield Score(P_VALUE, value, min(value, among.low), max(value, among.high), True, images, condition)
