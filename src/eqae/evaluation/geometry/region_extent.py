"""How large the regions of a probe are, and which are neighbours."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr

from eqae.evaluation.bootstrap import bootstrap_mean, bootstrap_statistic, centred_interval
from eqae.evaluation.evidence import Evidence, IntArray, Score
from eqae.evaluation.geometry.polytopes import Box, are_adjacent, largest_ball, sliced, volume_shares
from eqae.evaluation.geometry.principal import fit_principal_map
from eqae.evaluation.geometry.regions import Regions
from eqae.evaluation.intervals import within
from eqae.evaluation.linear_probe import LinearProbe
from eqae.evaluation.sampling import spread_evenly
from eqae.evaluation.scores import unavailable

DoubleArray = NDArray[np.float64]

_TRAIN = 5000
_SLICE = 64  # dimensions in which regions are measured by linear programmes
_PAIRS = 200
_SAMPLES = 20_000


def extent_scores(evidence: Evidence, probe: LinearProbe, regions: Regions, scale: float) -> Iterator[Score]:
    """Radii, volumes and neighbours of the ``regions`` of ``probe``, lengths over ``scale``; see
    :func:`eqae.evaluation.geometry.region_evaluation.evaluate_regions`.
    """
    train = evidence.train.upright[spread_evenly(len(evidence.train.labels), _TRAIN)]
    principal = fit_principal_map(train, _SLICE, evidence.seed, probe.scaler)
    if not len(principal.directions):
        yield unavailable("region_ball_radius", "the training features do not vary")
        return
    centre, directions = principal.mean.astype(np.float64), principal.directions.astype(np.float64)
    regions, box = sliced(regions, centre, directions), Box.around(principal(train))
    count = len(regions.weights)
    radii = np.array([largest_ball(regions, region, box).radius for region in range(count)]) / scale
    interval = bootstrap_mean(radii, evidence.seed)
    yield Score("region_ball_radius", float(radii.mean()), *interval, True, count)
    yield _evenness(volume_shares(regions, box, _SAMPLES, evidence.seed), evidence.seed)
    pairs = np.column_stack(np.triu_indices(count, 1))
    pairs = pairs[spread_evenly(len(pairs), _PAIRS)]
    adjacent = np.array([are_adjacent(regions, int(one), int(other), box) for one, other in pairs])
    yield _adjacent_share(pairs, adjacent, count, evidence.seed)


def _evenness(shares: DoubleArray, seed: int) -> Score:
    def evenness(shares: DoubleArray) -> float:
        return float(np.exp(entr(shares).sum())) / len(shares)

    value, rng = evenness(shares), np.random.default_rng(seed)
    resampled = [evenness(rng.multinomial(_SAMPLES, shares) / _SAMPLES) for _ in range(200)]
    interval = within(centred_interval(value, resampled), 0, 1)
    return Score("region_volume_evenness", value, *interval, True, len(shares))


def _adjacent_share(pairs: IntArray, adjacent: NDArray[np.bool_], classes: int, seed: int) -> Score:
    """A pair counts as often in a resample of classes as the product of how often its two were drawn."""

    def share(draw: IntArray) -> float:
        drawn = np.bincount(draw, minlength=classes)
        weight = drawn[pairs].prod(axis=1)
        return float(weight @ adjacent) / float(weight.sum()) if weight.any() else float("nan")

    value = float(adjacent.mean())
    interval = within(bootstrap_statistic(share, value, classes, seed), 0, 1)
    return Score("region_adjacent_share", value, *interval, True, len(pairs))
