"""The plain baseline is matched to its equivariant model as declared: in parameters, or in channels."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from eqae.models import build_model

FAMILIES: list[dict[str, Any]] = [
    {"group": "D4", "fields": [12, 16, 24], "code": 32},
    {"group": "D4", "fields": [8, 12, 16], "code": 24},
    {"group": "C4", "fields": [16, 24], "code": 32},
    {"group": "D1", "fields": [16, 16, 32], "code": 16},
    {"group": "D4", "fields": [6, 8, 12], "code": 12},
]


def parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def widths(model: nn.Module) -> list[int]:
    """Output channels of every convolution, expanded."""
    return [
        module.expanded().shape[1 if "Transpose" in type(module).__name__ else 0]
        for module in model.modules()
        if hasattr(module, "expanded")
    ]


@pytest.mark.parametrize("options", FAMILIES, ids=str)
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 33, 33)], ids=str)
def test_equal_parameters_agree_within_two_per_cent(options: dict[str, Any], shape: tuple[int, int, int]) -> None:
    matched, plain = build_model("eqae", shape, options), build_model("cnn", shape, options)
    assert plain.group.order == 1
    assert parameters(plain) == pytest.approx(parameters(matched), rel=0.02)


@pytest.mark.parametrize("options", FAMILIES, ids=str)
def test_equal_channels_agree_layer_by_layer(options: dict[str, Any]) -> None:
    shape = (1, 28, 28)
    matched, plain = build_model("eqae", shape, options), build_model("cnn", shape, {**options, "equal": "channels"})
    assert widths(plain) == widths(matched)
    assert plain.channels == matched.group.order * matched.channels


def test_without_options_the_baseline_matches_the_model_without_options() -> None:
    matched, plain = build_model("eqae", (1, 28, 28), {}), build_model("cnn", (1, 28, 28), {})
    assert parameters(plain) == pytest.approx(parameters(matched), rel=0.02)


def test_matching_does_not_change_what_is_drawn_next() -> None:
    draws = []
    for _ in range(2):  # the second time the factor is cached
        torch.manual_seed(3)
        build_model("cnn", (1, 21, 21), {"fields": [3, 5], "code": 6})
        draws.append(torch.rand(4))
    assert torch.equal(*draws)
