"""Checks for anyone who adds to this package: errors of equivariance, contracts of models, heads and objectives.

The functions return what they measured, by the name of each group element (``"turn 90°"``, ``"flip, turn 180°"``),
and those called ``assert_*`` or ``check_*`` raise ``AssertionError`` with the element and the figure. In float64 a
correct layer is at 1e-15 to 1e-13 and a broken one above 0.1: a bound of 1e-9 leaves nothing to judgement.

Example:
    >>> from eqae.groups import D4
    >>> from eqae.models import build_model
    >>> check_model(build_model("eqae", (1, 20, 20), {"fields": [2, 2], "code": 3}))["flip"] < 1e-9
    True
"""

from __future__ import annotations

from eqae.testing.equivariance import (
    EXACT,
    Action,
    Function,
    act_on_fields,
    act_on_images,
    act_on_rows,
    assert_equivariant,
    assert_invariant,
    element_name,
    equivariance_errors,
)
from eqae.testing.heads import check_head
from eqae.testing.models import check_model
from eqae.testing.objectives import check_objective
from eqae.testing.weights import randomize

__all__ = [
    "EXACT",
    "Action",
    "Function",
    "act_on_fields",
    "act_on_images",
    "act_on_rows",
    "assert_equivariant",
    "assert_invariant",
    "check_head",
    "check_model",
    "check_objective",
    "element_name",
    "equivariance_errors",
    "randomize",
]
