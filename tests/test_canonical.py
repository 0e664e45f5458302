"""Standard poses of groups with turns that leave the grid, at given attention weights."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from eqae.canonical import standard_poses, standardize
from eqae.data.transforms import mirror_then_rotate
from eqae.groups import D4, Group

D12 = Group(12, True)


def smooth(count: int, side: int = 33) -> Tensor:
    """Blobs that vanish near the border: turning them loses little."""
    axis = torch.linspace(-1, 1, side)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    places = 0.8 * torch.rand(count, 3, 2, generator=torch.Generator().manual_seed(0)) - 0.4
    blobs = [torch.exp(-((x - a) ** 2 + (y - b) ** 2) / 0.03) for image in places for a, b in image.tolist()]
    return (torch.stack(blobs).view(count, 3, side, side) * torch.tensor([1.0, 0.6, 0.3]).view(3, 1, 1)).amax(1)[
        :, None
    ]


def one_hot(rows: list[int], group: Group = D12) -> Tensor:
    return torch.eye(group.order)[rows]


@pytest.mark.parametrize("g", range(D12.order))
def test_turned_copies_come_to_the_same_picture(g: int) -> None:
    images, rows = smooth(D12.order), list(range(D12.order))
    standard = standardize(D12, one_hot(rows), images)
    turned = mirror_then_rotate(
        images, torch.full((24,), bool(D12.elements[g].flip)), torch.full((24,), D12.angle(g)), mode="bicubic"
    )
    again = standardize(D12, one_hot([D12.cayley[g][s] for s in rows]), turned)
    exact = D12.angle(g) % 90 == 0
    assert (again - standard).abs().max() < (1e-4 if exact else 0.05)
    assert (standard[1] - images[1]).abs().max() > 0.3


def test_the_pose_is_the_inverse_of_the_heaviest_row() -> None:
    weights = (20 * torch.eye(D12.order)).softmax(1).numpy()
    poses = standard_poses(D12, weights)
    assert poses.element.tolist() == list(D12.inverses)
    for s, (mirrored, degrees) in enumerate(zip(poses.mirrored, poses.degrees, strict=True)):
        flip, turns = D12.elements[D12.inverses[s]]
        assert (mirrored, degrees) == (bool(flip), 30 * turns)


def test_quarter_turns_and_mirrors_of_a_finer_group_move_pixels_onto_pixels() -> None:
    images = torch.rand(8, 1, 9, 9, generator=torch.Generator().manual_seed(0))
    rows = [12 * flip + 3 * quarter for flip in (0, 1) for quarter in range(4)]
    standard = standardize(D12, one_hot(rows), images)
    for i, image in enumerate(images):
        assert torch.equal(standard[i], D4.act(D4.inverses[i], image))


def test_what_interpolation_overshoots_is_cut() -> None:
    image = torch.zeros(1, 1, 12, 12)
    image[..., 4:8, 4:8] = 1.0
    standard = standardize(D12, one_hot([1]), image)
    assert 0 <= standard.min() <= standard.max() <= 1


def test_weight_and_entropy_run_from_certainty_to_none_at_all() -> None:
    poses = standard_poses(D12, np.stack([np.eye(24)[3], np.full(24, 1 / 24)]).astype(np.float32))
    np.testing.assert_allclose(poses.weight, [1, 1 / 24])
    np.testing.assert_allclose(poses.entropy, [0, math.log(24)], rtol=1e-6)
