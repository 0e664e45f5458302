"""The transforms that invariance is tested under, by condition."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from eqae.data.transforms import rotate
from eqae.groups import D2, D4, Group


class Pose(NamedTuple):
    """First reverse the last image axis if ``mirrored``, then turn counter-clockwise by ``degrees``."""

    mirrored: bool
    degrees: float

    @property
    def is_exact(self) -> bool:
        """Whether pixels move onto pixels, so that nothing is interpolated."""
        return self.degrees % 90 == 0

    def apply(self, images: Tensor) -> Tensor:
        """Images ``(B, C, H, W)`` brought into this pose; bicubic where the pose is not exact."""
        if self.is_exact:
            return D4.act(4 * self.mirrored + int(self.degrees // 90) % 4, images)
        return rotate(images.flip(-1) if self.mirrored else images, self.degrees)

    def apply_and_undo(self, images: Tensor) -> Tensor:
        """Images brought into this pose and back: what two interpolations do to them, and nothing else."""
        if self.is_exact:
            return images
        back = rotate(self.apply(images), -self.degrees)
        return back.flip(-1) if self.mirrored else back


IDENTITY = Pose(mirrored=False, degrees=0.0)


def conditions(height: int, width: int) -> dict[str, tuple[Pose, ...]]:
    """The poses of every condition; the identity is first in each.

    ``"D4"``: the 8 symmetries of the square, in the order of the group's elements. ``"30deg"``: 12 turns by multiples
    of 30 degrees. ``"any-angle"``: 36 turns by multiples of 10 degrees, which hold the former and the quarter turns,
    so that one pass over the images serves all three. A rectangle has no quarter turns: its one condition is
    ``"D2"``.
    """
    if height != width:
        return {"D2": _group_poses(D2)}
    return {"D4": _group_poses(D4), "30deg": _turns(30), "any-angle": _turns(10)}


def _group_poses(group: Group) -> tuple[Pose, ...]:
    return tuple(Pose(bool(element.flip), group.angle(i)) for i, element in enumerate(group.elements))


def _turns(step: int) -> tuple[Pose, ...]:
    return tuple(Pose(False, float(degrees)) for degrees in range(0, 360, step))
