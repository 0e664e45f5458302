"""Where bfloat16 is worth asking for, by what torch says of the processor."""

from __future__ import annotations

import pytest
import torch

from eqae.precision import computes_in_bfloat16

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [({"avx2": True}, False), ({"avx512_f": True, "avx512_bf16": False}, False), ({"avx512_bf16": True}, True),
     ({"amx_bf16": True}, True), ({"neon": True, "bf16": True}, True), ({}, False)],
)  # fmt: skip
def test_a_processor_with_instructions_for_it_computes_in_bfloat16(
    capabilities: dict[str, bool], expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    assert computes_in_bfloat16(CPU) is expected


def test_a_torch_that_cannot_tell_or_make_use_of_it_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"bf16": True}, raising=False)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert computes_in_bfloat16(CPU) is False
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert computes_in_bfloat16(CPU) is None


def test_an_accelerator_that_is_no_gpu_of_nvidias_or_amds_has_none() -> None:
    assert computes_in_bfloat16(torch.device("mps")) is False
