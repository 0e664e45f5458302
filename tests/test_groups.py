"""Groups: axioms, the action on arrays, the vectors of the convention, and the tables of the paper."""

from __future__ import annotations

import copy
import itertools
import pickle

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from eqae.errors import ConfigError
from eqae.groups import D4, Group, get_group
from eqae.registry import GROUPS
from eqae.testing import element_name

LATTICE = [get_group(name) for name in GROUPS if get_group(name).is_lattice]
TO_OURS = [0, 3, 2, 1, 4, 7, 6, 5]
"""Our index of the paper's element i: its quarter turns are clockwise, ours counter-clockwise."""

PAPER_PRODUCTS = [
    [0, 1, 2, 3, 4, 5, 6, 7],
    [1, 2, 3, 0, 5, 6, 7, 4],
    [2, 3, 0, 1, 6, 7, 4, 5],
    [3, 0, 1, 2, 7, 4, 5, 6],
    [4, 7, 6, 5, 0, 3, 2, 1],
    [5, 4, 7, 6, 1, 0, 3, 2],
    [6, 5, 4, 7, 2, 1, 0, 3],
    [7, 6, 5, 4, 3, 2, 1, 0],
]

any_group = st.builds(Group, st.integers(1, 16), st.booleans())


@given(any_group)
def test_products_form_a_group(group: Group) -> None:
    n, table = group.order, group.cayley
    assert list(table[0]) == list(range(n))
    assert [row[0] for row in table] == list(range(n))
    for row in (*table, *zip(*table, strict=True)):
        assert sorted(row) == list(range(n))
    for a, b, c in itertools.islice(itertools.product(range(n), repeat=3), 4096):
        assert table[table[a][b]][c] == table[a][table[b][c]]


@given(any_group)
def test_inverses_and_left_quotients_agree_with_products(group: Group) -> None:
    for g in range(group.order):
        assert group.cayley[g][group.inverses[g]] == group.cayley[group.inverses[g]][g] == 0
        for h in range(group.order):
            assert group.cayley[g][group.left_quotient[g][h]] == h


@pytest.mark.parametrize("group", LATTICE, ids=lambda group: group.name)
def test_product_is_the_composition_of_motions_on_arrays(group: Group) -> None:
    image = torch.arange(25.0).view(5, 5)
    for a, b in itertools.product(range(group.order), repeat=2):
        assert torch.equal(group.act(a, group.act(b, image)), group.act(group.cayley[a][b], image))


@pytest.mark.parametrize("group", LATTICE, ids=lambda group: group.name)
def test_elements_move_an_image_in_different_ways(group: Group) -> None:
    image = torch.arange(9.0).view(3, 3)
    assert len({tuple(group.act(g, image).flatten().tolist()) for g in range(group.order)}) == group.order


@pytest.mark.parametrize("group", LATTICE, ids=lambda group: group.name)
def test_rows_and_images_are_moved_by_the_same_homomorphism(group: Group) -> None:
    rows = torch.randn(2, group.order, 3)
    for a, b in itertools.product(range(group.order), repeat=2):
        assert torch.equal(group.permute(a, group.permute(b, rows)), group.permute(group.cayley[a][b], rows))


def test_d4_agrees_with_the_vectors_of_the_convention() -> None:
    image = torch.tensor([[1, 2], [3, 4]])

    def rows(x: torch.Tensor) -> list[int]:
        return [int(D4.act(inverse, x)[0, 0]) for inverse in D4.inverses]

    assert rows(image) == [1, 3, 4, 2, 2, 1, 3, 4]
    assert rows(image.rot90(1)) == [2, 1, 3, 4, 4, 2, 1, 3]
    assert rows(image.flip(-1)) == [2, 4, 3, 1, 1, 2, 4, 3]


def test_quarter_turns_are_counter_clockwise_and_flips_reverse_the_last_axis() -> None:
    image = torch.tensor([[1, 2], [3, 4]])
    assert D4.act(1, image).tolist() == [[2, 4], [1, 3]]
    assert D4.act(4, image).tolist() == [[2, 1], [4, 3]]
    assert (D4.angle(1), D4.angle(5), D4.angle(0)) == (90.0, 90.0, 0.0)


def test_the_papers_product_table_is_ours_before_and_after_conversion() -> None:
    assert [list(row) for row in D4.cayley] == PAPER_PRODUCTS
    for g, h in itertools.product(range(8), repeat=2):
        assert D4.cayley[TO_OURS[g]][TO_OURS[h]] == TO_OURS[PAPER_PRODUCTS[g][h]]
    assert list(D4.inverses) == [0, 3, 2, 1, 4, 5, 6, 7]


def test_the_papers_motions_are_ours_after_conversion() -> None:
    image = torch.arange(9).view(3, 3)
    for i, ours in enumerate(TO_OURS):
        flip, clockwise = divmod(i, 4)
        moved = (image.fliplr() if flip else image).rot90(-clockwise)
        assert torch.equal(D4.act(ours, image), moved)


def test_rows_in_the_papers_order_move_as_its_figure_shows() -> None:
    order = [TO_OURS[i] for i in (0, 1, 2, 3, 5, 6, 7, 4)]  # e, 90, 180, 270, 270+M, 180+M, 90+M, M

    def destinations(element: int) -> list[int]:
        """Where the content of each row of the figure goes, counted from 1."""
        return [order.index(D4.cayley[element][row]) + 1 for row in order]

    assert destinations(TO_OURS[1]) == [2, 3, 4, 1, 6, 7, 8, 5]
    assert destinations(TO_OURS[4]) == [8, 7, 6, 5, 4, 3, 2, 1]


@pytest.mark.parametrize(("alias", "name"), sorted(GROUPS.aliases().items()))
def test_plane_group_aliases_give_the_point_group(alias: str, name: str) -> None:
    assert get_group(alias) is get_group(name) is get_group(alias.upper())
    assert get_group(alias).name == name


def test_orders_of_the_lattice_groups_are_those_of_the_field() -> None:
    assert {group.name: group.order for group in LATTICE} == {"C1": 1, "C2": 2, "C4": 4, "D1": 2, "D2": 4, "D4": 8}
    assert all(group.is_lattice for group in LATTICE)


def test_a_group_that_leaves_the_lattice_refuses_to_move_pixels() -> None:
    octagonal = Group(8, False)
    assert not octagonal.is_lattice
    with pytest.raises(ConfigError, match=r"C8.*45 degrees.*multiple of 90"):
        octagonal.act(1, torch.zeros(1, 1, 4, 4))


def test_an_unknown_group_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match="did you mean"):
        get_group("p4mm")


def test_groups_are_values_that_survive_pickling_and_copying() -> None:
    assert D4.cayley  # cached properties are filled before the copy
    for twin in (pickle.loads(pickle.dumps(D4)), copy.deepcopy(D4), Group(4, True)):
        assert twin == D4
        assert hash(twin) == hash(D4)
        assert twin.cayley == D4.cayley


def test_every_element_has_a_name_of_its_own() -> None:
    names = [element_name(D4, g) for g in range(8)]
    assert names[:2] == ["identity", "turn 90°"]
    assert names[4:6] == ["flip", "flip, turn 90°"]
    assert len(set(names)) == 8
