"""Heads: invariant maps of V. One file each; see :data:`eqae.registry.HEADS`."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from eqae.heads.base import Head
from eqae.heads.postprocessing import post_processed
from eqae.models.base import Autoencoder
from eqae.registry import HEADS, check_options, option_parameters

__all__ = ["Head", "build_head"]


def build_head(name: str, model: Autoencoder, options: Mapping[str, Any], where: str = "head") -> Head:
    """The head called ``name`` for ``model``'s V, followed by the steps of the option ``post``.

    Ready to use, nothing to train; heads that :attr:`~eqae.heads.base.Head.needs_fit` want training images first.

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
    shared = option_parameters(post_processed)
    head: Head = HEADS.build(name, {k: v for k, v in options.items() if k not in shared}, where, **context)
    post = check_options(post_processed, {k: v for k, v in options.items() if k in shared}, where, {"head"})
    return post_processed(head, **post).eval()
