"""A training that diverges says at which step and by what, and leaves only finite files behind."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from eqae.commands.train import main
from eqae.data.datamodule import Batch
from eqae.training.callbacks import METRICS_FILE, RESUME_FILE, Report, first_not_finite
from eqae.training.module import AutoencoderModule

CONFIG = Path(__file__).parent.parent.parent / "configs" / "cnn.yaml"
STEPS = 3
"""An epoch."""
STEP = 4
"""Which is in the second epoch."""


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Steps this small only wait for a second one."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class Accident:
    """Happens at one step of a training, and keeps what ``last.ckpt`` was until then."""

    def __init__(self, run: Path) -> None:
        self.run = run
        self.resume_point: bytes | None = None

    def happens(self) -> None:
        path = self.run / RESUME_FILE
        self.resume_point = path.read_bytes() if path.exists() else None


Poison = Callable[[AutoencoderModule, Batch], Batch]


def not_a_number_in_a_loss(module: AutoencoderModule, batch: Batch) -> Batch:
    module.objectives["reconstruction"].register_forward_hook(lambda _, inputs, loss: loss * math.nan)
    return batch


def infinity_in_a_loss(module: AutoencoderModule, batch: Batch) -> Batch:
    module.objectives["reconstruction"].register_forward_hook(lambda _, inputs, loss: loss + math.inf)
    return batch


def not_a_number_in_a_pixel(module: AutoencoderModule, batch: Batch) -> Batch:
    images = batch.images.clone()
    images[0, 0, 3, 3] = math.nan
    return batch._replace(images=images)


def not_a_number_in_a_gradient(module: AutoencoderModule, batch: Batch) -> Batch:
    first_weight(module).register_hook(lambda gradient: gradient * math.nan)
    return batch


def infinity_in_a_weight(module: AutoencoderModule, batch: Batch) -> Batch:
    first_weight(module).data.view(-1)[0] = math.inf
    return batch


def not_a_number_in_a_statistic(module: AutoencoderModule, batch: Batch) -> Batch:
    statistic = next(buffer for name, buffer in module.named_buffers() if name.endswith("running_var"))
    statistic.view(-1)[0] = math.nan
    return batch


def first_weight(module: AutoencoderModule) -> torch.nn.Parameter:
    return next(module.parameters())


def overflow_in_the_optimiser(module: AutoencoderModule, batch: Batch) -> Batch:
    """The square of a gradient is too large for float32, the gradient is not, and the weight hardly moves."""
    first_weight(module).register_hook(lambda gradient: torch.full_like(gradient, 1e25))
    return batch


@pytest.fixture
def data(tmp_path: Path) -> Path:
    draws = np.random.default_rng(0)
    images = draws.integers(0, 256, (60, 16, 16)).astype(np.uint8)
    np.savez(tmp_path / "tiny.npz", images=images, labels=(np.arange(60) % 3).astype(np.int64))
    return tmp_path / "tiny.npz"


def train(data: Path) -> int:
    return main(
        [
            "--config", str(CONFIG), f"data={{name: npz, path: {data}}}", f"output={data.parent}",
            "model.fields=[2, 3]", "model.code=4", "training.epochs=3", "training.batch_size=16",
            "training.validation=0.2",
            "training.schedule=constant", "evaluators=[reconstruction]", "tracking.wandb=disabled",
        ]
    )  # fmt: skip


@pytest.fixture
def poisoned(data: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Poison, int], Accident]:
    """Lets something happen to a batch or a model before a step, and trains."""

    def arm(poison: Poison, step: int) -> Accident:
        accident = Accident(data.parent / "cnn")
        take = AutoencoderModule.training_step

        def training_step(self: AutoencoderModule, batch: Batch, batch_idx: int) -> Tensor:
            if self.global_step == step:
                accident.happens()
                batch = poison(self, batch)
            return take(self, batch, batch_idx)

        monkeypatch.setattr(AutoencoderModule, "training_step", training_step)
        assert train(data) == 2
        return accident

    return arm


def is_finite(run: Path) -> bool:
    state = torch.load(run / RESUME_FILE, weights_only=True)
    moments = [value for one in state["optimizer_states"][0]["state"].values() for value in one.values()]
    return all(torch.isfinite(tensor).all() for tensor in [*state["state_dict"].values(), *moments])


def assert_only_finite_files(accident: Accident) -> None:
    assert accident.resume_point == (accident.run / RESUME_FILE).read_bytes()
    assert is_finite(accident.run)
    assert {path.name for path in accident.run.iterdir()} == {"config.yaml", METRICS_FILE, RESUME_FILE}
    with (accident.run / METRICS_FILE).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["0"]
    assert all(math.isfinite(float(value)) for row in rows for value in row.values())


@pytest.mark.parametrize(
    ("poison", "culprit"),
    [
        (not_a_number_in_a_loss, "train/reconstruction is NaN or infinite; train/reconstruction nan, train/loss nan"),
        (infinity_in_a_loss, "train/reconstruction is NaN or infinite; train/reconstruction inf, train/loss inf"),
        (not_a_number_in_a_pixel, "train/reconstruction is NaN or infinite; train/reconstruction nan, train/loss nan"),
        (not_a_number_in_a_gradient, "the gradient of model."),
        (infinity_in_a_weight, "weight is NaN or infinite; train/reconstruction nan"),
        (not_a_number_in_a_statistic, "running_var is NaN or infinite; train/reconstruction 0."),
    ],
)
def test_whatever_is_not_finite_stops_the_training_at_its_step(
    poison: Poison,
    culprit: str,
    poisoned: Callable[[Poison, int], Accident],
    capsys: pytest.CaptureFixture[str],
) -> None:
    accident = poisoned(poison, STEP)
    error = capsys.readouterr().err
    assert f"error: step {STEP} (epoch {STEP // STEPS})" in error
    assert culprit in error
    assert "learning rate 0.003" in error
    assert f"last good state: {accident.run / RESUME_FILE}" in error
    assert "Traceback" not in error
    assert_only_finite_files(accident)


def test_before_the_first_resume_point_there_is_no_good_state_and_that_is_said(
    poisoned: Callable[[Poison, int], Accident], capsys: pytest.CaptureFixture[str]
) -> None:
    accident = poisoned(not_a_number_in_a_pixel, 1)
    error = capsys.readouterr().err
    assert "step 1 (epoch 0)" in error
    assert "last good state: none yet" in error
    assert {path.name for path in accident.run.iterdir()} == {"config.yaml"}


def test_an_overflow_that_hides_in_the_optimiser_never_reaches_a_resume_point(
    poisoned: Callable[[Poison, int], Accident], capsys: pytest.CaptureFixture[str]
) -> None:
    accident = poisoned(overflow_in_the_optimiser, STEP)
    error = capsys.readouterr().err
    assert f"step {2 * STEPS} (epoch 1)" in error
    assert "the optimiser's exp_avg_sq of parameter 0 is NaN or infinite" in error
    assert_only_finite_files(accident)


def test_a_weight_lost_in_the_last_step_of_an_epoch_never_reaches_a_resume_point(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    accident = Accident(data.parent / "cnn")
    advance = Report.on_train_batch_end

    def lose(self, trainer, module, *rest) -> None:  # type: ignore[no-untyped-def]
        if trainer.global_step == 2 * STEPS:
            accident.happens()
            first_weight(module).data.view(-1)[0] = math.nan
        advance(self, trainer, module, *rest)

    monkeypatch.setattr(Report, "on_train_batch_end", lose)
    assert train(data) == 2
    error = capsys.readouterr().err
    assert f"step {2 * STEPS} (epoch 1)" in error
    assert "weight is NaN or infinite; validation/reconstruction nan" in error
    assert_only_finite_files(accident)


def test_a_loss_that_held_out_images_have_not_stops_before_it_reaches_a_file(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    validate = AutoencoderModule.validation_step

    def lose(self: AutoencoderModule, batch: Batch, batch_idx: int) -> None:
        hook = self.objectives["reconstruction"].register_forward_hook(lambda _, inputs, loss: loss * math.nan)
        validate(self, batch, batch_idx)
        hook.remove()

    monkeypatch.setattr(AutoencoderModule, "validation_step", lose)
    assert train(data) == 2
    error = capsys.readouterr().err
    assert f"step {STEPS} (epoch 0)" in error
    assert "validation/reconstruction is NaN or infinite" in error
    assert "finite for the few images that may be held out" in error
    assert {path.name for path in (data.parent / "cnn").iterdir()} == {"config.yaml"}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_one_number_among_many_is_found_and_named(value: float) -> None:
    bad = torch.ones(7, 5)
    bad[6, 4] = value
    assert first_not_finite({"good": torch.ones(3), "bad": bad, "worse": bad}) == "bad"


def test_large_numbers_counts_and_nothing_at_all_are_finite() -> None:
    largest = torch.full((9,), torch.finfo(torch.float32).max)
    tensors = {"large": largest, "count": torch.tensor(3), "none": None, "empty": torch.ones(0)}
    assert not torch.isfinite(largest.sum())
    assert first_not_finite(tensors) is None
    assert first_not_finite({}) is None


def test_opposite_infinities_do_not_cancel() -> None:
    assert first_not_finite({"a": torch.tensor([math.inf]), "b": torch.tensor([-math.inf])}) == "a"
