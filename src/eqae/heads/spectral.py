"""Heads in Fourier terms: the cross spectrum of mixes and channels, and products of three coefficients."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eqae.groups import Group
from eqae.heads.cubic import CubicHead
from eqae.heads.fourier import Wave, all_waves


class Factor(NamedTuple):
    """The coefficient of a mix along a wave."""

    mix: int
    wave: Wave


class Product(NamedTuple):
    """An invariant of degree 3: one part of the product of three coefficients whose frequencies sum to zero."""

    factors: tuple[Factor, Factor, Factor]
    imaginary: bool

    @property
    def name(self) -> str:
        """``bispectrum_0.1_0.2o_1.3oc_re``: mix and wave of each factor, and the part."""
        factors = "_".join(f"{factor.mix}.{factor.wave.name}" for factor in self.factors)
        return f"bispectrum_{factors}_{'im' if self.imaginary else 're'}"


class SpectralHead(CubicHead):
    """The cross spectrum of every mix with every channel, ``p·|G|·m`` numbers, and the given products of the mixes.

    The cross spectrum is ``Re z_a z̄_i`` (for C_n also ``Im``) over all pairs of waves of one representation: the
    Fourier transform of the correlations.
    """

    crossed: Tensor
    waves: Tensor
    factors: Tensor
    imaginary: Tensor

    def __init__(
        self, group: Group, channels: int, projections: int, seed: int, mixes: int, products: Sequence[Product]
    ) -> None:
        width = 1 + mixes * group.order * channels + len(products)
        super().__init__(group, channels, width, projections, seed)
        self.products = tuple(products)
        letters = {wave: i for i, wave in enumerate(signed_waves(group))}
        places = [[f.mix * group.order + letters[f.wave] for f in product.factors] for product in products]
        self._keep("crossed", _parts(np.array(list(_crossed_waves(group)))))
        self._keep("waves", _parts(np.array([wave.values(group) for wave in letters])))
        self._keep("factors", np.array(places, dtype=np.int64).T)
        self._keep("imaginary", np.array([product.imaginary for product in products]))

    def squares(self, rows: Tensor) -> Tensor:
        """``(B, |G|, m)`` to the cross spectrum ``(B, p·m·|G|)``."""
        first, second = torch.einsum("xksg,bgi->sbxki", self.crossed.to(rows.dtype), rows)
        return torch.einsum("bxka,bxki->baik", self.mix(first), second).flatten(1)

    def cubes(self, mixed: Tensor) -> Tensor:
        """``(B, |G|, p)`` to the products ``(B, ...)``."""
        coefficients = torch.einsum("xkg,bga->xbak", self.waves.to(mixed.dtype), mixed).flatten(2)
        (a, b), (c, d), (e, f) = (coefficients[:, :, place].unbind() for place in self.factors.unbind())
        real, imaginary = a * c - b * d, a * d + b * c
        return torch.where(self.imaginary, real * f + imaginary * e, real * e - imaginary * f)

    def feature_names(self) -> list[str]:
        """``scale``, ``spectrum_i_j_k`` for mix i, channel j and the k-th pair of waves, and the products."""
        pairs = self.crossed.shape[1]
        spectrum = [
            f"spectrum_{i}_{j}_{k}"
            for i in range(self.mixes.shape[1])
            for j in range(self.channels)
            for k in range(pairs)
        ]
        return ["scale", *spectrum, *(product.name for product in self.products)]

    def _keep(self, name: str, values: NDArray[np.generic]) -> None:
        self.register_buffer(name, torch.from_numpy(np.ascontiguousarray(values)), persistent=False)


def signed_waves(group: Group) -> list[Wave]:
    """All waves and their conjugates, |G| of them, in order."""
    found = all_waves(group)
    return sorted({*found, *(wave.conjugate(group) for wave in found)})


def invariant_parts(group: Group, factors: tuple[Factor, Factor, Factor]) -> Iterator[Product]:
    """The parts of a product that the group leaves alone and that are not zero for every signal.

    A mirror conjugates the product, so only C_n keeps the imaginary part. A product that equals its conjugate but
    for the sign is real or imaginary throughout, by the number of its odd self-conjugate waves.
    """
    conjugate = sorted(Factor(mix, wave.conjugate(group)) for mix, wave in factors)
    if conjugate != sorted(factors):
        yield Product(factors, False)
        if not group.reflections:
            yield Product(factors, True)
    elif sum(wave.odd and wave.is_self_conjugate(group) for _, wave in factors) % 2 == 0:
        yield Product(factors, False)


def _crossed_waves(group: Group) -> Iterator[tuple[NDArray[np.complex128], NDArray[np.complex128]]]:
    """Values of two waves whose product, one conjugated, has an invariant real part: |G| pairs."""
    for first in all_waves(group):
        for second in all_waves(group):
            if first.frequency != second.frequency:
                continue
            if not first.is_self_conjugate(group):
                yield first.values(group), second.values(group)
                if not group.reflections:
                    yield -1j * first.values(group), second.values(group)  # Im z = Re(−iz)
            elif first == second:
                yield first.values(group), second.values(group)


def _parts(values: NDArray[np.complex128]) -> NDArray[np.float64]:
    """Real and imaginary parts, stacked before the last two axes' first."""
    return np.stack([values.real, values.imag])
