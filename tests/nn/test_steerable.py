"""Steerable kernels: the basis against escnn and against its own symmetry, the layers off the lattice, the cache."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from escnn_oracle import needs_escnn
from layer_cases import CASES, LayerCase, action
from torch import Tensor

from eqae.data.transforms import rotate
from eqae.errors import ConfigError
from eqae.groups import Group, get_group
from eqae.nn import DiscMask, LiftingConv, RegularConv, Window
from eqae.nn import basis as basis_module
from eqae.nn.basis import basis_size, blank_bases, moved_basis, rings
from eqae.nn.escnn import import_escnn
from eqae.testing import assert_equivariant, randomize

pytestmark = needs_escnn

OFF_LATTICE = ["C3", "C6", "C8", "D3", "D12"]
by_name = {"ids": lambda group: group}


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    basis_module._kept.cache_clear()
    yield tmp_path
    basis_module._kept.cache_clear()


@pytest.mark.parametrize(("kernel", "count"), [(3, 6), (5, 11), (7, 18)])
def test_the_basis_is_as_large_as_escnns_default(kernel: int, count: int) -> None:
    assert basis_size(kernel) == count == moved_basis(get_group("C8"), kernel).shape[1]


@pytest.mark.parametrize("kernel", range(2, 10))
def test_functions_of_a_basis_are_independent_and_of_equal_energy(kernel: int) -> None:
    functions = moved_basis(get_group("C8"), kernel)[0].flatten(1)
    assert torch.linalg.matrix_rank(functions) == basis_size(kernel)
    energy = moved_basis(get_group("C8"), kernel).square().sum((0, 2, 3)) / 8
    torch.testing.assert_close(energy, torch.full_like(energy, kernel**2 / basis_size(kernel)))


@pytest.mark.parametrize("name", OFF_LATTICE, **by_name)
@pytest.mark.parametrize("kernel", [4, 5])
def test_moved_functions_are_permuted_pixels_where_pixels_can_be_moved(name: str, kernel: int) -> None:
    group = get_group(name)
    basis = moved_basis(group, kernel)
    for h in group.exact_elements:
        for g in range(group.order):
            assert torch.equal(basis[group.cayley[h][g]], group.act(h, basis[g]))


@pytest.mark.parametrize("name", OFF_LATTICE, **by_name)
def test_moved_functions_stay_in_the_span_up_to_sampling(name: str) -> None:
    """A rotated harmonic is a combination of the same two harmonics: the moved copies span nothing new."""
    basis = moved_basis(get_group(name), 7)
    upright = basis[0].flatten(1)
    moved = basis.flatten(0, 1).flatten(1)
    solution = torch.linalg.lstsq(upright.T, moved.T).solution
    assert (upright.T @ solution - moved.T).norm() < 1e-6 * moved.norm()


@pytest.mark.parametrize("name", ["C8", "D6"], **by_name)
def test_filters_between_regular_fields_span_escnns_space(name: str) -> None:
    """As many independent filters as escnn has, and every one of escnn's is one of ours."""
    group, kernel = get_group(name), 5
    escnn = import_escnn()
    space = basis_module._space(escnn, group)
    field = escnn.nn.FieldType(space, [space.regular_repr])
    layer = escnn.nn.R2Conv(field, field, kernel, bias=False, initialize=False)
    (theirs,) = (buffer for key, buffer in layer.named_buffers() if "sampled_basis" in key)
    ours = RegularConv(group, 1, 1, Window(kernel, 1, 2)).double()
    count = group.order * basis_size(kernel)
    expanded = [ours.filters.regular(one.view(1, 1, count)).flatten() for one in torch.eye(count).double()]
    span = torch.linalg.qr(torch.stack(expanded).T).Q
    theirs = theirs.double().flatten(1).T
    assert theirs.shape[1] == count == torch.linalg.matrix_rank(torch.stack(expanded))
    assert (span @ (span.T @ theirs) - theirs).norm() < 1e-5 * theirs.norm()


@pytest.mark.parametrize("name", OFF_LATTICE, **by_name)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_layers_are_exact_for_the_elements_that_move_pixels(name: str, case: LayerCase) -> None:
    group, size = get_group(name), 9
    layer = randomize(case.build(group, size, Window(5, 2, 2))).double().eval()
    x = case.input(group, size)
    assert_equivariant(
        layer, group, x, in_action=action(case.takes, group), out_action=action(case.gives, group),
        elements=group.exact_elements,
    )  # fmt: skip


def smooth_images(size: int, sigma: float = 2.5) -> Tensor:
    """Random images of one spatial scale, zero outside the disc."""
    grid = torch.arange(-8, 9).double()
    row = torch.exp(-grid.square() / (2 * sigma**2))
    kernel = (row[:, None] * row[None, :] / row.sum() ** 2).view(1, 1, 17, 17)
    noise = torch.randn(2, 1, size + 16, size + 16, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return DiscMask(size).double()(torch.nn.functional.conv2d(noise, kernel))


@pytest.mark.parametrize("name", ["C8", "D12"], **by_name)
def test_layers_follow_turns_off_the_lattice_as_far_as_sampling_goes(name: str) -> None:
    """The smallest turn of the group: moving the fibre by one row explains nearly all of what changes."""
    group, images = get_group(name), smooth_images(33)
    torch.manual_seed(0)
    layers = torch.nn.Sequential(
        LiftingConv(group, 1, 4, Window(5, 1, 2)), torch.nn.ReLU(), RegularConv(group, 4, 4, Window(5, 1, 2))
    ).double()
    inside = DiscMask(33).inside.double()

    def rows(x: Tensor) -> Tensor:
        """The mean over the disc of every channel, ``(B, fields, n)``: turning leaves it to the fibre to move."""
        return (layers(x) * inside).mean((2, 3)).unflatten(1, (-1, group.order))

    with torch.no_grad():
        upright, turned = rows(images), rows(rotate(images, group.angle(1)))
        moved = group.permute(1, upright.transpose(1, 2)).transpose(1, 2)
        spread = (upright - upright.mean(2, keepdim=True)).norm()
    assert (turned - moved).norm() < 0.25 * spread
    assert (turned - upright).norm() > 0.7 * spread


def test_bases_are_kept_in_the_users_cache_and_read_from_there(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = get_group("C8")
    built = moved_basis(group, 5)
    (kept,) = (empty_cache / "eqae").rglob("*.safetensors")
    basis_module._kept.cache_clear()
    monkeypatch.setattr(basis_module, "_sampled_by_escnn", _refuse)
    assert torch.equal(moved_basis(group, 5), built)
    content = bytearray(kept.read_bytes())
    content[-1] ^= 1
    kept.write_bytes(bytes(content))
    basis_module._kept.cache_clear()
    with pytest.raises(RuntimeError, match="escnn was asked"):
        moved_basis(group, 5)


def test_a_cache_that_cannot_be_written_is_none(empty_cache: Path) -> None:
    (empty_cache / "eqae").write_text("a file where a folder should be")
    assert moved_basis(get_group("C8"), 3).shape == (8, 6, 3, 3)


def _refuse(*_: Any) -> Tensor:
    raise RuntimeError("escnn was asked")


def test_without_escnn_the_message_says_what_to_install(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent() -> None:
        raise ImportError

    monkeypatch.setattr("eqae.nn.escnn.import_escnn", absent)
    with pytest.raises(ConfigError, match=r"D12.*escnn is not installed[\s\S]*pip install --no-deps escnn"):
        moved_basis(get_group("D12"), 5)


def test_blank_bases_have_the_shape_and_ask_nobody(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(basis_module, "_sampled_by_escnn", _refuse)
    with blank_bases():
        layer = RegularConv(get_group("D12"), 2, 3, Window(5, 1, 2))
    assert layer.weight.shape == (3, 2, 24 * 11)
    assert not layer.expanded().any()


@pytest.mark.parametrize(("name", "kernel"), [("C8", 5), ("D12", 5), ("D6", 4)])
def test_bases_span_what_checkpoints_were_trained_with(name: str, kernel: int) -> None:
    """Frozen: another version of escnn, numpy or scipy that samples other functions is noticed."""
    functions = moved_basis(get_group(name), kernel)[0].flatten(1)
    projector = torch.linalg.pinv(functions) @ functions
    found = projector.view(kernel, kernel, kernel, kernel)[1, 1]
    torch.testing.assert_close(found, torch.tensor(FROZEN[kernel], dtype=torch.float64), atol=1e-5, rtol=0)


FROZEN = {
    5: [
        [0.000583, 0.037542, 0.066819, 0.020822, 0.003332],
        [0.037542, 0.522039, 0.278929, -0.15929, 0.004525],
        [0.066819, 0.278929, 0.0, -0.047857, -0.011464],
        [0.020822, -0.15929, -0.047857, 0.15929, -0.011351],
        [0.003332, 0.004525, -0.011464, -0.011351, -0.003332],
    ],
    4: [
        [-0.013693, 0.02962, -0.023116, -0.022044],
        [0.02962, 0.755136, 0.243523, -0.025601],
        [-0.023116, 0.243523, -0.243523, 0.024652],
        [-0.022044, -0.025601, 0.024652, 0.022044],
    ],
}
"""What the span keeps of a kernel that is one pixel, at row and column 1."""


def test_outer_rings_carry_two_frequencies_and_inner_ones_what_they_resolve() -> None:
    assert rings(7) == ((0.0, 0), (1.0, 2), (2.0, 3), (3.0, 2))
    assert rings(2) == ((0.5, 1),)
    assert rings(1) == ((0.0, 0),)


def test_a_group_may_have_any_number_of_turns() -> None:
    group = Group(5, True)
    assert moved_basis(group, 5).shape == (10, 11, 5, 5)
    assert math.isclose(group.angle(1), 72)
