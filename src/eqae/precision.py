"""Full float32 arithmetic, whatever the surrounding program has relaxed; and where less is worth asking for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
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


WORTHWHILE = 1.25
"""How many times faster bfloat16 must be to be chosen: less is within the noise of a busy machine."""


def is_faster_in_bfloat16(device: torch.device) -> bool:
    """Whether layers train faster on ``device`` in bfloat16 than in float32.

    On a CPU this is measured, in a tenth of a second: that a processor has instructions for bfloat16 does not say so.
    With AMX a convolution is about twice as fast, with AVX-512 alone it can be half as fast, without either it takes
    up to thirty times as long.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu":
        return False
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # several would wait for each other where the machine is busy
    try:
        single, half = (partial(_convolve, *_convolution(dtype)) for dtype in (torch.float32, torch.bfloat16))
        single(), half()  # the first call chooses an algorithm
        rounds = [(_seconds(single), _seconds(half)) for _ in range(5)]
    finally:
        torch.set_num_threads(threads)
    return min(one for one, _ in rounds) > WORTHWHILE * min(other for _, other in rounds)


def _convolution(dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """Images and filters, of a size that small networks have."""
    sizes = ((16, 64, 14, 14), (64, 64, 3, 3))
    images, filters = (torch.ones(size, dtype=dtype, requires_grad=True) for size in sizes)
    return images, filters


def _convolve(images: torch.Tensor, filters: torch.Tensor) -> None:
    """Forwards and backwards, as in training."""
    with torch.enable_grad():
        torch.autograd.grad(torch.nn.functional.conv2d(images, filters, padding=1).sum(), (images, filters))


def _seconds(step: Callable[[], None]) -> float:
    began = time.perf_counter()
    step()
    return time.perf_counter() - began
