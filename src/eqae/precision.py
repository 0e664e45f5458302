"""Full float32 arithmetic, whatever the surrounding program has relaxed; and where less is worth asking for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def full_precision() -> Iterator[None]:
    """Run on the CPU without gradients, autocast or reduced matrix products, and restore the caller's settings.

    ``torch.set_float32_matmul_precision("medium")``, which trainers often call, lets the CPU multiply in bfloat16:
    features would then differ by 1e-3 between two programs that load the same file.
    """
    with torch.no_grad(), torch.device("cpu"), exact_products():
        yield


@contextmanager
def exact_products() -> Iterator[None]:
    """No matrix product or convolution below float32: neither bfloat16 on a CPU nor TF32 on a GPU, nor autocast."""
    cudnn: Any = torch.backends.cudnn
    tf32 = cudnn.allow_tf32
    cudnn.allow_tf32 = False  # on by default for convolutions: errors of 1e-3 instead of 1e-7
    try:
        with torch.autocast("cpu", enabled=False), torch.autocast("cuda", enabled=False), _highest():
            yield
    finally:
        cudnn.allow_tf32 = tf32


@contextmanager
def _highest() -> Iterator[None]:
    try:
        before = torch.get_float32_matmul_precision()
    except RuntimeError:  # the caller uses torch's per-backend settings, which cannot be mixed with this one
        with _exact_backend():
            yield
        return
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


@contextmanager
def _exact_backend() -> Iterator[None]:
    mkldnn: Any = torch.backends.mkldnn
    parts = (mkldnn.matmul, mkldnn.conv)
    before = [part.fp32_precision for part in parts]
    for part in parts:
        part.fp32_precision = "ieee"
    try:
        yield
    finally:
        for part, precision in zip(parts, before, strict=True):
            part.fp32_precision = precision


BFLOAT16_INSTRUCTIONS = ("amx_bf16", "avx512_bf16", "bf16", "sve_bf16")
"""What torch calls those of processors."""


def computes_in_bfloat16(device: torch.device) -> bool | None:
    """Whether ``device`` has instructions for bfloat16; None where torch is too old to tell.

    Without them a convolution takes up to thirty times as long as in float32 (measured with AVX2 alone).
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu" or not torch.backends.mkldnn.is_available():  # which alone makes use of them
        return False
    if not hasattr(torch.cpu, "get_capabilities"):
        return None
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name, False) for name in BFLOAT16_INSTRUCTIONS)
