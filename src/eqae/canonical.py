"""The standard pose of an image, read off the attention of its model, and the image turned into it.

The row that attention weighs most, s, says how the image stands: the rows of V follow its transforms,
``V(hx)[g] = V(x)[h⁻¹g]``, so the largest weight of ``hx`` lies in row ``hs``. What takes any of them to the same
picture is therefore the inverse of its own row: ``(hs)⁻¹hx = s⁻¹x``.

An image that some elements leave alone has as many rows of the same weight, and which is the largest is decided by
rounding: its pose is not defined, while the picture in standard pose is the same for each of them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr
from torch import Tensor

from eqae.evaluation.poses import Pose
from eqae.groups import Group


class Poses(NamedTuple):
    """The transforms that take N images to their standard pose: first mirror, then turn.

    Attributes:
        element: index of each transform in the model's group, ``(N,)``.
        mirrored: whether it reverses the last image axis first, ``(N,)``.
        degrees: its counter-clockwise turn, from 0 to below 360, ``(N,)``.
        weight: the largest attention weight, ``(N,)``, from 1 / |G| to 1; near a half or below, the pose is a guess.
        entropy: of the attention in nats, ``(N,)``, from 0 to log |G|.
    """

    element: NDArray[np.int64]
    mirrored: NDArray[np.bool_]
    degrees: NDArray[np.float64]
    weight: NDArray[np.float32]
    entropy: NDArray[np.float64]


def standard_poses(group: Group, weights: NDArray[np.float32]) -> Poses:
    """Attention ``weights (N, |G|)`` to the transforms that standardise the images."""
    element = np.array(group.inverses)[weights.argmax(axis=1)]
    flips = np.array([bool(e.flip) for e in group.elements])
    angles = np.array([group.angle(g) for g in range(group.order)])
    entropy = entr(weights.astype(np.float64)).sum(axis=1)
    return Poses(element, flips[element], angles[element], weights.max(axis=1), entropy)


def standardize(group: Group, weights: Tensor, images: Tensor) -> Tensor:
    """Images ``(B, C, H, W)`` in the standard pose that their attention ``weights (B, |G|)`` says.

    Pixels move onto pixels where the transform is a symmetry of the grid. Other turns are bicubic, which blurs least
    and leaves those images hardly softer than the rest; what it overshoots is cut to [0, 1], so that the pictures are
    images again.
    """
    rows, moved = weights.argmax(1), images.clone()
    for row in rows.unique().tolist():
        inverse = group.inverses[row]
        pose = Pose(bool(group.elements[inverse].flip), group.angle(inverse))
        turned = pose.apply(images[rows == row])
        moved[rows == row] = turned if pose.is_exact else turned.clamp(0, 1)
    return moved
