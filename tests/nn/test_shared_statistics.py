"""Batch statistics that several processes share. Here the group has one process; tests of ``train.py`` have more."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, distributed

from eqae.nn import norm
from eqae.nn.norm import FieldBatchNorm


@pytest.fixture
def group(tmp_path: Path) -> Iterator[None]:
    """A process group of this process alone."""
    distributed.init_process_group("gloo", init_method=f"file://{tmp_path / 'meeting'}", rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


def outcome(values: Tensor) -> tuple[Tensor, ...]:
    """Output, gradients and statistics of one training step of a normalisation of three fields of D4."""
    layer = FieldBatchNorm(3, 8).double()
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([0.5, 1.0, 2.0]))
    given = values.clone().requires_grad_()
    output = layer(given)
    (output.sin() * torch.arange(output.numel()).view_as(output).cos()).sum().backward()
    assert given.grad is not None
    assert layer.weight.grad is not None
    assert layer.bias.grad is not None
    return output, given.grad, layer.weight.grad, layer.bias.grad, layer.running_mean, layer.running_var


@pytest.mark.usefixtures("group")
def test_shared_statistics_are_those_of_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    values = 40 + torch.randn(5, 24, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    alone = outcome(values)
    monkeypatch.setattr(norm, "_processes", lambda: 2)  # takes the shared path; the group sums over itself
    for shared, expected in zip(outcome(values), alone, strict=True):
        torch.testing.assert_close(shared, expected, rtol=1e-9, atol=1e-9)
