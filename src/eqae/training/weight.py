"""How much an objective counts as training goes on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Weight:
    """A factor that moves in a straight line over the first part of training and then stays.

    It is a function of the position alone: an interrupted run continues with the weights it would have had.

    Attributes:
        start: at the first step.
        end: from ``until`` on.
        until: share of all steps, above 0 and at most 1; of no account where ``start`` equals ``end``.
    """

    start: float
    end: float
    until: float = 1.0

    @property
    def is_constant(self) -> bool:
        """Whether it never moves."""
        return self.start == self.end

    @property
    def is_zero(self) -> bool:
        """Whether it never counts."""
        return self.start == self.end == 0

    def at(self, progress: float) -> float:
        """The factor when the share ``progress`` of all steps, from 0 to 1, is done."""
        share = min(progress / self.until, 1.0)
        return (1.0 - share) * self.start + share * self.end
