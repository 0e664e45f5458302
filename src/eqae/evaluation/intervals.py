"""Intervals of figures that have bounds."""

from __future__ import annotations

from math import inf

from eqae.evaluation.bootstrap import Interval


def within(interval: Interval, least: float = -inf, most: float = inf) -> Interval:
    """The part of ``interval`` where the figure can lie; an interval centred on a value may reach beyond it."""
    low, high = interval
    if low is None or high is None:
        return None, None
    return max(low, least), min(high, most)
