"""Whether the probe serves every orientation alike."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eqae.evaluation.bootstrap import Interval, bootstrap_statistic
from eqae.evaluation.declaration import Scale, evaluator
from eqae.evaluation.evidence import Evidence, Features, Findings, IntArray, NotAvailable, Score
from eqae.evaluation.feature_space import feature_space
from eqae.evaluation.intervals import within
from eqae.evaluation.linear_probe import LinearProbe, linear_probe
from eqae.evaluation.scores import unavailable

DEGREES = 30
_PERMUTATIONS = 200

DoubleArray = NDArray[np.float64]


def _seconds(scale: Scale) -> float:
    return 0.5 + 2e-3 * scale.turned + 8e-7 * scale.turned * scale.width


@evaluator(needs={"orbits"}, cost=_seconds)
def evaluate_subgroups(evidence: Evidence) -> Findings:
    """Spread of the linear probe's accuracy over orientations, within classes; the probe saw images as they are only.

    Subgroups are 12 bins of 30 degrees of the turns by any angle (condition ``"orientation"``), and whether the image
    is mirrored (condition ``"mirror"``, under the symmetries of the square). ``subgroup_spread``: mean over classes of
    the standard deviation, over subgroups, of the accuracy on the class; MacroStd-like, own reading. Few images
    scatter by chance, so ``subgroup_excess_spread`` subtracts what is left when every image's transforms are
    shuffled: 0 means fair. ``worst_subgroup_accuracy`` is that of the worst subgroup over all classes.

    Drawing ``"subgroup_accuracy"``: ``degrees`` (lower ends of the bins) and ``accuracy`` of every orientation.

    Raises:
        NotAvailable: no images were turned, fewer than two classes to fit the probe on; the features are constant.
    """
    if not evidence.turned:
        raise NotAvailable("no images were turned")
    feature_space(evidence)
    probe = linear_probe(evidence)
    scores: list[Score] = []
    drawings: dict[str, Any] = {}
    for condition, turned, groups in _partitions(evidence):
        right, kinds = _right(turned, probe)
        if not len(right):
            scores.append(unavailable("worst_subgroup_accuracy", "no labels", condition=condition))
            continue
        scores += _scores(right, kinds, groups, condition, evidence.seed)
        if condition == "orientation":
            accuracy = _by_group(right, groups).mean(axis=0)
            degrees = [DEGREES * group for group in range(len(accuracy))]
            drawings["subgroup_accuracy"] = {"degrees": degrees, "accuracy": accuracy.tolist()}
    return Findings(tuple(scores), drawings)


def macro_spread(right: DoubleArray, kinds: IntArray) -> float:
    """Mean over classes of the standard deviation over subgroups of equal size.

    Args:
        right: share of right answers of each image in each subgroup, ``(n, G)``.
        kinds: class of each image, ``(n,)``.
    """
    place = np.unique(kinds, return_inverse=True)[1]
    members = (place == np.arange(place.max() + 1)[:, None]).astype(np.float64)
    by_class = members @ right / members.sum(axis=1, keepdims=True)
    return float(by_class.std(axis=1).mean())


def _partitions(evidence: Evidence) -> Iterator[tuple[str, Features, IntArray]]:
    """Condition, orbits, and the subgroup of each transform ``(O,)``; subgroups are equally large."""
    turned = evidence.turned.get("any-angle")
    if turned is not None:
        yield "orientation", turned, (turned.angles // DEGREES).astype(np.int64)
    for orbits in evidence.turned.values():
        if len(np.unique(orbits.mirrored)) > 1:
            yield "mirror", orbits, orbits.mirrored.astype(np.int64)
            return


def _right(turned: Features, probe: LinearProbe) -> tuple[DoubleArray, IntArray]:
    """Right answers ``(n, O)`` on the images of classes that the probe knows, and those classes ``(n,)``."""
    known = np.flatnonzero(np.isin(turned.labels, probe.classes))
    labels = turned.labels[known]
    if not len(known):
        return np.zeros((0, 0)), labels
    poses = range(turned.values.shape[1])
    answers = [probe.predict(turned.values[known, pose]) == labels for pose in poses]
    return np.stack(answers, axis=1).astype(np.float64), labels


def _by_group(right: DoubleArray, groups: IntArray) -> DoubleArray:
    """Share of right answers of every image in every subgroup, ``(n, G)``."""
    return np.stack([right[:, groups == group].mean(axis=1) for group in np.unique(groups)], axis=1)


def _scores(right: DoubleArray, kinds: IntArray, groups: IntArray, condition: str, seed: int) -> Iterator[Score]:
    images, shares = len(right), _by_group(right, groups)
    rng = np.random.default_rng(seed)
    shuffled = [macro_spread(_by_group(rng.permuted(right, axis=1), groups), kinds) for _ in range(_PERMUTATIONS)]
    chance, spread = float(np.mean(shuffled)), macro_spread(shares, kinds)
    low, high = bootstrap_statistic(lambda draw: macro_spread(shares[draw], kinds[draw]), spread, images, seed)
    yield Score("subgroup_spread", spread, *within((low, high), 0, 0.5), False, images, condition)
    excess: Interval = (None, None) if low is None or high is None else (low - chance, high - chance)
    yield Score("subgroup_excess_spread", spread - chance, *excess, False, images, condition)
    worst = float(shares.mean(axis=0).min())
    interval = bootstrap_statistic(lambda draw: float(shares[draw].mean(axis=0).min()), worst, images, seed)
    yield Score("worst_subgroup_accuracy", worst, *within(interval, 0, 1), True, images, condition)
