"""The orbit mean is exact for any base model, and is what its name says."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from eqae.errors import ConfigError
from eqae.groups import D4
from eqae.heads import build_head
from eqae.models import build_model

SHAPE = (1, 20, 20)
BASES: list[dict[str, Any]] = [
    {"name": "cnn", "fields": [2, 3], "code": 4},
    {"name": "eqae", "group": "C2", "fields": [2, 3], "code": 4},
    {"name": "pca", "components": 6},
    {"name": "zernike", "degree": 4},
]


def random_images() -> torch.Tensor:
    return torch.rand(10, *SHAPE, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("base", BASES, ids=lambda base: base["name"])
def test_features_are_invariant_whatever_the_base(base: dict[str, Any]) -> None:
    model = build_model("orbit_mean", SHAPE, {"base": base}).double().eval()
    images = random_images()
    model.fit(images)
    for name in ("mean", "gram"):
        head = build_head(name, model, {}).double()
        upright = head(model.encode(images))
        for g in range(1, 8):
            turned = head(model.encode(D4.act(g, images)))
            assert (turned - upright).norm() < 1e-12 * upright.norm()


def test_the_mean_head_gives_the_average_over_the_orbit() -> None:
    model = build_model("orbit_mean", SHAPE, {"base": BASES[0]}).double().eval()
    images = random_images()
    average = sum(model.base.encode(D4.act(g, images)).flatten(1) for g in range(8)) / 8
    torch.testing.assert_close(build_head("mean", model, {})(model.encode(images)), average)


def test_decoding_its_embedding_averages_the_reconstructions_over_the_orbit() -> None:
    model = build_model("orbit_mean", SHAPE, {"base": BASES[0]}).double().eval()
    images = random_images()
    turned_back = [D4.act(D4.inverses[g], model.base(D4.act(g, images)).images) for g in range(8)]
    torch.testing.assert_close(model(images).images, torch.stack(turned_back).mean(0))


def test_a_base_without_a_decoder_gives_a_model_without_one() -> None:
    model = build_model("orbit_mean", SHAPE, {"base": {"name": "zernike"}})
    assert not model.has_decoder
    assert model.trained_by == "nothing"


@pytest.mark.parametrize(
    ("base", "message"),
    [
        ({"fields": [2]}, r"model\.base"),
        ({"name": "cnnn"}, r"model\.base.*did you mean 'cnn'"),
        ({"name": "cnn", "filds": [2]}, r"model\.base\.filds.*"),
    ],
)
def test_a_base_that_is_no_model_is_refused(base: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=f"(?s){message}"):
        build_model("orbit_mean", SHAPE, {"base": base})


def test_a_group_that_interpolates_is_refused_when_it_is_built() -> None:
    with pytest.raises(ConfigError, match=r"D12[\s\S]*D4 is the part"):
        build_model("orbit_mean", (1, 20, 20), {"base": {"name": "cnn", "fields": [2], "code": 3}, "group": "D12"})
