"""The imprint that strides leave on features: a ripple of the cosine with the stride's period."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from eqae.evaluation.evidence import FloatArray
from eqae.evaluation.preprocessing import ROUNDING


def stride_artefact(maps: FloatArray, period: int) -> float:
    """Share of the ripple of ``maps (..., rows, columns)`` that repeats every ``period`` steps (own formulation).

    The signed differences ``d(x) = H(x + 1) − H(x)`` along every row and column are cut to a multiple of the period;
    the share is that of the power of d, zero frequency left out, at the frequencies ``k / period``. It rises with
    the period and is 1 at multiples of the true one: ``0.5, 1, 1`` at 2, 4, 8 for a lattice of 4. A smooth bump that
    fades within the frame has next to none of it; white noise has ``(period − 1) / (length − 1)``, and maps cut off
    by the edge leak a little too, so compare models on one grid only. Maps that do not vary beyond rounding have no
    artefact: 0. (Unsigned differences would miss the period 2.)
    """
    maps = maps.astype(np.float64)
    along = [_powers(np.diff(lines, axis=-1), period) for lines in (maps, np.swapaxes(maps, -1, -2))]
    at_lattice, total, samples = (sum(values) for values in zip(*along, strict=True))
    return float(at_lattice / total) if total > samples * ROUNDING**2 else 0.0


def _powers(differences: NDArray[np.float64], period: int) -> tuple[float, float, int]:
    """Power at the multiples of ``1 / period``, power at all frequencies but zero, and number of differences."""
    length = differences.shape[-1] // period * period
    if not length:
        return 0.0, 0.0, 0
    spectrum = np.abs(np.fft.fft(differences[..., :length], norm="ortho")) ** 2
    return float(spectrum[..., length // period :: length // period].sum()), float(spectrum[..., 1:].sum()), length
