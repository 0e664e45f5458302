"""The chains of layers that autoencoders are made of: halvings on the way in, doublings on the way out."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from eqae.groups import Group
from eqae.nn import (
    BilinearUpsample,
    BlurPool,
    DiscMask,
    FieldBatchNorm,
    LiftingConv,
    ProjectionConv,
    ProjectionConvTranspose,
    RegularConv,
    RegularConvTranspose,
    SizePlan,
    Window,
)

PIXEL_VARIANCE = 0.1
"""Of images in [0, 1]; a decoder that begins at that scale does not spend its first epochs shrinking."""


def same(kernel: int) -> Window:
    """The window of stride 1 that keeps the size; odd kernels alone have one."""
    return Window(kernel, 1, kernel // 2)


def activated(conv: nn.Module, group: Group, fields: int) -> list[nn.Module]:
    """``conv``, field batch normalisation and a rectifier."""
    return [conv, FieldBatchNorm(fields, group.order), nn.ReLU()]


def encoder_stages(
    group: Group, channels: int, fields: Sequence[int], plan: SizePlan, kernel: int, *, blurred: bool
) -> list[list[nn.Module]]:
    """A list of layers a stage, which halves the size: images to ``fields[-1]`` regular fields of ``plan.sizes[-1]``.

    Args:
        group: of the fields.
        channels: of the images.
        fields: of each stage.
        plan: the chain of sizes.
        kernel: of the convolutions of stride 1.
        blurred: whether a stage halves by :class:`eqae.nn.BlurPool`, behind a convolution of stride 1, instead of by
            a convolution of stride 2.
    """
    stages: list[list[nn.Module]] = []
    for stage, (width, window) in enumerate(zip(fields, plan.windows, strict=True)):
        window.check(f"encoder stage {stage}", plan.sizes[stage])
        entry = same(kernel) if blurred else window
        first = (
            LiftingConv(group, channels, width, entry)
            if stage == 0
            else RegularConv(group, fields[stage - 1], width, entry)
        )
        second = RegularConv(group, width, width, same(kernel))
        blur = [BlurPool(plan.sizes[stage])] if blurred else []
        stages.append([*activated(first, group, width), *blur, *activated(second, group, width)])
    if not group.is_lattice:
        stages[0].insert(0, DiscMask(plan.sizes[0]))
    return stages


def decoder_layers(
    group: Group, channels: int, fields: Sequence[int], code: int, plan: SizePlan, kernel: int
) -> list[nn.Module]:
    """The plan run backwards: ``code`` collapsed fields to images.

    Lattice groups double the size by transposed convolutions; other groups by interpolation and a convolution of
    stride 1, since a stride is a lattice of its own.
    """
    expand = RegularConvTranspose(group, code, fields[-1], plan.collapse)
    layers = activated(expand, group, fields[-1])
    for stage in range(len(fields) - 1, -1, -1):
        width = fields[stage]
        layers += activated(RegularConv(group, width, width, same(kernel)), group, width)
        if not group.is_lattice:
            layers.append(BilinearUpsample(plan.sizes[stage + 1], plan.sizes[stage]))
        if stage == 0:
            layers.append(_to_image(group, width, channels, plan, kernel))
        else:
            layers += activated(_doubling(group, stage, fields, plan, kernel), group, fields[stage - 1])
    return layers


def _doubling(group: Group, stage: int, fields: Sequence[int], plan: SizePlan, kernel: int) -> nn.Module:
    if group.is_lattice:
        return RegularConvTranspose(group, fields[stage], fields[stage - 1], plan.windows[stage])
    return RegularConv(group, fields[stage], fields[stage - 1], same(kernel))


def _to_image(group: Group, fields: int, channels: int, plan: SizePlan, kernel: int) -> nn.Module:
    if group.is_lattice:
        return ProjectionConvTranspose(group, fields, channels, plan.windows[0], gain=PIXEL_VARIANCE)
    return ProjectionConv(group, fields, channels, same(kernel), gain=PIXEL_VARIANCE)
