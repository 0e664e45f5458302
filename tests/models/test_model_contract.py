"""What every registered model keeps: three verbs, the row rule, honest attributes, clear refusals."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
import torch
from model_options import tiny
from torch import Tensor, nn

from eqae.errors import ConfigError
from eqae.groups import D4, get_group
from eqae.heads import build_head
from eqae.models import Autoencoder, build_model
from eqae.models.base import Reconstruction
from eqae.registry import GROUPS, MODELS
from eqae.testing import act_on_rows, assert_equivariant, check_model, equivariance_errors, randomize

HEADS_OF_ANY_MODEL = ("mean", "max", "gram", "gram_banded", "correlation")
every_model = pytest.mark.parametrize("name", MODELS.names())
every_group = pytest.mark.parametrize("group", [name for name in GROUPS if get_group(name).is_lattice])
grey_and_colour = pytest.mark.parametrize("channels", [1, 3], ids=["grey", "colour"])


def random_images(shape: tuple[int, int, int], batch: int = 3, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.rand(batch, *shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(dtype)


@every_model
@grey_and_colour
@pytest.mark.parametrize("size", [20, 21])
def test_every_model_keeps_the_contract(name: str, channels: int, size: int) -> None:
    model = tiny(name, (channels, size, size))
    model.fit(random_images((channels, size, size), 12))
    errors = check_model(model)
    assert len(errors) == len(model.group.exact_elements) - 1


@every_model
def test_attributes_say_what_the_model_can_do(name: str) -> None:
    model = tiny(name, (1, 20, 20))
    assert model.image_shape == (1, 20, 20)
    assert model.trained_by in ("gradient", "fit", "nothing")
    assert any(p.requires_grad for p in model.parameters()) == (model.trained_by == "gradient")
    if model.has_decoder:
        output = model(random_images((1, 20, 20)))
        assert isinstance(output, Reconstruction)
        assert output.embedding.shape == (3, model.group.order, model.channels)
    else:
        with pytest.raises(NotImplementedError):
            model.decode(torch.zeros(1, model.group.order, model.channels))


@every_model
def test_an_unknown_option_is_refused_by_name(name: str) -> None:
    with pytest.raises(ConfigError, match=r"model\.colour: unknown option"):
        tiny(name, (1, 20, 20), colour="blue")


@every_group
@pytest.mark.parametrize("attention", [None, 5])
@pytest.mark.parametrize("size", [18, 23])
def test_the_equivariant_model_keeps_the_contract_for_every_group(group: str, attention: int | None, size: int) -> None:
    check_model(tiny("eqae", (1, size, size), group=group, attention=attention))


def orbit_features(model: Autoencoder, images: Tensor, head: str) -> tuple[Tensor, Tensor]:
    """Features of the images as they are ``(B, D)`` and of every other element's copy ``(|G| - 1, B, D)``."""
    group = D4
    poses = torch.cat([group.act(g, images) for g in range(group.order)])
    with torch.no_grad():
        features = build_head(head, model, {}).to(images)(model.encode(poses)).unflatten(0, (group.order, -1))
    return features[0], features[1:]


def relative_error(upright: Tensor, turned: Tensor) -> float:
    return ((turned - upright).norm(dim=-1) / upright.norm(dim=-1)).max().item()


def train_a_little(model: Autoencoder, images: Tensor, steps: int = 3) -> None:
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    model.train()
    for _ in range(steps):
        optimizer.zero_grad()
        (model(images).images - images).square().mean().backward()
        optimizer.step()


@pytest.mark.parametrize("size", range(17, 65))
def test_features_do_not_change_when_the_image_is_turned_at_any_size(size: int) -> None:
    torch.manual_seed(size)
    model = build_model("eqae", (1, size, size), {"fields": [2, 3, 3], "code": 16})
    images = random_images((1, size, size), 2)
    for dtype, tolerance in ((torch.float32, 1e-5), (torch.float64, 1e-12)):
        randomize(model, size).to(dtype).eval()
        for head in HEADS_OF_ANY_MODEL:
            assert relative_error(*orbit_features(model, images.to(dtype), head)) < tolerance, head


@pytest.mark.parametrize("size", [28, 29])
@pytest.mark.parametrize("attention", [None, 6])
def test_features_and_reconstructions_stay_exact_before_and_after_training(size: int, attention: int | None) -> None:
    torch.manual_seed(0)
    options = {"fields": [2, 3, 4], "code": 8, "attention": attention}
    model = build_model("eqae", (1, size, size), options).double()
    images = random_images((1, size, size), 8, torch.float64)
    heads = (*HEADS_OF_ANY_MODEL, "attention") if attention else HEADS_OF_ANY_MODEL
    for steps in (0, 3):
        train_a_little(model, images, steps)
        model.eval()
        for head in heads:
            assert relative_error(*orbit_features(model, images, head)) < 1e-12, head
        assert_equivariant(lambda x: model(x).images, D4, images, tolerance=1e-12)


def test_a_plain_network_is_far_from_invariant_before_and_after_training() -> None:
    torch.manual_seed(0)
    model = build_model("cnn", (1, 28, 28), {"fields": [2, 3, 4], "code": 8})
    images = random_images((1, 28, 28), 8)
    for steps in (0, 3):
        train_a_little(model, images, steps)
        model.eval()
        for head in HEADS_OF_ANY_MODEL:
            assert relative_error(*orbit_features(model, images, head)) > 0.1, head


def test_a_training_step_lowers_the_loss() -> None:
    torch.manual_seed(0)
    model = tiny("eqae", (1, 20, 20))
    images = random_images((1, 20, 20), 8)
    before = (model(images).images - images).square().mean().item()
    train_a_little(model, images, 10)
    assert (model(images).images - images).square().mean().item() < 0.7 * before


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((1, 20, 24), {}, "20x24"),
        ((1, 8, 8), {"fields": [2, 2, 2]}, "at least 9x9"),
        ((1, 20, 20), {"group": "E5"}, "unknown group 'E5'"),
        ((1, 20, 20), {"group": "D25"}, "group D25: 50 elements; expected at most 48"),
        ((1, 64, 64), {"group": "C8", "fields": [2]}, "would cover 32x32 pixels"),
        ((1, 20, 20), {"group": "D12", "kernel": 1}, "carries no angular frequency"),
        ((1, 20, 20), {"kernel": 4}, r"model\.kernel: 4; expected an odd number"),
        ((1, 20, 24), {"construction": "copies"}, "20x24"),
        ((1, 20, 20), {"fields": []}, r"model\.fields"),
        ((1, 20, 20), {"fields": [0]}, r"model\.fields"),
        ((1, 20, 20), {"code": 10**9}, r"model\.code"),
    ],
)
def test_a_network_that_cannot_be_exact_is_refused_when_it_is_built(
    shape: tuple[int, int, int], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        build_model("eqae", shape, options)


class Forgetful(Autoencoder):
    """Breaks one clause of the contract, by name."""

    def __init__(self, fault: str) -> None:
        super().__init__(D4, 4, (1, 20, 20))
        self.fault = fault
        self.inner = tiny("eqae", (1, 20, 20))
        self.flat = nn.Linear(400, 400)

    def encode(self, images: Tensor) -> Tensor:
        if self.fault == "rows":
            return self.inner.encode(self.flat(images.flatten(1)).view(images.shape))
        embedding = self.inner.encode(images)
        if self.fault == "direction":
            return embedding[:, list(D4.inverses)]
        if self.fault == "shape":
            return embedding.transpose(1, 2)
        return embedding - embedding.mean(0) if self.fault == "batch" else embedding

    def decode(self, embedding: Tensor) -> Tensor:
        images = self.inner.decode(embedding)
        return self.flat(images.flatten(1)).view(images.shape) if self.fault == "decoder" else images


@pytest.mark.parametrize(
    ("fault", "complaint"),
    [("rows", "turn 90°"), ("direction", "turn 90°"), ("shape", "not \\(B"), ("batch", "batch"), ("decoder", "flip")],
)
def test_the_contract_refuses_a_model_that_breaks_it(fault: str, complaint: str) -> None:
    check_model(Forgetful("none"))
    with pytest.raises(AssertionError, match=complaint):
        check_model(Forgetful(fault))


def test_checking_a_model_leaves_it_as_it_was() -> None:
    model = tiny("eqae", (1, 20, 20)).train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    check_model(model)
    assert model.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


@every_group
def test_v_follows_the_vectors_of_the_row_rule(group: str) -> None:
    """Row g of V is what row e says of g⁻¹x."""
    model = tiny("eqae", (1, 20, 20), group=group).double().eval()
    images = random_images((1, 20, 20), 2, torch.float64)
    g_ = get_group(group)
    with torch.no_grad():
        rows = model.encode(images)
        for g in range(g_.order):
            told = model.encode(g_.act(g_.inverses[g], images))[:, 0]
            torch.testing.assert_close(rows[:, g], told, rtol=0, atol=1e-12)


def test_the_error_of_every_element_is_reported_for_a_plain_network() -> None:
    model = tiny("cnn", (1, 20, 20)).double().eval()
    images = random_images((1, 20, 20), 3, torch.float64)
    errors = equivariance_errors(model.encode, D4, images, out_action=lambda g, v: v)
    assert len(errors) == 7
    assert min(errors.values()) > 0.01


def test_a_built_model_survives_pickling_with_its_attributes() -> None:
    model = tiny("orbit_mean", (1, 20, 20)).eval()
    twin = pickle.loads(pickle.dumps(model))
    assert (twin.group, twin.channels, twin.trained_by) == (model.group, model.channels, model.trained_by)
    images = random_images((1, 20, 20))
    assert torch.equal(twin(images).images, model(images).images)
    assert act_on_rows(twin.group)(1, twin.encode(images)).shape == (3, 8, model.channels)
