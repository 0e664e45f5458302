"""Forks training runs and kills them at a given moment; importing torch once for all of them saves seconds a run.

A process of its own, because forking is safe only where no thread pool was ever started. It reads one request a line
from standard input, as JSON, and answers each with the exit code (minus the signal, where one ended it) and the
seconds it took.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import torch

import eqae.commands.running
import eqae.evaluation.loop  # noqa: F401 - what a run would import later is imported here, once
from eqae.commands.train import main
from eqae.training.callbacks import RESUME_FILE

POLL_SECONDS = 0.002


class Moment(NamedTuple):
    """Just before or after the first call of ``module:function`` that ``when`` picks by the call's arguments."""

    side: str
    function: str
    when: Callable[..., bool] = lambda *_: True


def _written(name: str) -> Callable[..., bool]:
    """A file of that name is the target of a replacement."""
    return lambda _, target: Path(target).name == name


STEP = "eqae.training.module:AutoencoderModule.training_step"
EPOCH_END = "eqae.training.callbacks:{}.on_train_epoch_end"
MOMENTS = {
    "before the config is there": Moment("before", "pathlib:Path.replace", _written("config.yaml")),
    "before the first step": Moment("before", STEP),
    "after the first step": Moment("after", "eqae.training.callbacks:Report.on_train_batch_end"),
    "after the first resume point": Moment(
        "after", EPOCH_END.format("ExactResume"), lambda _, trainer, __: trainer.current_epoch == 0
    ),
    "in the middle of an epoch": Moment(
        "before", STEP, lambda module, _, batch: module.current_epoch == 1 and batch == 1
    ),
    "in the last step of an epoch": Moment(
        "before",
        "eqae.training.callbacks:StopOnNonFinite.on_before_optimizer_step",
        lambda _, trainer, *__: trainer.current_epoch == 1 and trainer.fit_loop.epoch_loop.batch_progress.is_last_batch,
    ),
    "in validation": Moment(
        "before",
        "eqae.training.module:AutoencoderModule.validation_step",
        lambda module, _, batch: module.current_epoch == 1 and batch == 1,
    ),
    "before the row of an epoch is written": Moment(
        "before", EPOCH_END.format("MetricsFile"), lambda _, trainer, __: trainer.current_epoch == 1
    ),
    "between the row and the resume point": Moment(
        "before", EPOCH_END.format("ExactResume"), lambda _, trainer, __: trainer.current_epoch == 1
    ),
    "before a resume point takes its name": Moment(
        "before", "pathlib:Path.replace", lambda _, target: _written(RESUME_FILE)(_, target) and Path(target).exists()
    ),
    "in the middle of writing a resume point": Moment(
        "before",
        "eqae.training.fit:AtomicCheckpoints.save_checkpoint",
        lambda _, __, path, *___: Path(path).exists(),
    ),
    "before the head is fitted": Moment("before", "eqae.commands.running:fit_heads"),
    "between the weights and their manifest": Moment("before", "pathlib:Path.replace", _written("manifest.json")),
    "while a baseline is trained": Moment(
        "before", STEP, lambda module, *_: "baselines" in module.trainer.default_root_dir and module.current_epoch == 1
    ),
    "before judging": Moment("before", "eqae.commands.running:judge_and_report"),
    "while judging": Moment("after", "eqae.commands.judging:_poses"),
    "between the results and the page": Moment("before", "eqae.commands.judging:write_report"),
    "before the card is written": Moment("before", "eqae.commands.running:write_card"),
}
HALF_WRITTEN = "in the middle of writing a resume point"


def arm(moment: Moment, strike: Callable[..., None]) -> None:
    """Call ``strike``, with the call's arguments, at ``moment``."""
    module, _, path = moment.function.partition(":")
    owner: Any = importlib.import_module(module)
    *owners, name = path.split(".")
    for part in owners:
        owner = getattr(owner, part)
    original = getattr(owner, name)

    @wraps(original)
    def struck(*args: Any, **options: Any) -> Any:
        picked = moment.when(*args)
        if picked and moment.side == "before":
            strike(*args)
        result = original(*args, **options)
        if picked and moment.side == "after":
            strike(*args)
        return result

    setattr(owner, name, struck)


def kill_half_way(_: object, __: object, path: str | Path, *___: object) -> None:
    """Let the kernel kill this process when the file it writes next is half as large as the one that is there."""
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    half = Path(path).stat().st_size // 2
    resource.setrlimit(resource.RLIMIT_FSIZE, (half, half))


def become_run(arguments: list[str], log: str, moment: str | None, number: int) -> NoReturn:
    """What the forked process does; its group holds all processes it starts."""
    os.setpgid(0, 0)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    if moment == HALF_WRITTEN:
        arm(MOMENTS[moment], kill_half_way)
    elif moment is not None:
        arm(MOMENTS[moment], lambda *_: os.kill(os.getpid(), number))
    code = main(arguments)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # taking the interpreter apart, page by copied page, would take longer than the run


def wait(pid: int, after: float | None, number: int) -> int:
    """The exit code of a child, which is sent a signal ``after`` so many seconds."""
    began = time.monotonic()
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG if after is not None else 0)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if after is not None and time.monotonic() - began >= after:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
            after = None
        time.sleep(POLL_SECONDS)


def serve() -> None:
    """Answer requests until standard input ends."""
    torch.set_num_threads(1)
    for line in sys.stdin:
        request = json.loads(line)
        began = time.monotonic()
        pid = os.fork()
        if pid == 0:
            become_run(request["arguments"], request["log"], request["moment"], request["signal"])
        code = wait(pid, request["after"], request["signal"])
        print(json.dumps({"code": code, "seconds": time.monotonic() - began, "pid": pid}), flush=True)


if __name__ == "__main__":
    serve()
