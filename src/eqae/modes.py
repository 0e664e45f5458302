"""How networks run while they are judged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from eqae.precision import exact_products


@contextmanager
def evaluating(*modules: nn.Module) -> Iterator[None]:
    """Evaluation mode, without gradients, in full float32; every submodule gets its own mode back afterwards."""
    training = {module: module.training for root in modules for module in root.modules()}
    for root in modules:
        root.eval()
    try:
        with torch.inference_mode(), exact_products():
            yield
    finally:
        for module, mode in training.items():
            module.training = mode
