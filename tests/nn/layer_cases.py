"""One small instance of every layer for any group and size, with how it moves its input and its output."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from eqae.groups import Group, get_group
from eqae.nn import (
    BilinearUpsample,
    BlurPool,
    FieldAvgPool,
    FieldBatchNorm,
    FieldMaxPool,
    GroupAxisLinear,
    GroupMaxPool,
    GroupMeanPool,
    LiftingConv,
    ProjectionConv,
    ProjectionConvTranspose,
    RegularConv,
    RegularConvTranspose,
    Window,
    halving,
)
from eqae.registry import GROUPS
from eqae.testing import Action, act_on_fields, act_on_images, act_on_rows

LATTICE_GROUPS = [get_group(name) for name in GROUPS if get_group(name).is_lattice]
FIELDS = 3
IMAGE_CHANNELS = 2


@dataclass(frozen=True)
class LayerCase:
    """How to build a layer, and which kinds of tensors (``image``, ``fields``, ``rows``) go in and come out."""

    name: str
    takes: str
    gives: str
    build: Callable[[Group, int, Window], nn.Module]
    windowed: bool = False
    transposed: bool = False

    def windows(self, size: int) -> Iterator[Window]:
        """Exact windows of kernels 1 to 5; transposed layers are exact with all of them."""
        if not self.windowed:
            yield halving(size)
            return
        for kernel, stride in itertools.product(range(1, 6), (1, 2, 3)):
            for padding in sorted({0, (kernel - 1) // 2, kernel // 2}):
                window = Window(kernel, stride, padding)
                if window.transposed_size(size) > 0 if self.transposed else window.is_exact(size):
                    yield window

    def input(self, group: Group, size: int, dtype: torch.dtype = torch.float64, batch: int = 2) -> Tensor:
        """A random input with a mean that is not zero."""
        generator = torch.Generator().manual_seed(size)
        shape = {
            "image": (batch, IMAGE_CHANNELS, size, size),
            "fields": (batch, FIELDS * group.order, size, size),
            "rows": (batch, group.order, FIELDS),
        }[self.takes]
        return (0.5 + torch.randn(shape, generator=generator, dtype=torch.float64)).to(dtype)


def action(kind: str, group: Group) -> Action:
    """How a group moves tensors of one kind."""
    return {"image": act_on_images, "fields": act_on_fields, "rows": act_on_rows}[kind](group)


CASES = [
    LayerCase("lifting", "image", "fields",
              lambda g, s, w: LiftingConv(g, IMAGE_CHANNELS, FIELDS, w, bias=True), windowed=True),
    LayerCase("regular", "fields", "fields",
              lambda g, s, w: RegularConv(g, FIELDS, 2, w, bias=True), windowed=True),
    LayerCase("projection", "fields", "image",
              lambda g, s, w: ProjectionConv(g, FIELDS, IMAGE_CHANNELS, w), windowed=True),
    LayerCase("regular_transpose", "fields", "fields",
              lambda g, s, w: RegularConvTranspose(g, FIELDS, 2, w, bias=True), windowed=True, transposed=True),
    LayerCase("projection_transpose", "fields", "image",
              lambda g, s, w: ProjectionConvTranspose(g, FIELDS, IMAGE_CHANNELS, w), windowed=True, transposed=True),
    LayerCase("batch_norm", "fields", "fields", lambda g, s, w: FieldBatchNorm(FIELDS, g.order)),
    LayerCase("avg_pool", "fields", "fields", lambda g, s, w: FieldAvgPool(s)),
    LayerCase("max_pool", "fields", "fields", lambda g, s, w: FieldMaxPool(s)),
    LayerCase("blur_pool", "fields", "fields", lambda g, s, w: BlurPool(s)),
    LayerCase("group_max_pool", "fields", "image", lambda g, s, w: GroupMaxPool(g.order)),
    LayerCase("group_mean_pool", "fields", "image", lambda g, s, w: GroupMeanPool(g.order)),
    LayerCase("upsample", "fields", "fields", lambda g, s, w: BilinearUpsample(s, 2 * s + 1)),
    LayerCase("group_axis_linear", "rows", "rows", lambda g, s, w: GroupAxisLinear(g, FIELDS, 2)),
]  # fmt: skip
CONVOLUTIONS = [case for case in CASES if case.windowed]
