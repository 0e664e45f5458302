"""Statistics of the stages beside the code: columns of V like any other, which the decoder never sees."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import eqae
from eqae.checkpoint import ModelSpec, save_checkpoint
from eqae.errors import ConfigError
from eqae.groups import get_group
from eqae.heads import build_head
from eqae.models import Autoencoder, build_model
from eqae.registry import GROUPS
from eqae.testing import act_on_rows, assert_equivariant, check_model, randomize

OPTIONS = {"group": "D4", "fields": [2, 3], "code": 4, "stage_statistics": True}


def build(**options: object) -> Autoencoder:
    torch.manual_seed(0)
    return build_model("eqae", (1, 21, 21), OPTIONS | options).double().eval()


def images_of(count: int = 3, side: int = 21) -> Tensor:
    return torch.rand(count, 1, side, side, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_the_columns_are_mean_and_root_mean_square_of_each_field() -> None:
    model = build()
    randomize(model)
    with torch.no_grad():
        embedding, maps = model.encode_with_maps(images_of())
    assert model.columns == {"code": slice(0, 4), "stages": slice(4, 14)}
    assert embedding.shape == (3, 8, 14)
    at = 4
    for fields in maps.values():
        for statistic in (fields.mean((3, 4)), (fields**2).mean((3, 4)) ** 0.5):
            torch.testing.assert_close(embedding[..., at : at + fields.shape[1]], statistic.mT, rtol=1e-9, atol=1e-6)
            at += fields.shape[1]
    assert at == model.channels


@pytest.mark.parametrize("group", [name for name in GROUPS if get_group(name).is_lattice])
def test_they_are_permuted_like_the_code(group: str) -> None:
    model = build(group=group)
    randomize(model)
    assert_equivariant(model.encode, model.group, images_of(), out_action=act_on_rows(model.group))
    check_model(build(group=group).float())


def test_off_the_lattice_they_keep_the_exact_elements() -> None:
    errors = check_model(build(group="D6").float())
    assert len(errors) == 3


def test_code_and_reconstruction_are_those_of_the_model_without_them() -> None:
    with_them, without = build(), build(stage_statistics=False)
    assert [n for n, _ in with_them.named_parameters()] == [n for n, _ in without.named_parameters()]
    images = images_of()
    with torch.no_grad():
        assert torch.equal(with_them.encode(images)[..., with_them.columns["code"]], without.encode(images))
        assert torch.equal(with_them(images).images, without(images).images)


def test_a_silent_field_has_a_finite_gradient() -> None:
    images = torch.zeros(2, 1, 21, 21, dtype=torch.float64, requires_grad=True)
    build().encode(images).sum().backward()
    assert images.grad is not None
    assert images.grad.isfinite().all()


@pytest.mark.parametrize("options", [{"attention": 4}, {"construction": "copies"}], ids=["attention", "copies"])
def test_models_that_mix_the_columns_do_not_have_them(options: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=r"model\.stage_statistics"):
        build(**options)


def test_a_head_of_the_stages_is_kept_with_the_checkpoint(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model, options = build_model("eqae", (1, 21, 21), OPTIONS), {"of": "stages", "post": ["signed_root", "l2"]}
    save_checkpoint(tmp_path, model, ModelSpec("eqae", OPTIONS, "gram", options, (1, 21, 21), "digits", 0))
    extractor, pixels = eqae.load_extractor(tmp_path), images_of().float().numpy()
    features = extractor.transform(pixels)
    assert extractor.get_feature_names_out()[0] == "stages_gram_0_0"
    assert features.shape == (3, 55)
    head = build_head("gram", model, options)
    with torch.no_grad():
        np.testing.assert_allclose(features, head(model.eval().encode(images_of().float())).numpy(), rtol=1e-4)
    np.testing.assert_allclose(extractor.transform(np.rot90(pixels, axes=(2, 3))), features, rtol=1e-4, atol=1e-6)
