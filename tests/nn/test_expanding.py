"""Filters that are written out once are those of every pass."""

from __future__ import annotations

import pytest
import torch

from eqae.models import build_model
from eqae.nn import RegularConv, expanded_once
from eqae.nn.expanding import ExpandingLayer

NETWORKS = {
    "lattice": {"group": "D4", "fields": [2, 3], "code": 4},
    "steerable": {"group": "C6", "fields": [2, 2], "code": 3},
    "copies": {"group": "D12", "construction": "copies", "fields": [2, 2], "code": 3},
}


@pytest.mark.parametrize("options", NETWORKS.values(), ids=list(NETWORKS))
def test_the_numbers_are_the_same_and_nothing_is_held_afterwards(options: dict[str, object]) -> None:
    model = build_model("eqae", (1, 16, 16), options).eval()
    images = torch.rand(3, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    names = set(model.state_dict())
    with torch.inference_mode():
        alone = model(images)
        with expanded_once(model):
            held = model(images)
            assert set(model.state_dict()) == names
    assert torch.equal(alone.embedding, held.embedding)
    assert torch.equal(alone.images, held.images)
    layers = [layer for layer in model.modules() if isinstance(layer, ExpandingLayer)]
    assert layers
    assert all(layer.held is None for layer in layers)


def test_an_error_leaves_nothing_held() -> None:
    model = build_model("eqae", (1, 16, 16), NETWORKS["lattice"])
    layers = [layer for layer in model.modules() if isinstance(layer, ExpandingLayer)]
    with pytest.raises(RuntimeError), torch.no_grad(), expanded_once(model):
        raise RuntimeError
    assert all(layer.held is None for layer in layers)


def test_filters_are_expanded_once_for_many_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    model = build_model("eqae", (1, 16, 16), NETWORKS["steerable"]).eval()
    kind = RegularConv
    calls, real = [], kind.expanded
    monkeypatch.setattr(kind, "expanded", lambda layer: calls.append(layer) or real(layer))
    with torch.inference_mode(), expanded_once(model):
        for _ in range(3):
            model(torch.zeros(1, 1, 16, 16))
    assert len(calls) == sum(isinstance(layer, kind) for layer in model.modules())
