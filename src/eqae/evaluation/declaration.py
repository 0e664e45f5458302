"""What an evaluator says of itself before it runs: which evidence it needs, and about how long it takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, get_args

Need = Literal["orbits", "untrained", "reconstruction", "pixels", "maps", "logits", "code", "encoder", "attention"]
"""Evidence beyond the features of the images as they are; see :class:`eqae.evaluation.evidence.Evidence`."""

NEEDS: frozenset[Need] = frozenset(get_args(Need))

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Scale:
    """How much there is to judge.

    Attributes:
        train: training images.
        test: test images.
        width: D, the number of features.
        classes: number of classes; 0 where nothing is labelled.
        turned: images whose orbit is known.
    """

    train: int
    test: int
    width: int
    classes: int
    turned: int


Cost = Callable[[Scale], float]


def evaluator(*, needs: Iterable[Need] = (), cost: Cost) -> Callable[[F], F]:
    """Declare an evaluator.

    Args:
        needs: what it takes from the evidence besides ``train`` and ``test``.
        cost: seconds on two CPU cores, within a factor of two or three, at default options; printed before it starts.

    Raises:
        ValueError: a need that extraction does not know.
    """
    wanted = frozenset(needs)
    if unknown := wanted - NEEDS:
        raise ValueError(f"no such evidence: {', '.join(sorted(unknown))}")

    def declare(function: F) -> F:
        function.__dict__.update(needs=wanted, cost=cost)
        return function

    return declare


def needs_of(function: Callable[..., Any]) -> frozenset[Need]:
    """What ``function`` was declared to need; one that declares nothing sees the features of both splits only."""
    needs: frozenset[Need] = getattr(function, "needs", frozenset())
    return needs


def seconds_of(function: Callable[..., Any], scale: Scale) -> float | None:
    """About how long ``function`` will take; None where it does not say."""
    cost: Cost | None = getattr(function, "cost", None)
    return None if cost is None else cost(scale)
