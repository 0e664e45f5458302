"""The heads that are complete up to the group: definitions, an independent witness, and what they tell apart."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from eqae.groups import C4, D4, Group, get_group
from eqae.heads import Head
from eqae.heads.bispectrum import BispectrumHead
from eqae.heads.correlation import CorrelationHead
from eqae.heads.cubic import CubicHead
from eqae.heads.fourier import Wave, all_waves
from eqae.heads.gram import GramHead
from eqae.heads.selective_bispectrum import SelectiveBispectrumHead
from eqae.heads.spectral import signed_waves
from eqae.heads.triple_correlation import TripleCorrelationHead

COMPLETE = [TripleCorrelationHead, BispectrumHead, SelectiveBispectrumHead]
D12 = Group(12, True)
any_group = st.builds(Group, st.integers(1, 7), st.booleans())
every_head = pytest.mark.parametrize("kind", COMPLETE)
TO_OURS = [0, 3, 2, 1, 4, 7, 6, 5]
"""Our index of the paper's element i."""


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def named(head: Head, v: Tensor) -> dict[str, Tensor]:
    return dict(zip(head.feature_names(), head.double()(v).unbind(1), strict=True))


def scale_of(v: Tensor) -> Tensor:
    return v.square().mean((1, 2)).sqrt()


# --- definitions ----------------------------------------------------------------------------------------------


@given(group=any_group, m=st.integers(1, 3), projections=st.integers(1, 3), seed=st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_triple_correlations_are_the_sums_of_their_definition(
    group: Group, m: int, projections: int, seed: int
) -> None:
    v = draw(2, group.order, m, seed=seed)
    head = TripleCorrelationHead(group, m, projections=projections, seed=seed).double()
    u, s, n, product = v @ head.mixes, scale_of(v), group.order, group.cayley
    features = named(head, v)
    torch.testing.assert_close(features.pop("scale"), s)
    for name, found in features.items():
        kind, *numbers = name.split("_")
        if kind == "correlation":
            i, j, h = map(int, numbers)
            expected = sum(u[:, g, i] * v[:, product[g][h], j] for g in range(n)) / n / s
        else:
            i, j, k, a, b = map(int, numbers)
            expected = (
                sum(u[:, g, i] * u[:, product[g][a], j] * u[:, product[g][b], k] for g in range(n)) / n / s.square()
            )
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(("group", "distinct"), [(D4, 15), (D12, 109)])
def test_triple_correlations_of_one_channel_are_as_many_as_the_table_says(group: Group, distinct: int) -> None:
    triples = [name for name in TripleCorrelationHead(group, 1).feature_names() if name.startswith("triple")]
    products = [name for name in BispectrumHead(group, 1).feature_names() if name.startswith("bispectrum")]
    assert len(triples) == len(products) == distinct


@given(group=any_group, mixes=st.integers(1, 2))
@settings(max_examples=15, deadline=None)
def test_every_triple_correlation_is_kept_once_and_none_is_lost(group: Group, mixes: int) -> None:
    """By brute force: classes of all triples of letters under order and under left translation."""
    letters = list(itertools.product(range(mixes), range(group.order)))

    def class_of(triple: tuple[tuple[int, int], ...]) -> frozenset[tuple[tuple[int, int], ...]]:
        return frozenset(tuple(sorted((i, group.cayley[h][g]) for i, g in triple)) for h in range(group.order))

    classes = {class_of(triple) for triple in itertools.combinations_with_replacement(letters, 3)}
    head = TripleCorrelationHead(group, mixes, projections=mixes)
    kept = [class_of(tuple(divmod(letter, group.order) for letter in triple)) for triple in head.letters.T.tolist()]
    assert len(kept) == len(classes)
    assert set(kept) == classes


def test_of_an_embedding_of_zeros_only_the_scale_is_not_zero() -> None:
    features = TripleCorrelationHead(D4, 2)(torch.zeros(1, 8, 2, dtype=torch.float64))[0]
    assert features[0].item() == pytest.approx(1e-6)
    assert not features[1:].any()


def test_worked_example_of_the_triple_correlation() -> None:
    """T(0,0) = 1296, T(1,2) = 1116 and T(4,4) = 720 in all eight poses, not divided by |G|."""
    v = torch.zeros(1, 8, 1, dtype=torch.float64)
    v[0, TO_OURS, 0] = torch.arange(1, 9, dtype=torch.float64)
    for g in range(8):
        features = named(TripleCorrelationHead(D4, 1), D4.permute(g, v))
        for (a, b), expected in {(0, 0): 1296, (1, 2): 1116, (4, 4): 720}.items():
            elements = (0, TO_OURS[a], TO_OURS[b])
            moved = [sorted(D4.left_quotient[first][other] for other in elements) for first in elements]
            (value,) = {features[name] for _, x, y in moved if (name := f"triple_0_0_0_{x}_{y}") in features}
            assert value.item() * 8 * scale_of(v).item() ** 2 == pytest.approx(expected, rel=1e-9)


# --- Fourier analysis -----------------------------------------------------------------------------------------


@given(group=any_group)
@settings(deadline=None, max_examples=14)
def test_coefficients_turn_under_rotations_and_are_conjugated_by_the_mirror(group: Group) -> None:
    u = draw(1, group.order, 1)
    step = np.exp(2j * np.pi / group.rotations)
    for wave in all_waves(group):
        values = torch.from_numpy(wave.values(group))
        before = values @ u[0, :, 0].to(values)
        for g, element in enumerate(group.elements):
            after = values @ group.permute(g, u)[0, :, 0].to(values)
            mirrored = before.conj() if element.flip else before
            torch.testing.assert_close(after, mirrored * step ** (wave.frequency * element.turns))


@given(group=any_group)
@settings(deadline=None, max_examples=14)
def test_the_fourier_transform_is_orthogonal(group: Group) -> None:
    values = np.array([wave.values(group) for wave in all_waves(group)])
    table = np.concatenate([values.real, values.imag])
    table = table[np.abs(table).max(1) > 1e-12]  # real and imaginary coefficients have one part only
    np.testing.assert_allclose(table @ table.T, np.eye(group.order), atol=1e-12)
    assert len(signed_waves(group)) == group.order


@given(group=any_group, seed=st.integers(0, 99))
@settings(deadline=None, max_examples=20)
def test_the_bispectrum_is_the_fourier_transform_of_the_triple_correlation(group: Group, seed: int) -> None:
    """Σ over a, b of T(a, b) ψ₁(e) ψ₂(a) ψ₃(b), for slow sums T and the waves of each product."""
    n, p, product = group.order, 2, group.cayley
    v = draw(1, n, 3, seed=seed)
    head = BispectrumHead(group, 3, projections=p, seed=seed).double()
    u, s = (v @ head.mixes)[0], scale_of(v)[0]
    shifted = torch.stack([u[[product[g][a] for g in range(n)]] for a in range(n)])  # [a, g, i] = U[ga, i]
    triple = torch.einsum("gi,agj,bgk->ijkab", u, shifted, shifted) / n
    features = named(head, v)
    for part in head.products:
        (i, first), (j, second), (k, third) = part.factors
        waves = [torch.from_numpy(wave.values(group)) for wave in (first, second, third)]
        value = n * waves[0][0] * torch.einsum("ab,a,b->", triple[i, j, k].to(waves[0]), waves[1], waves[2])
        expected = (value.imag if part.imaginary else value.real) / s.square()
        torch.testing.assert_close(features[part.name][0], expected, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("name", ["C2", "C4", "C5", "D2", "D3", "D4", "D5"])
def test_triple_correlation_and_bispectrum_are_bases_of_one_space(name: str) -> None:
    group = get_group(name)
    v = draw(250, group.order, 2)
    first, second = (kind(group, 2).double().cubes(v) for kind in (TripleCorrelationHead, BispectrumHead))
    ranks = [int(torch.linalg.matrix_rank(cubes)) for cubes in (first, second, torch.cat([first, second], 1))]
    assert ranks == [first.shape[1]] * 3


@pytest.mark.parametrize("n", [3, 4, 5, 6, 7, 8, 12, 24])
@pytest.mark.parametrize("reflections", [False, True])
def test_the_selective_bispectrum_has_about_as_many_products_as_the_group_has_elements(
    n: int, reflections: bool
) -> None:
    group = Group(n, reflections)
    head = SelectiveBispectrumHead(group, 1)
    assert len(head.products) <= group.order + 1
    assert {part.name for part in head.products} <= set(named(BispectrumHead(group, 1), draw(1, group.order, 1)))


# --- what they tell apart -------------------------------------------------------------------------------------


def units_of_the_group_algebra(group: Group, count: int) -> Tensor:
    """Random orthogonal matrices ``(count, |G|, |G|)`` that commute with all right translations."""
    eye = torch.eye(group.order, dtype=torch.float64)
    translations = torch.stack([group.permute(g, eye) for g in range(group.order)])
    left, _, right = torch.linalg.svd(torch.einsum("cg,gij->cij", draw(count, group.order, seed=1), translations))
    return left @ right


def distance_from_orbit(group: Group, v: Tensor, other: Tensor) -> float:
    poses = torch.cat([group.permute(g, v) for g in range(group.order)])
    return float((other - poses).flatten(1).norm(dim=1).min() / v.norm())


@every_head
@pytest.mark.parametrize("group", [D4, D12], ids=lambda group: group.name)
def test_the_pair_that_gram_and_correlation_cannot_tell_apart(kind: type[CubicHead], group: Group) -> None:
    v = draw(1, group.order, 6)
    mixed = units_of_the_group_algebra(group, 1)[0] @ v
    assert distance_from_orbit(group, v, mixed) > 0.5
    for blind in (GramHead(group, 6), CorrelationHead(group, 6)):
        assert (blind(mixed) - blind(v)).abs().max() < 1e-10
    for projections in (1, 2):
        head = kind(group, 6, projections=projections).double()
        assert (head(mixed) - head(v)).norm() > 0.1 * head(v).norm()
        for g in range(group.order):
            assert (head(group.permute(g, v)) - head(v)).abs().max() < 1e-12 * head(v).abs().max()


@every_head
@pytest.mark.parametrize("group", [C4, D4, D12], ids=lambda group: group.name)
def test_one_channel_in_another_pose_than_the_rest_is_noticed(kind: type[CubicHead], group: Group) -> None:
    v = draw(1, group.order, 6)
    head = kind(group, 6).double()
    for g in range(1, group.order):
        apart = torch.cat([group.permute(g, v[..., :1]), v[..., 1:]], -1)
        assert (head(apart) - head(v)).norm() > 0.05 * head(v).norm()


@every_head
@pytest.mark.parametrize(("group", "m"), [(D4, 3), (D4, 10), (D12, 5), (Group(5, False), 4), (Group(8, True), 3)])
def test_complete_heads_determine_every_number_of_v(kind: type[CubicHead], group: Group, m: int) -> None:
    """The Jacobian has full rank |G|·m at a generic V: 24, 80 and 120 where the correlation has 23, 79 and 115."""
    head, v = kind(group, m, projections=1).double(), draw(1, group.order, m)
    jacobian = torch.autograd.functional.jacobian(lambda v: head(v)[0], v).reshape(head.width, -1)
    assert torch.linalg.matrix_rank(jacobian, rtol=1e-9) == group.order * m


def planar_units(group: Group, angles: Tensor) -> Tensor:
    """Units of the group algebra that turn the coefficients of frequency 1 by each angle, with all combinations of
    signs of the coefficients of dimension one, with and without the mirror; for groups with one plane.

    Returns:
        ``(signs · mirrors, angles, |G|, |G|)``.
    """
    planes = [wave for wave in all_waves(group) if not wave.is_self_conjugate(group)]
    lines = [wave for wave in all_waves(group) if wave.is_self_conjugate(group)]
    units = []
    for signs in itertools.product((1, -1), repeat=len(lines)):
        fixed = sum(s * _projector(wave, group) for s, wave in zip(signs, lines, strict=True))
        for mirrored in (False, True)[: 1 + group.reflections]:
            turned = torch.zeros(len(angles), group.order, group.order, dtype=torch.float64)
            for wave in planes:
                values = torch.from_numpy(wave.values(group))
                source = values.conj() if mirrored else values
                turned += (torch.exp(1j * angles)[:, None, None] * source * values.conj()[:, None]).real
            units.append(fixed + turned)
    return torch.stack(units)


def _projector(wave: Wave, group: Group) -> Tensor:
    values = torch.from_numpy(wave.values(group))
    return (values[:, None].conj() * values).real


@every_head
@pytest.mark.parametrize("group", [Group(3, False), C4, Group(3, True), D4], ids=lambda group: group.name)
def test_of_all_units_only_the_groups_own_elements_keep_the_features(kind: type[CubicHead], group: Group) -> None:
    """Completeness at large, by a search through everything that the correlation leaves open."""
    v = draw(1, group.order, 4, seed=5)
    head = kind(group, 4, projections=1).double()
    steps = 60 * group.rotations
    units = planar_units(group, 2 * torch.pi * torch.arange(steps, dtype=torch.float64) / steps).flatten(0, 1)
    eye = torch.eye(group.order, dtype=torch.float64)
    torch.testing.assert_close(units @ units.mT, eye.expand_as(units), atol=1e-12, rtol=0)
    change = (head(units @ v) - head(v)).norm(dim=1) / head(v).norm()
    correlation = CorrelationHead(group, 4)
    assert (correlation(units @ v) - correlation(v)).abs().max() < 1e-12
    same = units[change < 1e-9]
    elements = torch.stack([group.permute(g, eye) for g in range(group.order)])
    assert len(same) == group.order
    assert torch.cdist(same.flatten(1), elements.flatten(1)).min(1).values.max() < 1e-9
    nearest = torch.cdist(units.flatten(1), elements.flatten(1)).min(1).values
    # In proportion to the distance from the orbit: no other unit comes near.
    assert (change[nearest > 1e-6] / nearest[nearest > 1e-6]).min() > 1e-3


@given(n=st.integers(3, 9), seed=st.integers(0, 99))
@settings(deadline=None, max_examples=20)
def test_the_selective_bispectrum_of_a_cyclic_group_can_be_inverted(n: int, seed: int) -> None:
    """Step by step from |z₁| on, as its docstring says: the signal comes back in one of its n poses."""
    group = Group(n, False)
    u = draw(1, n, 1, seed=seed)
    u = u / scale_of(u)
    head = SelectiveBispectrumHead(group, 1).double()
    products: dict[tuple[Wave, ...], complex] = {}
    for part, cube in zip(head.products, head.cubes(u)[0].tolist(), strict=True):
        key = tuple(factor.wave for factor in part.factors)
        products[key] = products.get(key, 0) + cube * (1j if part.imaginary else 1)
    one, highest, last = Wave(1, False), (n - 1) // 2, n - 1 - (n - 1) // 2
    z = {0: np.cbrt(products[Wave(0, False), Wave(0, False), Wave(0, False)].real)}
    z[1] = complex(head.squares(u)[0, 1].sqrt())  # from the cross spectrum; its angle is what nothing fixes
    for q in range(1, highest):
        z[q + 1] = (products[one, Wave(q, False), Wave(q + 1, False, True)] / z[1] / z[q]).conjugate()
    around = products[one, Wave(highest, False), Wave(last, False)] / z[1] / z[highest]
    if last == highest:
        angle = np.angle(around / z[last]) / n
    else:  # z_{n/2} is real, of either sign
        angle = np.angle(around) * 2 / n
        z[last] = around.conjugate()  # turned below to a positive number
    turned = torch.tensor([z[q] * np.exp(1j * q * angle) for q in range(last + 1)])
    table = torch.stack([torch.from_numpy(wave.values(group)) for wave in all_waves(group)])
    restored = (turned[:, None] * table.conj()).real.sum(0)
    assert distance_from_orbit(group, u, restored[None, :, None]) < 1e-6


# --- options --------------------------------------------------------------------------------------------------


@every_head
def test_features_are_in_the_units_of_v(kind: type[CubicHead]) -> None:
    v = draw(2, 8, 4)
    head = kind(D4, 4).double()
    torch.testing.assert_close(head(1e3 * v), 1e3 * head(v), rtol=1e-9, atol=1e-9)


@every_head
def test_mixes_follow_their_seed_and_are_the_channels_where_they_are_as_many(kind: type[CubicHead]) -> None:
    first, again, other = (kind(D4, 5, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(first.mixes, again.mixes)
    assert not torch.allclose(first.mixes, other.mixes)
    torch.testing.assert_close(first.mixes.norm(dim=0), torch.ones(2, dtype=torch.float64))
    assert torch.equal(kind(D4, 3, projections=9).mixes, torch.eye(3, dtype=torch.float64))


def test_the_mixes_of_a_seed_never_change() -> None:
    # Written down once; a change would make the features of older checkpoints others.
    expected = [0.57997, 0.13156, 0.32178, 0.73674]
    torch.testing.assert_close(
        SelectiveBispectrumHead(D4, 4, projections=1).mixes[:, 0], torch.tensor(expected).double(), atol=1e-4, rtol=0
    )
