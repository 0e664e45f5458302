"""The imprint that strides leave on features: a ripple of the cosine with the stride's period."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from eqae.evaluation.evidence import FloatArray
from eqae.evaluation.preprocessing import ROUNDING

LEAST_PERIODS = 3
"""Periods a line of differences must hold: with fewer, the window spreads neighbouring peaks into each other."""

_ABOVE_NEIGHBOURS = 0.5  # of a tone's power: the Hann window leaves 4/6 at its frequency and 1/6 on either side


def stride_artefact(maps: FloatArray, period: int) -> float:
    """Share of the ripple of ``maps (..., rows, columns)`` that repeats every ``period`` steps (own formulation).

    The signed differences ``d(x) = H(x + 1) - H(x)`` along every row and column are cut to a multiple of the period,
    centred, and tapered by a Hann window; P is their power spectrum, summed over lines. What counts is how far P at
    each frequency ``k / period`` stands above the mean of its two neighbours, as a share of all power, such that a
    pure ripple has 1. The share rises with the period and is 1 at multiples of the true one: ``0.5, 1, 1`` at 2, 4, 8
    for a lattice of 4. What is smooth in frequency has next to none of it, be it a bump or the spike that a cosine
    map has at its own anchor. Maps that do not vary beyond rounding, or with fewer than :data:`LEAST_PERIODS`, have
    no artefact: 0. (Unsigned differences would miss the period 2.)
    """
    maps = maps.astype(np.float64)
    along = [_powers(np.diff(lines, axis=-1), period) for lines in (maps, np.swapaxes(maps, -1, -2))]
    ripple, total, samples = (sum(values) for values in zip(*along, strict=True))
    return min(1.0, float(ripple / total)) if total > samples * ROUNDING**2 else 0.0


def _powers(differences: NDArray[np.float64], period: int) -> tuple[float, float, int]:
    """Power of the ripple, power of everything, and number of differences."""
    peaks = differences.shape[-1] // period  # number of the first lattice frequency
    if peaks < LEAST_PERIODS:
        return 0.0, 0.0, 0
    lines = differences[..., : peaks * period].reshape(-1, peaks * period)
    tapered = (lines - lines.mean(axis=1, keepdims=True)) * np.hanning(peaks * period + 1)[:-1]
    spectrum = (np.abs(np.fft.fft(tapered, norm="ortho")) ** 2).sum(axis=0)
    neighbours = (np.roll(spectrum, 1) + np.roll(spectrum, -1)) / 2
    excess = np.maximum(spectrum - neighbours, 0)[peaks::peaks].sum()
    return float(excess) / _ABOVE_NEIGHBOURS, float(spectrum.sum()), lines.size
