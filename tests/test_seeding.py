import hashlib

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from eqae.seeding import generator, mix

PARTS = st.lists(st.one_of(st.integers(), st.text(max_size=8)), max_size=4).map(tuple)


@given(PARTS)
def test_a_seed_is_a_63_bit_number_that_torch_accepts(parts: tuple[object, ...]) -> None:
    assert 0 <= mix(*parts) < 2**63
    assert generator(*parts).initial_seed() == mix(*parts)


@given(PARTS, PARTS)
def test_different_parts_give_different_seeds(a: tuple[object, ...], b: tuple[object, ...]) -> None:
    assert (mix(*a) == mix(*b)) == (a == b)


def test_neighbouring_seeds_and_epochs_do_not_share_draws() -> None:
    seeds = {mix(seed, purpose, epoch) for seed in range(50) for epoch in range(50) for purpose in ("order", "augment")}
    assert len(seeds) == 5000
    assert mix(1, 12) != mix(11, 2)
    assert mix(1) != mix("1")


def test_the_seed_is_the_first_63_bits_of_the_hash_of_the_printed_tuple() -> None:
    bits = bin(int(hashlib.sha256(b"(0, 'order', 3)").hexdigest(), 16))[2:].zfill(256)
    assert mix(0, "order", 3) == int(bits[:63], 2)


def test_seeds_never_change_from_one_release_to_the_next() -> None:
    # Recorded once: a change of this number would break the resumption of every run there is.
    assert mix(7, "order", 2) == 7687776462386053717


def test_drawing_leaves_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    torch.rand(100, generator=generator(0, "anything"))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("parts", [(0, "order", 0), (3, "augment", 1, 2, 0)])
def test_two_generators_of_the_same_parts_draw_the_same(parts: tuple[object, ...]) -> None:
    assert torch.equal(torch.rand(10, generator=generator(*parts)), torch.rand(10, generator=generator(*parts)))
