"""How threads wait for each other where the machine has other things to do."""

from __future__ import annotations

import os

SPINS = 10_000
"""Of a waiting thread before it sleeps: less than a millisecond."""


def wait_briefly() -> None:
    """Let threads that wait give way to other programs soon; to be called before torch is imported.

    A CPU has an operation of torch done by several threads, and those that are ready look out for the last one
    300,000 times (GNU OpenMP's default). If another program has that one's core, nearly all they do is look out. A
    choice of the user's stands.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", str(SPINS))
