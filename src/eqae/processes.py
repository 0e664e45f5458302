"""Several processes that do one training: which of them this is, and its share of each batch.

Whoever starts processes says so in environment variables: torchrun, SLURM, or Lightning, which starts the others
itself where ``training.devices`` is above 1. The leader, process 0, writes, prints and judges; the others only train.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:  # asked before a config stands, when torch is not yet imported
    from torch import Tensor

RANKS = ("RANK", "LOCAL_RANK", "SLURM_PROCID")
"""Where launchers write the number of a process, the surest first."""


class Share(NamedTuple):
    """The images ``start`` to ``stop`` of a batch of ``total`` that one process has.

    Random draws are made for the whole batch and cut, so that they do not depend on how many processes share it.
    """

    start: int
    stop: int
    total: int

    @classmethod
    def of(cls, total: int, rank: int = 0, processes: int = 1) -> Share:
        """The share of process ``rank``: consecutive images, as many as the others have, or one more."""
        return cls(rank * total // processes, (rank + 1) * total // processes, total)

    def cut(self, draws: Tensor) -> Tensor:
        """The rows of this share, of draws ``(total, ...)``."""
        return draws[self.start : self.stop]

    def weight(self, processes: int) -> float:
        """What a mean over the share counts, so that the mean over processes is the mean over the batch."""
        return (self.stop - self.start) * processes / self.total


def rank() -> int:
    """The number of this process among those that share the run; 0 where there is one."""
    return next((int(os.environ[key]) for key in RANKS if os.environ.get(key, "").isdecimal()), 0)


def is_leader() -> bool:
    """Whether this process writes, prints and judges."""
    return rank() == 0


def speaks() -> bool:
    """Whether this process says what is wrong: the first of each machine, where the others meet the same."""
    return (os.environ.get("LOCAL_RANK") or os.environ.get("SLURM_LOCALID") or "0") == "0"


def launched_here() -> int | None:
    """How many processes a launcher has started on this machine; None where it was not said."""
    said = os.environ.get("LOCAL_WORLD_SIZE") or os.environ.get("SLURM_NTASKS_PER_NODE", "")
    return int(said) if said.isdecimal() else None


def machines() -> int:
    """How many machines a launcher has started processes on; 1 where it was not said."""
    if os.environ.get("LOCAL_WORLD_SIZE", "").isdecimal() and os.environ.get("WORLD_SIZE", "").isdecimal():
        return int(os.environ["WORLD_SIZE"]) // int(os.environ["LOCAL_WORLD_SIZE"])
    said = os.environ.get("SLURM_NNODES", "") if os.environ.get("SLURM_NTASKS_PER_NODE") else ""
    return int(said) if said.isdecimal() else 1
