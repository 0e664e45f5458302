"""Group layers written out as ordinary ones, and normalisation folded into them: the same features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from run_factory import make_run, pictures, spec
from torch import nn

import eqae.nn
from eqae.checkpoint import ModelSpec, load_checkpoint
from eqae.export.folding import fold
from eqae.export.pixels import PixelFeatures, plain_features
from eqae.extractor import load_extractor
from eqae.groups import C4, D4, Group, get_group
from eqae.nn import (
    FieldAvgPool,
    FieldBatchNorm,
    GroupAxisBlock,
    LiftingConv,
    ProjectionConv,
    ProjectionConvTranspose,
    RegularConv,
    RegularConvTranspose,
    Window,
)
from eqae.nn.conv import GroupConv
from eqae.registry import HEADS, MODELS
from eqae.testing import randomize

SMALL = {"fields": [2, 3], "code": 6}
OF_MODELS = {
    "eqae": spec(),
    "eqae_copies": spec(model="eqae_copies", group="D6", **SMALL),
    "cnn": spec("mean", model="cnn", **SMALL),
    "cnn_antialiased": spec("mean", model="cnn_antialiased", size=17, **SMALL),
    "orbit_mean": spec("mean", model="orbit_mean", base={"name": "cnn", **SMALL}),
    "pca": spec("mean", model="pca", components=5),
    "backbone": spec("mean", model="backbone", architecture="mobilenet_v3_small"),
}
CASES = {
    **OF_MODELS,
    **{f"head {name}": spec(name, group="D4") for name in HEADS if name != "attention"},
    "group C1": spec(group="C1"),
    "group D2, colour": spec(group="D2", channels=3),
    "steerable D12": spec(group="D12", fields=[1, 2], code=3),
    "steerable C8, colour": spec("bispectrum", group="C8", channels=3, size=17),
    "copies of D12": spec(group="D12", construction="copies", attention=5),
    "antialiased": spec(antialiased=True, size=17),
    "soft attention": spec("attention", attention=5),
    "hard attention over D12": spec(
        "attention", group="D12", construction="copies", attention=5, attention_mode="hard"
    ),
}


def agreement(run: Path, chosen: ModelSpec) -> float:
    """The largest relative difference between the plain features and the extractor's, at three batch sizes."""
    checkpoint, extractor = load_checkpoint(run), load_extractor(run, layout="NCHW")
    plain, worst = plain_features(checkpoint.model, checkpoint.head), 0.0
    for count in (1, 3, 33):
        images = pictures(chosen, count)
        expected, found = extractor.transform(images), plain(torch.from_numpy(images)).numpy()
        assert found.shape == expected.shape
        assert found.dtype == np.float32
        difference = np.linalg.norm(found - expected, axis=1) / np.linalg.norm(expected, axis=1)
        worst = max(worst, float(difference.max()))
    return worst


def test_every_registered_model_is_tried_or_known_to_be_out_of_reach() -> None:
    assert {*OF_MODELS, "zernike"} == set(MODELS)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The run of a case, made once."""
    folder = tmp_path_factory.mktemp("runs")
    return cache(lambda name: make_run(folder / name.replace(" ", "_"), CASES[name]))


@pytest.mark.parametrize("name", CASES)
def test_plain_layers_give_the_features_of_the_model(name: str, runs: Callable[[str], Path]) -> None:
    assert agreement(runs(name), CASES[name]) < 1e-5


@pytest.mark.parametrize(
    "options", [{"post": ["signed_root", "l2"]}, {"post": ["whiten"], "components": 5}], ids=["formulas", "fitted"]
)
def test_post_processing_is_part_of_the_features(options: dict[str, Any], tmp_path: Path) -> None:
    chosen = replace(CASES["eqae"], head_options=options)
    assert agreement(make_run(tmp_path, chosen), chosen) < 1e-5


def features_of(run: Path) -> PixelFeatures:
    checkpoint = load_checkpoint(run)
    return plain_features(checkpoint.model, checkpoint.head)


@pytest.mark.parametrize("name", ["eqae", "steerable D12", "hard attention over D12", "cnn_antialiased", "backbone"])
def test_no_group_layer_and_no_normalisation_is_left(name: str, runs: Callable[[str], Path]) -> None:
    left = list(features_of(runs(name)).modules())
    assert not [part for part in left if isinstance(part, GroupConv | eqae.nn.GroupAxisLinear | nn.BatchNorm2d)]


@pytest.mark.parametrize("name", ["eqae", "copies of D12", "soft attention"])
def test_only_what_features_need_is_left(name: str, runs: Callable[[str], Path]) -> None:
    """Of an attention bottleneck its decoder goes too, and all of it where other features are asked for."""
    names = features_of(runs(name)).state_dict().keys()
    assert names
    assert not [key for key in names if "decoder" in key]
    assert any("bottleneck" in key for key in names) == (name == "soft attention")


def test_the_model_and_the_random_state_stay_as_they_were(runs: Callable[[str], Path]) -> None:
    checkpoint = load_checkpoint(runs("copies of D12"))
    before = {name: tensor.clone() for name, tensor in checkpoint.model.state_dict().items()}
    state = torch.get_rng_state()
    plain_features(checkpoint.model, checkpoint.head)
    assert torch.equal(torch.get_rng_state(), state)
    assert checkpoint.model.state_dict().keys() == before.keys()
    assert all(torch.equal(tensor, before[name]) for name, tensor in checkpoint.model.state_dict().items())


# --- layer by layer -------------------------------------------------------------------------------------------

W = Window(4, 2, 1)
LAYERS = {
    "lifting": lambda g: LiftingConv(g, 2, 3, W, bias=True),
    "regular": lambda g: RegularConv(g, 3, 2, W, bias=True),
    "regular without bias": lambda g: RegularConv(g, 3, 2, W),
    "projection": lambda g: ProjectionConv(g, 3, 2, W),
    "regular transposed": lambda g: RegularConvTranspose(g, 3, 2, W, bias=True),
    "projection transposed": lambda g: ProjectionConvTranspose(g, 3, 2, W),
}


@pytest.mark.parametrize("normalised", [False, True], ids=["alone", "normalised"])
@pytest.mark.parametrize("group", [C4, D4], ids=lambda group: group.name)
@pytest.mark.parametrize("name", LAYERS)
def test_every_convolution_has_its_plain_twin_with_bias_and_normalisation(
    name: str, group: Group, normalised: bool
) -> None:
    layer = LAYERS[name](group)
    images = torch.randn(
        2, 2 if name == "lifting" else 3 * group.order, 8, 8, generator=torch.Generator().manual_seed(0)
    )
    channels = layer(images).shape[1]
    order = 1 if "projection" in name else group.order
    chain = nn.Sequential(layer, *[FieldBatchNorm(channels // order, order)] * normalised, nn.ReLU())
    randomize(chain).eval().requires_grad_(False)
    expected = chain(images)
    fold(chain)
    assert [type(part) for part in chain if not isinstance(part, nn.Identity)] == [
        nn.ConvTranspose2d if "transposed" in name else nn.Conv2d, nn.ReLU
    ]  # fmt: skip
    torch.testing.assert_close(chain(images), expected, rtol=0, atol=2e-6 * expected.abs().max().item())


def test_a_normalisation_that_follows_no_convolution_stays_as_a_scale_and_a_shift() -> None:
    chain = nn.Sequential(FieldAvgPool(8), FieldBatchNorm(3, 4), nn.ReLU())
    randomize(chain).eval().requires_grad_(False)
    images = torch.randn(2, 12, 8, 8, generator=torch.Generator().manual_seed(0))
    expected = chain(images)
    fold(chain)
    assert type(chain[1]) is nn.BatchNorm2d
    torch.testing.assert_close(chain(images), expected)


def test_a_convolution_that_two_chains_share_is_folded_into_each() -> None:
    shared = nn.Conv2d(2, 4, 3)
    both = nn.ModuleList([nn.Sequential(shared, nn.BatchNorm2d(4)) for _ in range(2)])
    randomize(both).eval().requires_grad_(False)
    images = torch.randn(2, 2, 8, 8, generator=torch.Generator().manual_seed(0))
    expected = [chain(images) for chain in both]
    fold(both)
    for chain, features in zip(both, expected, strict=True):
        torch.testing.assert_close(chain(images), features)


def test_layers_along_the_group_axis_become_dense_layers() -> None:
    group = get_group("D6")
    block = nn.Sequential(GroupAxisBlock(group, 3))
    randomize(block).eval().requires_grad_(False)
    embedding = torch.randn(4, 12, 3, generator=torch.Generator().manual_seed(0))
    expected = block(embedding)
    fold(block)
    assert not [part for part in block.modules() if isinstance(part, FieldBatchNorm | nn.BatchNorm2d)]
    torch.testing.assert_close(block(embedding), expected)
