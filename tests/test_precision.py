"""Where bfloat16 is worth asking for: where a convolution is faster in it."""

from __future__ import annotations

import pytest
import torch

from eqae import precision
from eqae.precision import is_faster_in_bfloat16

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("single", "half", "expected"),
    [(1.0, 0.5, True), (1.0, 0.9, False), (1.0, 1.8, False), (1.0, 30.0, False)],
)
def test_what_is_measured_decides(single: float, half: float, expected: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = {torch.float32: single, torch.bfloat16: half}
    monkeypatch.setattr(precision, "_seconds", lambda step: seconds[step.args[0].dtype])
    assert is_faster_in_bfloat16(CPU) is expected


def test_one_interruption_of_a_busy_machine_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([1.0, 9.0, 9.0, 0.5, *[1.0, 0.5] * 3])
    monkeypatch.setattr(precision, "_seconds", lambda step: next(times))
    assert is_faster_in_bfloat16(CPU)


def test_measuring_leaves_the_program_as_it_was() -> None:
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    with torch.no_grad():
        assert is_faster_in_bfloat16(CPU) in (True, False)
        assert not torch.is_grad_enabled()
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)


def test_an_accelerator_that_is_no_gpu_of_nvidias_or_amds_has_none() -> None:
    assert is_faster_in_bfloat16(torch.device("mps")) is False
