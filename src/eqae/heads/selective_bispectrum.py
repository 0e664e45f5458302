"""The selective bispectrum: about |G| products in place of |G|², which suffice where no coefficient vanishes.

After Mataigne, Mathe, Sanborn, Hillar and Miolane, "The Selective G-Bispectrum and its Inversion" (NeurIPS 2024),
whose theorem this file does not take on trust: the tests invert the products, and search for what they cannot tell
apart.
"""

from __future__ import annotations

from collections.abc import Iterator

from eqae.groups import Group
from eqae.heads.base import check_size
from eqae.heads.cubic import FEWER_MIXES, Projections, Seed, mix_count
from eqae.heads.fourier import Wave
from eqae.heads.spectral import Factor, Product, SpectralHead, invariant_parts

Waves = tuple[Wave, Wave, Wave]


class SelectiveBispectrumHead(SpectralHead):
    """Products that tie every frequency of a mix to the one below it, for each of p fixed mixes of the channels, and
    the cross spectrum of every mix with every channel.

    The cross spectrum gives the coefficients of frequency 1 up to a rotation (and reflection) of the plane. Each
    product with them gives those of the next frequency, and the last one closes the circle, which leaves only the
    rotations of the group. About |G| products a mix; ``1 + p·|G|·m`` features besides.

    Args:
        group: the group.
        channels: m.
        projections: p; one is complete for a generic V, more are surer where a mix happens to be weak.
        seed: of the mixes.

    Raises:
        ConfigError: too many features for these m and p.
    """

    def __init__(self, group: Group, channels: int, *, projections: Projections = 2, seed: Seed = 0) -> None:
        p = mix_count(channels, projections)
        width = 1 + p * group.order * (channels + 1)
        check_size("selective_bispectrum", width, 8 * width, FEWER_MIXES)
        super().__init__(group, channels, projections, seed, p, list(selected_products(group, p)))


def selected_products(group: Group, mixes: int) -> Iterator[Product]:
    """The products that are kept, mix by mix."""
    for mix in range(mixes):
        for first, second, third in selected_waves(group):
            yield from invariant_parts(group, (Factor(mix, first), Factor(mix, second), Factor(mix, third)))


def selected_waves(group: Group) -> Iterator[Waves]:
    """The waves of the products that are kept for one signal.

    Where there are reflections, every frequency has an even and an odd wave, and each product with the even wave of
    frequency 1 is taken with both waves of the next: two equations for each unknown coefficient, which is a pair of
    numbers.
    """
    n = group.rotations
    parities = (False, True) if group.reflections else (False,)
    yield Wave(0, False), Wave(0, False), Wave(0, False)  # the sign of the mean
    if n == 2 and group.reflections:
        yield Wave(0, True), Wave(1, False), Wave(1, True)
    if n < 3:
        return
    if group.reflections:
        yield Wave(0, True), Wave(1, False), Wave(1, True, conjugated=True)  # the sign of the odd mean
    highest = (n - 1) // 2  # of the frequencies that have a real and an imaginary part
    for q in range(1, highest):
        for second in parities:
            for third in parities:
                yield Wave(1, False), Wave(q, second), Wave(q + 1, third, conjugated=True)
    # The last product wraps around: 1 + highest + (highest or n/2) = n.
    last = n - 1 - highest
    for second in parities:
        for third in parities:
            if (last, third) >= (highest, second):  # else the same product again
                yield Wave(1, False), Wave(highest, second), Wave(last, third)
