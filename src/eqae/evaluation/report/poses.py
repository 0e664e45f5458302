"""One image in its poses on the pixel lattice, and what a model makes of each."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor

from eqae.groups import D2, D4, Group
from eqae.models.base import Autoencoder


@dataclass(frozen=True)
class Poses:
    """The poses of one image, in the order of the group's elements, and their reconstructions.

    Attributes:
        label: the model's label, as in the result rows.
        inputs: ``(8, C, H, W)`` in [0, 1]: the elements of D4; ``(4, C, H, W)``, those of D2, for a rectangle.
        outputs: of the same shape.
    """

    label: str
    inputs: Tensor
    outputs: Tensor

    @property
    def group(self) -> Group:
        """The group whose elements the poses are."""
        return D4 if len(self.inputs) == D4.order else D2


def eight_poses(model: Autoencoder, image: Tensor, label: str = "") -> Poses:
    """Reconstruct ``image`` ``(C, H, W)`` in [0, 1] at the eight poses of D4, or, where it is no square, at the four
    of D2.

    Pixels are moved, not interpolated. The model must have a decoder; it is left in the mode it was in. An empty
    ``label`` becomes the name of the model's class.
    """
    group = D4 if image.shape[-1] == image.shape[-2] else D2
    some_tensor = next(chain(model.parameters(), model.buffers()), image)
    inputs = torch.stack([group.act(index, image) for index in range(group.order)])
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            outputs = model(inputs.to(some_tensor.device)).images
    finally:
        model.train(was_training)
    return Poses(label or type(model).__name__, inputs.cpu(), outputs.cpu())


def equivariance_gap(poses: Poses) -> float:
    """Largest pixel difference between the reconstructions once each is turned back, in units of full scale."""
    group = poses.group
    upright = torch.stack([group.act(group.inverses[index], image) for index, image in enumerate(poses.outputs)])
    return float((upright - upright[0]).abs().max())
