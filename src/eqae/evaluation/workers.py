"""A pass shared between processes: each takes its own blocks and writes them where they belong."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch.multiprocessing
from torch.multiprocessing.spawn import start_processes

from eqae.errors import ConfigError, EqaeError
from eqae.evaluation.passes import Pass, Tick, carry_out, open_stores
from eqae.evaluation.store import RowStore
from eqae.models.base import Autoencoder

POLL_SECONDS = 0.2


def carry_out_together(
    task: Pass, model: Autoencoder, stores: Mapping[str, RowStore], folder: Path, processes: int, tick: Tick
) -> None:
    """Fill ``stores``, which lie in ``folder``, by ``processes`` processes on the CPU.

    Every number is the one a single process would write: each forward pass is over one block, and blocks are the
    same.

    Raises:
        ConfigError: the model cannot be sent to another process.
    """
    try:
        pickle.dumps(model)
    except Exception as error:  # a lambda, an open file: anything that a user's function may hold
        raise ConfigError(
            "evaluation.processes", f"{processes}, but {type(model).__name__} cannot be pickled ({error})",
            "a model that other processes can receive", "set evaluation.processes=1",
        ) from error  # fmt: skip
    threads = max(1, torch.get_num_threads() // processes)
    mistakes: Any = torch.multiprocessing.get_context("spawn").SimpleQueue()
    running: Any = start_processes(
        _work, (task, model, folder, processes, threads, mistakes), processes, False, daemon=True, start_method="spawn"
    )
    try:
        _watch(running, stores, tick)
    finally:  # an error or Ctrl-C here must not leave the others encoding
        for process in running.processes:
            process.terminate()
            process.join()
    if not mistakes.empty():
        raise mistakes.get()


def _watch(running: Any, stores: Mapping[str, RowStore], tick: Tick) -> None:
    reported, finished = 0, False
    while not finished:
        finished = running.join(timeout=POLL_SECONDS)
        done = min(store.places for store in stores.values())
        tick(done - reported)
        reported = done


def _work(rank: int, task: Pass, model: Autoencoder, folder: Path, processes: int, threads: int, mistakes: Any) -> None:
    torch.set_num_threads(threads)
    device = torch.device("cpu")
    try:
        carry_out(task, model, open_stores(task, model, folder, device), device, first=rank, step=processes)
    except EqaeError as error:
        mistakes.put(error)
