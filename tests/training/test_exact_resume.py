"""A run that was killed, at whatever moment, and resumed, is the run that was not: the same bits everywhere.

The runs are those of ``train.py``, with a shipped config on tiny data: a model with a fitted head and a baseline,
trained, saved and judged. They are forked from a server, see ``run_server.py``.

``uv run pytest -m slow tests/training/test_exact_resume.py -s`` kills 50 runs at random moments, and every run alone
at every named moment.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from rich.console import Console
from run_server import HALF_WRITTEN, MOMENTS

from eqae.data.base import Dataset, Images
from eqae.errors import CheckpointError
from eqae.heads import build_head
from eqae.models import Autoencoder, build_model
from eqae.objectives import Objective, Step
from eqae.objectives.reconstruction import PixelReconstruction
from eqae.training.augment import Augment
from eqae.training.callbacks import METRICS_FILE, RESUME_FILE, MetricsFile
from eqae.training.fit import Recipe, fit, seed_everything
from eqae.training.module import Optimization, Weighted
from eqae.training.tracking import NoTracker
from eqae.training.weight import Weight

CONFIGS = Path(__file__).parent.parent.parent / "configs"
SETTINGS = [
    "model.fields=[2, 3]", "model.code=4", "head={name: gram, post: [l2, pca]}", "heads=[]",
    "baselines={cnn: {model: {name: cnn, group: D4, fields: [2, 3], code: 4, equal: channels}, head: mean},"
    " zernike: {model: {name: zernike, degree: 4}}}",
    "augmentation={orientation: o2, noise: 0.5}", "training.epochs=4", "training.batch_size=16",
    "training.validation=0.4", "evaluators=[reconstruction]", "evaluation.conditions=[D4]",
    "evaluation.cache=null", "tracking.wandb=disabled",
]  # fmt: skip
MODELS = ("", "baselines/cnn/", "baselines/zernike/")
ALONE = "baselines={}"
OF_ONE = ("weights", "golden", "optimiser", "metrics")
"""What a model trained alone must have in common with the same model trained beside others."""
GONE_SECONDS = 60
"""More than enough for torch's loader processes, which look every 5 s whether who started them still lives."""


class Ended(NamedTuple):
    """How a run ended: exit code or minus the signal, seconds, and the number of its process group."""

    code: int
    seconds: float
    pid: int


class Runs:
    """Starts runs of one config into folders of their own, one after the other."""

    def __init__(self, server: subprocess.Popen[str], folder: Path, data: Path) -> None:
        self.server = server
        self.folder = folder
        self.data = data
        self.log = folder / "log"

    def go(
        self,
        name: str,
        *more: str,
        moment: str | None = None,
        number: signal.Signals = signal.SIGKILL,
        after: float | None = None,
    ) -> Ended:
        """Start or continue a run; wait for its own end, or strike at a moment or after some seconds."""
        request = {
            "arguments": self.arguments(name, *more),
            "log": str(self.log),
            "moment": moment,
            "signal": number,
            "after": after,
        }
        assert self.server.stdin is not None
        assert self.server.stdout is not None
        self.log.write_text("")
        self.server.stdin.write(json.dumps(request) + "\n")
        self.server.stdin.flush()
        return Ended(**json.loads(self.server.stdout.readline()))

    def processes(self, name: str, *more: str, number: signal.Signals | None = None) -> tuple[int, str]:
        """The same as users start it where several processes train; strikes the first of them at a resume point."""
        command = [sys.executable, str(CONFIGS.parent / "train.py"), *self.arguments(name, *more)]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, process_group=0
        ) as run:
            while number is not None and run.poll() is None:
                if (self.path(name) / RESUME_FILE).is_file():
                    run.send_signal(number)
                    break
                time.sleep(0.05)
            said = run.communicate()[1]
        assert wait_until_gone([run.pid]) == []
        return run.returncode, said

    def arguments(self, name: str, *more: str) -> list[str]:
        """A command line that starts the run ``name``, or continues it."""
        began = (self.path(name) / "config.yaml").is_file()
        return [
            "--config", str(CONFIGS / "eqae_p4m.yaml"), f"data={{name: npz, path: {self.data}}}",
            f"output={self.folder / name}", *SETTINGS, *more, *(["--resume"] if began else []),
        ]  # fmt: skip

    def finish(self, name: str, *more: str) -> dict[str, str]:
        """Start or continue the run ``name`` to its end; what it gave."""
        ended = self.go(name, *more)
        assert ended.code == 0, self.log.read_text()
        return outcome(self.path(name))

    def path(self, name: str) -> Path:
        """The run directory."""
        return self.folder / name / "eqae_p4m"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    folder = tmp_path_factory.mktemp("killed")
    draws = np.random.default_rng(0)
    data = folder / "tiny.npz"
    images = draws.integers(0, 256, (60, 16, 16)).astype(np.uint8)
    np.savez(data, images=images, labels=(np.arange(60) % 3).astype(np.int64))
    command = [sys.executable, str(Path(__file__).with_name("run_server.py"))]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": str(folder / "cache")}
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        yield Runs(server, folder, data)
        server.terminate()


@pytest.fixture(scope="module")
def whole(runs: Runs) -> dict[str, str]:
    """What the run gives when nobody interrupts it."""
    return runs.finish("whole")


def outcome(run: Path) -> dict[str, str]:
    """Everything of a run that has to be repeated exactly: a hash or a text by name."""
    assert not list(run.rglob(".*.tmp")), "what a killed write has left is removed"
    found: dict[str, str] = {}
    for model in (model for model in MODELS if (run / model).is_dir()):
        found[f"{model}weights"] = _sha256((run / model / "model.safetensors").read_bytes())
        found[f"{model}golden"] = str(json.loads((run / f"{model}manifest.json").read_text())["golden"])
        if (run / model / RESUME_FILE).is_file():
            state = torch.load(run / model / RESUME_FILE, weights_only=True)
            kept = {key: state[key] for key in ("epoch", "global_step", "state_dict", "optimizer_states")}
            found[f"{model}optimiser"] = _sha256(repr(list(_flat(kept | {"rate": state["lr_schedulers"]}))).encode())
            found[f"{model}metrics"] = (run / model / METRICS_FILE).read_text()
    results = json.loads((run / "results.json").read_text())
    found["results"] = json.dumps([results["rows"], results["differences"]], sort_keys=True)
    return found


def _flat(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(tree, dict):
        for key, part in tree.items():
            yield from _flat(part, f"{path}/{key}")
    elif isinstance(tree, list | tuple):
        for key, part in enumerate(tree):
            yield from _flat(part, f"{path}/{key}")
    else:
        yield path, _sha256(tree.numpy().tobytes()) if isinstance(tree, torch.Tensor) else tree


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def differing(found: dict[str, str], expected: dict[str, str], keys: Sequence[str] = ()) -> list[str]:
    return [key for key in keys or expected | found if found.get(key) != expected.get(key)]


def living(group: int) -> list[str]:
    """Processes of a process group, without those that have ended and wait to be asked how."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, leader = status.read_text().rpartition(")")[2].split()[:3]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(leader) == group and state != "Z":
            found.append(status.parent.name)
    return found


def wait_until_gone(groups: Sequence[int]) -> list[int]:
    """Groups that still have a living process when there was more than enough time to notice."""
    patience = time.monotonic() + GONE_SECONDS
    while (left := [group for group in groups if living(group)]) and time.monotonic() < patience:
        time.sleep(0.1)
    return left


def test_the_run_to_be_killed_has_all_that_a_run_can_have(runs: Runs, whole: dict[str, str]) -> None:
    assert {"weights", "optimiser", "metrics", "baselines/cnn/optimiser", "baselines/zernike/weights"} <= whole.keys()
    rows = list(csv.DictReader(io.StringIO(whole["metrics"])))
    assert len(rows) == 4
    assert {row["model"] for row in json.loads(whole["results"])[0]} >= {"eqae_p4m", "cnn", "zernike"}


def test_a_run_killed_at_every_named_moment_in_turn_ends_as_if_it_was_not(runs: Runs, whole: dict[str, str]) -> None:
    for moment in MOMENTS:
        ended = runs.go("killed", moment=moment)
        expected = signal.SIGXFSZ if moment == HALF_WRITTEN else signal.SIGKILL
        assert ended.code == -expected, f"{moment}: {runs.log.read_text()}"
    assert differing(runs.finish("killed"), whole) == []


def test_a_run_with_loader_processes_is_stopped_with_a_word_and_leaves_none_behind(
    runs: Runs, whole: dict[str, str]
) -> None:
    settings = ("training.workers=2", ALONE)
    ended = [runs.go("stopped", *settings, moment="in the middle of an epoch")]
    assert ended[0].code == -signal.SIGKILL
    assert len(living(ended[0].pid)) == 4, "two that load and two that load what is held out do not know it yet"
    for moment in ("before the first step", "in validation", "before judging"):
        ended.append(runs.go("stopped", *settings, moment=moment, number=signal.SIGTERM))
        assert ended[-1].code == 143, f"{moment}: {runs.log.read_text()}"
        assert runs.log.read_text().endswith("\nstopped; continue with --resume\n")
        assert "Traceback" not in runs.log.read_text()
    assert differing(runs.finish("stopped", *settings), whole, OF_ONE) == [], "nor does the number of workers matter"
    assert wait_until_gone([group for _, _, group in ended]) == []


def test_a_run_killed_at_random_moments_ends_as_if_it_was_not(runs: Runs, whole: dict[str, str]) -> None:
    assert kill_at_random(runs, whole, 8, [("training.workers=0", ALONE)], OF_ONE) == (8, [])


@pytest.mark.slow
def test_50_kills_at_random_moments_change_nothing(runs: Runs, whole: dict[str, str]) -> None:
    landed, different = kill_at_random(runs, whole, 50, [("training.workers=0",), ("training.workers=2",)])
    print(f"\n{landed} kills; runs that differ: {len(different)}")
    assert (landed, different) == (50, [])


def kill_at_random(
    runs: Runs, whole: dict[str, str], kills: int, settings: Sequence[Sequence[str]], keys: Sequence[str] = ()
) -> tuple[int, list[str]]:
    """Kills that hit a run before its end, and what differs in the runs they hit.

    Moments are drawn uniformly over the time a whole run takes. Every run is killed, and resumed, until it comes to its
    end before the next moment; runs have each of ``settings`` in turn.
    """
    draws = random.Random(kills)
    seconds = [runs.go(f"timed {more}", *more).seconds for more in settings]
    landed, number, different = 0, 0, []
    while landed < kills:
        name, turn = f"random {kills} {number}", number % len(settings)
        while landed < kills and not (runs.path(name) / "README.md").is_file():
            sign = draws.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM])
            ended = runs.go(name, *settings[turn], after=draws.uniform(0, seconds[turn]), number=sign)
            # Before Python listens to SIGTERM it kills, which a shell reports as 143 as well.
            assert ended.code in {0, -sign, 143}, runs.log.read_text()
            landed += ended.code != 0
        is_finished = (runs.path(name) / "README.md").is_file()
        found = outcome(runs.path(name)) if is_finished else runs.finish(name, *settings[turn])
        different += [f"{name}: {key}" for key in differing(found, whole, keys)]
        number += 1
    return landed, different


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["SIGKILL", "SIGTERM"])
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_run_stopped_once_at_a_named_moment_ends_as_if_it_was_not(
    moment: str, number: signal.Signals, workers: int, runs: Runs, whole: dict[str, str]
) -> None:
    name, more = f"{moment} {number.name} {workers}", f"training.workers={workers}"
    ended = runs.go(name, more, moment=moment, number=number)
    assert ended.code in {-signal.SIGXFSZ if moment == HALF_WRITTEN else -number, 143}, runs.log.read_text()
    assert differing(runs.finish(name, more), whole) == []


@pytest.mark.slow
def test_two_processes_stop_together_and_resume_exactly(runs: Runs) -> None:
    settings = ("training.devices=2", "training.epochs=8", ALONE)
    assert runs.processes("two whole", *settings) == (0, "")
    for number, code in ((signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, 143)):
        name = f"two {number.name}"
        ended, said = runs.processes(name, *settings, number=number)
        assert ended == code
        if number == signal.SIGTERM:
            assert said == "stopped; continue with --resume\n"
        assert runs.processes(name, *settings) == (0, "")
        assert differing(outcome(runs.path(name)), outcome(runs.path("two whole"))) == []


RECIPE = Recipe(
    epochs=3, batch_size=8, optimization=Optimization(1e-2, 0.0, "constant"), gradient_clip=None, validation=0.2,
    precision="32-true", accelerator="cpu", devices=1, machines=1, workers=0, compile=False, seed=0,
)  # fmt: skip


def noise() -> Dataset:
    draws = torch.Generator().manual_seed(0)

    def images(count: int) -> Images:
        pixels = torch.randint(0, 256, (count, 1, 12, 12), generator=draws, dtype=torch.uint8)
        return Images(pixels, torch.zeros(count, dtype=torch.int64))

    return Dataset("noise", images(40), images(8), ("noise",))


def train(folder: Path, objective: Objective, recipe: Recipe = RECIPE, *, resume: bool = False) -> Autoencoder:
    """Three epochs of four steps."""
    seed_everything(0, "weights")
    model = build_model("eqae", (1, 12, 12), {"fields": [2, 3], "code": 4})
    folder.mkdir(exist_ok=True)
    fit(
        model, build_head("mean", model, {}), noise(), {"reconstruction": Weighted(objective, Weight(1.0, 1.0))},
        Augment(), recipe,
        directory=folder, label="m", tracker=NoTracker(), console=Console(quiet=True), resume=resume,
    )  # fmt: skip
    return model


@pytest.fixture
def cut_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Objective], Path]:
    """Trains for an epoch of three; the folder."""

    def interrupted(objective: Objective) -> Path:
        with monkeypatch.context() as patch:
            patch.setattr(MetricsFile, "on_train_epoch_start", _interrupt_second_epoch, raising=False)
            with pytest.raises(KeyboardInterrupt):
                train(tmp_path / "cut", objective)
        return tmp_path / "cut"

    return interrupted


def _interrupt_second_epoch(self: object, trainer: pl.Trainer, module: object) -> None:
    if trainer.current_epoch == 1:
        raise KeyboardInterrupt


class ThroughDropout(PixelReconstruction):
    def forward(self, step: Step) -> torch.Tensor:
        assert step.reconstruction is not None
        return F.mse_loss(F.dropout(step.reconstruction.images, 0.5), step.target)


def test_what_a_layer_draws_from_the_global_generator_is_repeated_too(
    cut_short: Callable[[Objective], Path], tmp_path: Path
) -> None:
    whole = train(tmp_path / "whole", ThroughDropout()).state_dict()
    folder = cut_short(ThroughDropout())
    torch.manual_seed(123)  # what another process would have at this moment
    continued = train(folder, ThroughDropout(), resume=True).state_dict()
    assert [key for key in whole if not torch.equal(whole[key], continued[key])] == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 1}, "made with seed 0; expected 1"),
        ({"epochs": 5}, "made with epochs 3; expected 5"),
        ({"batch_size": 4}, "made with batch_size 8; expected 4"),
        ({"validation": 0.1}, "made with validation 0.2; expected 0.1"),
        ({"precision": "64-true"}, "made with precision '32-true'; expected '64-true'"),
        ({"gradient_clip": 1.0}, "made with gradient_clip None; expected 1.0"),
        ({"optimization": Optimization(1e-3, 0.0, "constant")}, "made with learning_rate 0.01; expected 0.001"),
    ],
)
def test_a_run_is_not_continued_by_another_recipe(
    change: dict[str, Any], message: str, cut_short: Callable[[Objective], Path]
) -> None:
    folder = cut_short(PixelReconstruction())
    before = (folder / RESUME_FILE).read_bytes()
    with pytest.raises(CheckpointError, match=re.escape(message)):
        train(folder, PixelReconstruction(), replace(RECIPE, **change), resume=True)
    assert (folder / RESUME_FILE).read_bytes() == before


class Comparing(PixelReconstruction):
    """Half a batch is the least that it is shown."""

    compares_images = True


@pytest.mark.parametrize("told", [True, False])
def test_a_run_is_not_continued_in_other_batches(told: bool, cut_short: Callable[[Objective], Path]) -> None:
    """Resume points of before such batches were joined do not tell, and would be continued at another place."""
    path = cut_short(PixelReconstruction()) / RESUME_FILE
    if not told:
        content = torch.load(path, weights_only=True)
        del content["eqae"]["smallest_batch"]
        torch.save(content, path)
    with pytest.raises(CheckpointError, match="made with smallest_batch 2; expected 4"):
        train(path.parent, Comparing(), resume=True)


def test_a_run_may_be_continued_with_other_loaders(cut_short: Callable[[Objective], Path], tmp_path: Path) -> None:
    whole = train(tmp_path / "whole", PixelReconstruction()).state_dict()
    folder = cut_short(PixelReconstruction())
    continued = train(folder, PixelReconstruction(), replace(RECIPE, workers=1), resume=True).state_dict()
    assert [key for key in whole if not torch.equal(whole[key], continued[key])] == []


@pytest.mark.parametrize("damage", ["a flipped bit", "a missing end", "nothing in it"])
def test_a_damaged_resume_point_is_refused_with_what_to_do(damage: str, cut_short: Callable[[Objective], Path]) -> None:
    path = cut_short(PixelReconstruction()) / RESUME_FILE
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes({"a flipped bit": content, "a missing end": content[:-100], "nothing in it": b""}[damage])
    with pytest.raises(CheckpointError, match="delete it to train from the beginning"):
        train(path.parent, PixelReconstruction(), resume=True)
