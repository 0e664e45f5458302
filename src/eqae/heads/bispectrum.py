"""The bispectrum: the triple correlation in Fourier terms (Kakarala 1992; Kondor 2008)."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator

from eqae.groups import Group
from eqae.heads.base import check_size
from eqae.heads.cubic import FEWER_MIXES, Projections, Seed, mix_count
from eqae.heads.spectral import Factor, Product, SpectralHead, invariant_parts, signed_waves


class BispectrumHead(SpectralHead):
    """All products of three Fourier coefficients of p fixed mixes of the channels that the group leaves alone, each
    once, and the cross spectrum of every mix with every channel.

    They span the same space as the features of :class:`eqae.heads.triple_correlation.TripleCorrelationHead`, and are
    as many, in a basis where each belongs to irreducible representations; see :mod:`eqae.heads.fourier`.

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
        triples = math.comb(group.order * p + 2, 3) // group.order
        width = 1 + p * group.order * channels + triples
        check_size("bispectrum", width, 8 * width, f"choose selective_bispectrum, or {FEWER_MIXES}")
        super().__init__(group, channels, projections, seed, p, list(all_products(group, p)))


def all_products(group: Group, mixes: int) -> Iterator[Product]:
    """Every invariant product of three coefficients, each once, whatever the order of its factors."""
    factors = [Factor(mix, wave) for mix in range(mixes) for wave in signed_waves(group)]
    by_step = defaultdict(list)
    for place, factor in enumerate(factors):
        by_step[factor.wave.step % group.rotations].append(place)
    for i, first in enumerate(factors):
        for j, second in enumerate(factors[i:], i):
            missing = -(first.wave.step + second.wave.step) % group.rotations
            for k in by_step[missing]:
                product = (first, second, factors[k])
                # Of a product and its conjugate, which have the same parts but for signs, the first one stands.
                if k >= j and list(product) <= sorted(Factor(f.mix, f.wave.conjugate(group)) for f in product):
                    yield from invariant_parts(group, product)
