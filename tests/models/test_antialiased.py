"""Antialiased encoders: as exact as the strided ones, of the same budget, and steadier under shifts."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from model_options import tiny
from torch import Tensor, nn

from eqae.groups import C1, get_group
from eqae.models import Autoencoder, build_model
from eqae.nn import BlurPool
from eqae.registry import GROUPS
from eqae.testing import check_model

FAMILIES: list[dict[str, Any]] = [
    {"group": "D4", "fields": [12, 16, 24], "code": 96},
    {"group": "D4", "fields": [8, 12, 16], "code": 24},
    {"group": "C4", "fields": [16, 24], "code": 32},
    {"group": "C1", "fields": [24, 32], "code": 32},
]


def parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def strides(model: Autoencoder) -> list[int]:
    return [layer.window.stride for layer in model.encoder if hasattr(layer, "window")]


@pytest.mark.parametrize("group", [name for name in GROUPS if get_group(name).is_lattice])
@pytest.mark.parametrize("size", [18, 23, 28])
def test_the_antialiased_equivariant_model_keeps_the_contract_for_every_group(group: str, size: int) -> None:
    check_model(tiny("eqae", (1, size, size), group=group, fields=[4, 6], code=8, antialiased=True))


@pytest.mark.parametrize("size", range(17, 34))
def test_it_is_exact_at_every_size(size: int) -> None:
    errors = check_model(build_model("eqae", (1, size, size), {"fields": [2, 3, 4], "code": 5, "antialiased": True}))
    assert len(errors) == 7


@pytest.mark.parametrize("options", FAMILIES, ids=str)
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 33, 33)], ids=str)
def test_the_plain_one_has_the_parameters_of_the_model_it_is_matched_to(
    options: dict[str, Any], shape: tuple[int, int, int]
) -> None:
    matched, plain = build_model("eqae", shape, options), build_model("cnn_antialiased", shape, options)
    assert plain.group == C1
    assert parameters(plain) == pytest.approx(parameters(matched), rel=0.02)


def test_with_equal_channels_it_is_as_wide_as_the_strided_one() -> None:
    options = {"fields": [3, 4], "code": 5, "equal": "channels"}
    strided, blurred = (build_model(name, (1, 29, 29), options) for name in ("cnn", "cnn_antialiased"))
    assert parameters(blurred) == parameters(strided)  # on odd sizes the kernels are of 3 in both
    assert blurred.channels == strided.channels == 40


def test_nothing_but_the_blur_subsamples() -> None:
    for name, options in (("cnn_antialiased", {}), ("eqae", {"antialiased": True})):
        model = tiny(name, (1, 28, 28), **options)
        blurs = [layer for layer in model.encoder if isinstance(layer, BlurPool)]
        assert [blur.window.output_size(size) for blur, size in zip(blurs, (28, 14), strict=True)] == [14, 7]
        assert strides(model) == [1, 2, 1, 1, 2, 1, 1]


def shifted_alike(model: Autoencoder, images: Tensor) -> float:
    """Cosine similarity of the first feature map of images and of the same images moved by one pixel."""
    with torch.no_grad():
        maps = [model.encode_with_maps(x)[1]["stage 1"].flatten(1) for x in (images, images.roll(1, -1))]
    return F.cosine_similarity(*maps).mean().item()


def test_a_shift_by_one_pixel_changes_the_first_maps_less() -> None:
    images = torch.rand(8, 1, 29, 29, generator=torch.Generator().manual_seed(0))
    options = {"fields": [12, 16], "code": 8, "equal": "channels"}
    similarities = []
    for name in ("cnn", "cnn_antialiased"):
        torch.manual_seed(0)
        similarities.append(shifted_alike(build_model(name, (1, 29, 29), options).eval(), images))
    assert similarities[1] > similarities[0]
