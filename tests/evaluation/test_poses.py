import pytest
import torch

from eqae.evaluation.poses import IDENTITY, Pose, conditions
from eqae.groups import D2, D4


def test_the_d4_condition_holds_the_eight_elements_in_the_order_of_the_group() -> None:
    images = torch.rand(2, 3, 6, 6)
    poses = conditions(6, 6)["D4"]
    assert len(poses) == 8
    for index, pose in enumerate(poses):
        assert torch.equal(pose.apply(images), D4.act(index, images))


def test_the_condition_of_rectangles_holds_the_four_elements_that_keep_the_frame() -> None:
    images = torch.rand(2, 1, 5, 8)
    (poses,) = conditions(5, 8).values()
    assert [torch.equal(pose.apply(images), D2.act(i, images)) for i, pose in enumerate(poses)] == [True] * 4


@pytest.mark.parametrize("size", [(8, 8), (5, 9)])
def test_every_condition_starts_with_the_identity_and_repeats_no_pose(size: tuple[int, int]) -> None:
    for poses in conditions(*size).values():
        assert poses[0] == IDENTITY
        assert len(set(poses)) == len(poses)


def test_the_turns_by_30_degrees_are_among_those_at_any_angle() -> None:
    found = conditions(8, 8)
    assert set(found["30deg"]) < set(found["any-angle"])
    assert [pose.degrees for pose in found["30deg"]] == [30.0 * k for k in range(12)]


def test_an_exact_pose_moves_pixels_without_changing_them() -> None:
    images = torch.rand(2, 1, 7, 7)
    for pose in conditions(7, 7)["any-angle"]:
        moved = pose.apply(images).flatten().sort().values
        assert torch.equal(moved, images.flatten().sort().values) == pose.is_exact
        assert torch.equal(pose.apply_and_undo(images), images) == pose.is_exact


def test_a_turn_is_counter_clockwise() -> None:
    images = torch.zeros(1, 1, 21, 21)
    images[..., 9:12, 17:20] = 1  # at three o'clock
    turned = Pose(False, 60.0).apply(images)[0, 0]
    row, column = divmod(int(turned.argmax()), 21)
    assert row < 6, "the blob must have moved up, to one o'clock"
    assert 12 <= column <= 16


def test_undoing_a_mirrored_turn_gives_nearly_the_image_back() -> None:
    coarse = torch.rand(1, 1, 3, 3, generator=torch.Generator().manual_seed(0))
    images = torch.nn.functional.interpolate(coarse, size=(33, 33), mode="bicubic", align_corners=True)
    back = Pose(True, 40.0).apply_and_undo(images)
    inside = (..., slice(10, 23), slice(10, 23))
    torch.testing.assert_close(back[inside], images[inside], atol=0.01, rtol=0)
