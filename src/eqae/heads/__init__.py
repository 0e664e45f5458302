"""Heads: invariant maps of V. One file each; see :data:`eqae.registry.HEADS`."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from eqae.heads.base import Head
from eqae.models.base import Autoencoder
from eqae.registry import HEADS

__all__ = ["Head", "build_head"]


def build_head(name: str, model: Autoencoder, options: Mapping[str, Any], where: str = "head") -> Head:
    """The head called ``name`` for ``model``'s V; ready to use, nothing to train.

    Raises:
        ConfigError: unknown name or option, or a head that ``model`` cannot carry.
    """
    context = {
        "group": model.group,
        "channels": model.channels,
        "bottleneck": getattr(model, "bottleneck", None),
    }
    accepted = inspect.signature(HEADS.get(name, where)).parameters
    context = {key: value for key, value in context.items() if key in accepted}
    head: Head = HEADS.build(name, options, where, **context)
    return head.eval()
