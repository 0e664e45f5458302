"""One image in eight poses, and how well a model keeps up with them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from eqae.evaluation.report import Poses, eight_poses
from eqae.evaluation.report.poses import equivariance_gap
from eqae.groups import C1, D2, D4
from eqae.models.base import Autoencoder


class Doubling(Autoencoder):
    """Equivariant: every pixel is halved."""

    def __init__(self) -> None:
        super().__init__(C1, 1, (1, 6, 6))
        self.factor = torch.nn.Parameter(torch.tensor(0.5))
        self.modes: list[bool] = []

    def encode(self, images: Tensor) -> Tensor:
        self.modes.append(self.training)
        return images.flatten(1)[:, None]

    def decode(self, embedding: Tensor) -> Tensor:
        side = int(embedding.shape[-1] ** 0.5)
        rows = side if side**2 == embedding.shape[-1] else 4
        return self.factor * embedding.view(len(embedding), 1, rows, -1)


class Shading(Doubling):
    """Not equivariant: the left is darker than the right."""

    def decode(self, embedding: Tensor) -> Tensor:
        images = super().decode(embedding)
        return images * torch.linspace(0, 1, images.shape[-1])


@pytest.fixture
def image() -> Tensor:
    return torch.rand(1, 6, 6, generator=torch.Generator().manual_seed(0))


def test_the_inputs_are_the_image_under_every_element_of_d4(image: Tensor) -> None:
    poses = eight_poses(Doubling(), image, "half")
    assert poses.label == "half"
    assert poses.inputs.shape == poses.outputs.shape == (8, 1, 6, 6)
    for index in range(8):
        assert torch.equal(poses.inputs[index], D4.act(index, image))
        assert torch.equal(poses.outputs[index], D4.act(index, image) / 2)


@pytest.mark.parametrize("training", [True, False])
def test_the_model_is_used_in_eval_mode_and_left_as_it_was(image: Tensor, training: bool) -> None:
    model = Doubling().train(training)
    poses = eight_poses(model, image)
    assert model.training is training
    assert model.modes == [False]
    assert not poses.outputs.requires_grad
    assert poses.label == "Doubling"


def test_an_equivariant_model_has_no_gap_and_another_has_one(image: Tensor) -> None:
    assert equivariance_gap(eight_poses(Doubling(), image)) == 0
    assert equivariance_gap(eight_poses(Shading(), image)) > 0.1


def test_the_gap_is_the_largest_difference_of_any_pixel(image: Tensor) -> None:
    inputs = torch.stack([D4.act(index, image) for index in range(8)])
    outputs = inputs.clone()
    outputs[5, 0, 2, 3] += 0.25
    assert equivariance_gap(Poses("a", inputs, outputs)) == pytest.approx(0.25)


def test_a_rectangle_is_shown_in_the_four_poses_that_keep_its_shape() -> None:
    poses = eight_poses(Doubling(), torch.rand(1, 4, 7))
    assert poses.inputs.shape == poses.outputs.shape == (4, 1, 4, 7)
    assert poses.group == D2
    assert equivariance_gap(poses) == 0
