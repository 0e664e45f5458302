"""Heads: invariant maps of V. One file each; see :data:`eqae.registry.HEADS`."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from eqae.heads.base import Head
from eqae.heads.columns import OfColumns, chosen_columns
from eqae.heads.postprocessing import post_processed
from eqae.models.base import Autoencoder
from eqae.registry import HEADS, check_options, option_parameters

__all__ = ["Head", "build_head"]

SHARED = (chosen_columns, post_processed)
"""What declares the options that every head has."""


def build_head(name: str, model: Autoencoder, options: Mapping[str, Any], where: str = "head") -> Head:
    """The head called ``name`` for ``model``'s V or, by the option ``of``, some of its columns, followed by the steps
    of the option ``post``.

    Ready to use, nothing to train; heads that :attr:`~eqae.heads.base.Head.needs_fit` want training images first.

    Raises:
        ConfigError: unknown name or option, or a head that ``model`` cannot carry.
    """
    chosen, post = ({k: v for k, v in options.items() if k in option_parameters(f)} for f in SHARED)
    part = chosen_columns(model, **check_options(chosen_columns, chosen, where, {"model"}))
    context = {
        "group": model.group,
        "channels": model.channels if part is None else len(range(model.channels)[part[1]]),
        "bottleneck": getattr(model, "bottleneck", None),
    }
    accepted = inspect.signature(HEADS.get(name, where)).parameters
    context = {key: value for key, value in context.items() if key in accepted}
    own = {k: v for k, v in options.items() if k not in chosen | post}
    head: Head = HEADS.build(name, own, where, **context)
    if part is not None:
        head = OfColumns(head, part[1], model.channels, part[0])
    return post_processed(head, **check_options(post_processed, post, where, {"head"})).eval()
