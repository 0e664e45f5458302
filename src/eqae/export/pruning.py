"""Leaving out what features do not need: the decoder, an attention that is not asked for, a classifier."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves


class Watched(TorchFunctionMode):
    """While it is entered, remembers every tensor that a function of torch is given.

    Attributes:
        seen: their ids.
    """

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[int] = set()

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        self.seen |= {id(leaf) for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)}
        return func(*args, **(kwargs or {}))


def prune(module: nn.Module, images: Tensor) -> None:
    """Take out every part of ``module`` whose numbers its forward pass does not look at, in place.

    Args:
        module: in evaluation mode.
        images: what it is called with.
    """
    with Watched() as watched:
        module(images)
    _remove(module, watched.seen)


def _remove(module: nn.Module, seen: set[int]) -> None:
    for name, child in module.named_children():
        held = {id(tensor) for tensor in _tensors(child)}
        if held and not held & seen:
            setattr(module, name, nn.Identity())
        else:
            _remove(child, seen)


def _tensors(module: nn.Module) -> Iterator[Tensor]:
    return chain(module.parameters(), module.buffers())
