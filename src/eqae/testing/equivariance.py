"""Errors of equivariance and invariance, element by element of a group."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from eqae.groups import Group
from eqae.testing.requirements import all_below, distance

Function = Callable[[Tensor], Tensor]
Action = Callable[[int, Tensor], Tensor]

EXACT = 1e-9
"""Bound on errors relative to the largest output, in float64."""


def element_name(group: Group, index: int) -> str:
    """``"identity"``, ``"turn 90°"``, ``"flip"``, ``"flip, turn 90°"``: how errors name element ``index``."""
    turn = f"turn {group.angle(index):g}°" if group.elements[index].turns else ""
    return ", ".join(part for part in ("flip" * group.elements[index].flip, turn) if part) or "identity"


def act_on_images(group: Group) -> Action:
    """The action on images ``(B, C, H, W)``: pixels move, channels do not."""
    return group.act


def act_on_fields(group: Group) -> Action:
    """The action on regular fields ``(B, F·|G|, H, W)``: pixels move, and slot h receives what was in slot g⁻¹h."""

    def act(index: int, fields: Tensor) -> Tensor:
        fibres = group.act(index, fields).unflatten(1, (-1, group.order))
        return fibres[:, :, list(group.left_quotient[index])].flatten(1, 2)

    return act


def act_on_rows(group: Group) -> Action:
    """The action on V ``(B, |G|, m)``: rows are permuted."""
    return group.permute


def equivariance_errors(
    function: Function,
    group: Group,
    x: Tensor,
    *,
    in_action: Action | None = None,
    out_action: Action | None = None,
    elements: Iterable[int] | None = None,
) -> dict[str, float]:
    """Largest ``|f(gx) − g f(x)|`` relative to the largest ``|f(x)|``, for every element but the identity.

    Args:
        function: from a batch to a batch.
        group: whose elements are tried; one is not enough, since layers exist that only a transposition passes.
        x: the batch; random, with no symmetry of its own and a mean that is not zero.
        in_action: how an element moves ``x``; by default as images.
        out_action: how it should move ``f(x)``; by default as images.
        elements: which of the group's are tried; by default all. Of groups that leave the pixel lattice only
            ``group.exact_elements`` move images and fields.

    Returns:
        The error of each element by its name.

    Raises:
        AssertionError: the output is zero or not finite (it would pass any test), or changes its shape.
    """
    in_action, out_action = in_action or group.act, out_action or group.act
    with torch.no_grad():
        y = function(x)
        scale = y.abs().amax().item() if y.numel() else 0.0
        if not 0 < scale < float("inf"):
            raise AssertionError(f"the largest output is {scale}: nothing can be concluded from it")
        return {
            element_name(group, g): distance(function(in_action(g, x)), out_action(g, y)) / scale
            for g in (range(group.order) if elements is None else elements)
            if g != 0
        }


def assert_equivariant(
    function: Function,
    group: Group,
    x: Tensor,
    *,
    in_action: Action | None = None,
    out_action: Action | None = None,
    elements: Iterable[int] | None = None,
    tolerance: float = EXACT,
) -> dict[str, float]:
    """:func:`equivariance_errors`, all of them below ``tolerance``.

    Raises:
        AssertionError: some element's error is larger; all of them are listed, by name.
    """
    errors = equivariance_errors(function, group, x, in_action=in_action, out_action=out_action, elements=elements)
    return all_below(errors, tolerance)


def assert_invariant(
    function: Function, group: Group, x: Tensor, *, in_action: Action | None = None, tolerance: float = EXACT
) -> dict[str, float]:
    """As :func:`assert_equivariant` for a ``function`` whose output should not change at all.

    Raises:
        AssertionError: some element changes it by more than ``tolerance`` of the largest output.
    """
    return all_below(equivariance_errors(function, group, x, in_action=in_action, out_action=_stay), tolerance)


def _stay(_: int, y: Tensor) -> Tensor:
    return y
