"""Where an object stands: the pose that turns a canonical image into the one that was seen."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from eqae.data.transforms import mirror_then_rotate, rotate
from eqae.errors import ConfigError
from eqae.groups import Group, get_group
from eqae.nn.fibre import GroupAxisLinear

SOFT = 0.01
"""Length of a pose's vector below which its angle no longer pulls harder: of a symmetric V it has no angle at all."""


def group_of_minimum(objective: str, group: Group, over: str | None) -> Group:
    """The group that a least error is taken over: ``over``, or that of the model.

    Raises:
        ConfigError: the model's has one element, which would align nothing, and no other was named.
    """
    if over is not None:
        return get_group(over)
    if group.order == 1:
        raise ConfigError(
            f"objective.{objective}.over", f"that of the model, {group.name}, has one pose: nothing to align",
            "a group", "over: D4, or another that holds the poses of your images",
        )  # fmt: skip
    return group


class PredictedPose(nn.Module):
    """A turn by any angle and, for dihedral groups, a mirroring, read off V equivariantly (Winter et al. 2022,
    arXiv:2202.07559: the group action estimator).

    One equivariant score a row; the first harmonic of the scores over the turns is a vector that turns with the image,
    and its angle is the pose. Dihedral groups have two such vectors, one for each mirroring, which trade places when
    the image is mirrored; the longer one is chosen (straight-through: gradients are those of a softmax of the
    lengths). Exactly equivariant for the group's exact elements, and at every angle as far as V is.

    Args:
        group: of V; at least three turns, or its first harmonic has no angle.
        channels: m.

    Raises:
        ConfigError: fewer than three turns.
    """

    cos: Tensor
    sin: Tensor

    def __init__(self, group: Group, channels: int) -> None:
        if group.rotations < 3:
            raise ConfigError(
                "objective.aligned_reconstruction.alignment", f"'pose' with group {group.name}",
                "a group of three turns or more",
                "a model equivariant over C3 or more, or alignment: minimum with over: D4, which needs no pose",
            )  # fmt: skip
        super().__init__()
        self.turns = group.rotations
        self.score = nn.Sequential(
            GroupAxisLinear(group, channels, channels, gain=2.0), nn.ReLU(), GroupAxisLinear(group, channels, 1)
        )
        angles = torch.arange(group.rotations, dtype=torch.float64) * (2 * math.pi / group.rotations)
        self.register_buffer("cos", angles.cos().float(), persistent=False)
        self.register_buffer("sin", angles.sin().float(), persistent=False)

    def forward(self, embedding: Tensor) -> tuple[Tensor, Tensor]:
        """V ``(B, |G|, m)`` to angles in degrees ``(B, M)`` of the M mirrorings, and their one-hot choice ``(B, M)``.

        M is 2 for dihedral groups, not mirrored and mirrored, else 1.
        """
        scores = self.score(embedding).squeeze(-1).unflatten(1, (-1, self.turns))
        x, y = scores @ self.cos, scores @ self.sin
        squares = x.square() + y.square()
        soft = (squares + SOFT**2).sqrt().softmax(1)
        hard = torch.zeros_like(soft).scatter(1, squares.argmax(1, keepdim=True), 1.0)  # short ones differ here alone
        return torch.rad2deg(soft_angle(x, y)), hard + (soft - soft.detach())

    def place(self, canonical: Tensor, embedding: Tensor) -> Tensor:
        """Canonical images ``(B, C, H, W)`` in the poses of the images behind V ``(B, |G|, m)``."""
        angles, choice = self(embedding)
        both = (canonical, canonical.flip(-1))[: angles.shape[1]]
        placed = torch.stack([rotate(image, angles[:, k], mode="bilinear") for k, image in enumerate(both)], 1)
        return torch.einsum("bm,bmchw->bchw", choice, placed)


def soft_angle(x: Tensor, y: Tensor) -> Tensor:
    """Angles in radians of vectors (x, y), with a gradient that stays bounded where they vanish.

    That of an angle is one over the length. Here it is ``length / (length² + SOFT²)``, at most 50.
    """
    fixed_x, fixed_y = x.detach(), y.detach()
    turn = (fixed_x * y - fixed_y * x) / (fixed_x.square() + fixed_y.square() + SOFT**2)
    return torch.atan2(fixed_y, fixed_x) + turn - turn.detach()


def orbit(images: Tensor, group: Group) -> Tensor:
    """``gx`` for every element g, ``(B, |G|, C, H, W)``, bilinear where pixels do not move onto pixels."""
    exact = set(group.exact_elements)
    moved = []
    for g in range(group.order):
        if g in exact:
            moved.append(group.act(g, images))
        else:
            mirrored = images.flip(-1) if group.elements[g].flip else images
            moved.append(rotate(mirrored, group.angle(g), mode="bilinear"))
    return torch.stack(moved, 1)


def least_error(canonical: Tensor, images: Tensor, group: Group) -> Tensor:
    """Mean over images of the least mean squared error over the group, ``min_g |x − g x̂|²``; a scalar.

    It is x̂ that is moved. Were it the image, as one might for the sake of the gradient, then off the pixel lattice
    interpolation would take a tenth of its energy and such poses would win for their blur.

    Args:
        canonical: x̂, ``(B, C, H, W)``.
        images: x, of the same shape.
        group: over which the least is taken.
    """
    with torch.no_grad():
        nearest = (orbit(canonical, group) - images.unsqueeze(1)).square().flatten(2).mean(2).argmin(1)
    mirrored = torch.tensor([bool(element.flip) for element in group.elements], device=nearest.device)
    degrees = torch.tensor([group.angle(g) for g in range(group.order)], device=nearest.device)
    placed = mirror_then_rotate(canonical, mirrored[nearest], degrees[nearest], mode="bilinear", padding="border")
    return F.mse_loss(placed, images)
