"""Fourier analysis on C_n and D_n: every irreducible representation as complex waves on the group.

With ``θ = 2π/n`` and the element ``r^t M^f``, the waves are ``ψ(r^t M^f) = e^{iqθt}`` for ``q = 0 .. ⌊n/2⌋`` and, for
D_n, as many *odd* ones ``i (−1)^f e^{iqθt}``. The coefficient ``z = Σ_g ψ(g) u[g]`` of a signal u then answers to a
left translation of u in the same way for all of them: turning by ``r^t`` multiplies z by ``e^{iqθt}``, and the mirror M
conjugates it. Where ``0 < q < n/2``, the real and imaginary part of z carry the two-dimensional representation of
frequency q, once for each wave; where ``2q ≡ 0 (mod n)``, z is real or imaginary and carries one of dimension one.

So Clebsch–Gordan coefficients need no tables: the tensor product of two representations is the product of two
complex numbers, with or without conjugation, and an invariant is the real part of a product of coefficients whose
frequencies sum to 0 modulo n. For C_n, which has no mirror, the imaginary part is invariant too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eqae.groups import Group


@dataclass(frozen=True, order=True)
class Wave:
    """One wave on a group, or its conjugate.

    Attributes:
        frequency: q, from 0 to n/2.
        odd: whether it is one of those that change their sign with the mirror.
        conjugated: whether the conjugate is meant; never where that is the wave itself but for its sign.
    """

    frequency: int
    odd: bool
    conjugated: bool = False

    @property
    def name(self) -> str:
        """``"2"``, ``"2o"`` where it is odd, ``"2oc"`` where it is conjugated besides."""
        return f"{self.frequency}{'o' * self.odd}{'c' * self.conjugated}"

    @property
    def step(self) -> int:
        """By how many times θ one turn advances its coefficient."""
        return -self.frequency if self.conjugated else self.frequency

    def is_self_conjugate(self, group: Group) -> bool:
        """Whether its coefficients have one part only: real, or imaginary for an odd wave."""
        return 2 * self.frequency % group.rotations == 0

    def conjugate(self, group: Group) -> Wave:
        """The wave of the conjugated coefficients, but for their sign."""
        return self if self.is_self_conjugate(group) else Wave(self.frequency, self.odd, not self.conjugated)

    def values(self, group: Group) -> NDArray[np.complex128]:
        """``(|G|,)``, scaled so that over all waves of :func:`all_waves` ``Σ|z|² = Σ u²``."""
        turns = np.array([element.turns for element in group.elements])
        mirrored = 1j * (-1.0) ** np.array([element.flip for element in group.elements])
        # The product is reduced first, so that equal angles are equal numbers.
        angle = 2 * np.pi * (self.frequency * turns % group.rotations) / group.rotations
        parts = 1 if self.is_self_conjugate(group) else 2
        wave = np.sqrt(parts / group.order) * np.exp(1j * angle) * (mirrored if self.odd else 1)
        return wave.conj() if self.conjugated else wave


def all_waves(group: Group) -> tuple[Wave, ...]:
    """All waves that are not conjugated, by frequency: the even one, then the odd one where there are reflections."""
    parities = (False, True) if group.reflections else (False,)
    return tuple(Wave(q, odd) for q in range(group.rotations // 2 + 1) for odd in parities)
