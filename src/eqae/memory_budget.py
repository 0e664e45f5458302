"""A bound on the memory that building a model may ask for, for settings that come from a file."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from eqae.errors import ConfigError

_MAKERS = frozenset({torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn, torch.eye})


class MemoryBudget(TorchFunctionMode):
    """While active, new tensors may hold no more than ``elements`` numbers in all; the excess is never allocated.

    The meta device would do the same without any memory, but its first use imports a thousand modules (sympy among
    them), which takes longer than loading a checkpoint does.

    Raises:
        ConfigError: from whatever builds a tensor beyond the budget.
    """

    def __init__(self, elements: int) -> None:
        super().__init__()
        self.elements = elements

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func in _MAKERS:
            self._spend(_shape(func, args, kwargs or {}))
        return func(*args, **(kwargs or {}))

    def _spend(self, shape: Sequence[int]) -> None:
        self.elements -= math.prod(shape)
        if self.elements < 0:
            raise ConfigError(
                "model", f"a tensor of shape {tuple(shape)}", "sizes that the stored weights bear out",
                "the settings belong to another model, or were altered",
            )  # fmt: skip


def _shape(func: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Sequence[int]:
    given = args or (kwargs.get("size", ()),)
    if not isinstance(given[0], int):
        return tuple(given[0])
    sizes = [size for size in given if isinstance(size, int)]
    return sizes * 2 if func is torch.eye and len(sizes) == 1 else sizes
