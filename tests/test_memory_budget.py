"""A bound on what building a model may allocate."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from eqae.errors import ConfigError
from eqae.memory_budget import MemoryBudget
from eqae.models import build_model
from eqae.registry import MODELS

HUGE: dict[str, Callable[[], object]] = {
    "randn": lambda: torch.randn(10**6, 10**6),
    "randn of a tuple": lambda: torch.randn((10**6, 10**6)),
    "zeros of a size": lambda: torch.zeros(size=(10**6, 10**6)),
    "full": lambda: torch.full((10**6, 10**6), 0.5),
    "eye": lambda: torch.eye(10**6),
    "a layer": lambda: nn.Linear(10**6, 10**6),
    "many small ones": lambda: [torch.zeros(10) for _ in range(11)],
}


@pytest.mark.parametrize("build", HUGE.values(), ids=HUGE)
def test_tensors_beyond_the_budget_are_refused_before_they_are_made(build: Callable[[], object]) -> None:
    with pytest.raises(ConfigError, match="a tensor of shape"), MemoryBudget(100):
        build()


def test_tensors_within_the_budget_are_as_without_one() -> None:
    torch.manual_seed(0)
    expected = torch.randn(4, 5)
    torch.manual_seed(0)
    with MemoryBudget(20):
        assert torch.equal(torch.randn(4, 5), expected)


@pytest.mark.parametrize("name", [name for name in MODELS if name != "orbit_mean"])
def test_every_model_is_built_within_the_budget_that_loading_grants(name: str) -> None:
    stored = sum(t.numel() for t in build_model(name, (1, 28, 28), {}).state_dict().values())
    with MemoryBudget(64 * stored):
        build_model(name, (1, 28, 28), {})
