"""Feature maps on the way to V: they move with the image, and looking at them changes nothing."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from model_options import tiny
from torch import Tensor

from eqae.groups import D4, get_group
from eqae.models import Autoencoder, build_model
from eqae.registry import GROUPS, MODELS
from eqae.testing import act_on_fields, assert_equivariant, equivariance_errors, randomize

every_model = pytest.mark.parametrize("name", MODELS.names())
STAGED = ("eqae", "cnn", "cnn_antialiased")


def random_images(shape: tuple[int, int, int], batch: int = 3, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.rand(batch, *shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(dtype)


def exact(name: str, shape: tuple[int, int, int], **options: Any) -> Autoencoder:
    """A model in float64 with random weights and statistics, in evaluation mode."""
    torch.manual_seed(0)
    model = tiny(name, shape, **options).double().eval()
    randomize(model)
    return model


def maps_of(model: Autoencoder, images: Tensor) -> dict[str, Tensor]:
    with torch.no_grad():
        return model.encode_with_maps(images)[1]


@every_model
@pytest.mark.parametrize("size", [20, 21])
def test_v_is_the_same_to_the_last_bit_with_and_without_maps(name: str, size: int) -> None:
    model = tiny(name, (1, size, size)).eval()
    images = random_images((1, size, size), dtype=torch.float32)
    with torch.no_grad():
        embedding, maps = model.encode_with_maps(images)
        assert torch.equal(embedding, model.encode(images))
    assert list(maps) == [f"stage {number}" for number in range(1, len(maps) + 1)]
    for values in maps.values():
        assert values.shape[0] == len(images)
        assert values.shape[2] == model.group.order
        assert values.isfinite().all()


@pytest.mark.parametrize("group", [name for name in GROUPS if get_group(name).is_lattice])
@pytest.mark.parametrize("size", [20, 21])
@pytest.mark.parametrize("antialiased", [False, True], ids=["strided", "antialiased"])
def test_maps_of_a_transformed_image_are_the_transformed_maps(group: str, size: int, antialiased: bool) -> None:
    model = exact("eqae", (1, size, size), group=group, fields=[3, 5], antialiased=antialiased)
    images, action = random_images((1, size, size)), act_on_fields(get_group(group))
    maps = maps_of(model, images)
    assert [values.shape[1] for values in maps.values()] == [3, 5]
    for stage in maps:
        assert_equivariant(
            lambda x, stage=stage: maps_of(model, x)[stage].flatten(1, 2), model.group, images, out_action=action
        )


@pytest.mark.parametrize("name", STAGED)
def test_maps_are_what_the_last_rectifier_of_each_stage_lets_through(name: str) -> None:
    model = exact(name, (1, 29, 29), fields=[2, 3, 4])
    images, caught = random_images((1, 29, 29)), {}
    for depth, layer in enumerate(model.encoder):
        layer.register_forward_hook(lambda _, __, output, depth=depth: caught.update({depth: output}))
    maps = maps_of(model, images)
    assert [values.shape[-1] for values in maps.values()] == [15, 8, 4]
    for values in maps.values():
        assert (values >= 0).all()
        assert any(torch.equal(values.flatten(1, 2), output) for output in caught.values())


def test_maps_of_a_plain_network_do_not_move_with_the_image() -> None:
    model, images = exact("cnn", (1, 20, 20)), random_images((1, 20, 20))
    errors = equivariance_errors(lambda x: maps_of(model, x)["stage 2"].squeeze(2), D4, images)
    assert min(errors.values()) > 0.01


@pytest.mark.parametrize("name", ["pca", "zernike", "orbit_mean"])
def test_models_without_layers_give_no_maps(name: str) -> None:
    assert maps_of(tiny(name, (1, 20, 20)).eval(), random_images((1, 20, 20), dtype=torch.float32)) == {}


@pytest.mark.parametrize("name", [*STAGED, "pca", "zernike", "orbit_mean"])
def test_models_without_a_classifier_say_so(name: str) -> None:
    model = tiny(name, (1, 20, 20))
    assert model.classes == 0
    with pytest.raises(NotImplementedError):
        model.logits(torch.zeros(1, model.group.order, model.channels))


def test_maps_can_be_learnt_from() -> None:
    model = build_model("eqae", (1, 20, 20), {"fields": [2, 3], "code": 4})
    _, maps = model.encode_with_maps(random_images((1, 20, 20), dtype=torch.float32))
    (gradient,) = torch.autograd.grad(maps["stage 1"].sum(), [model.encoder[0].weight])
    assert gradient.any()
