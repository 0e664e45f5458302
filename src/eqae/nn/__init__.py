"""Equivariant layers over plain tensors ``(B, fields·|G|, H, W)``."""

from eqae.nn.blur import BlurPool
from eqae.nn.conv import (
    LiftingConv,
    ProjectionConv,
    ProjectionConvTranspose,
    RegularConv,
    RegularConvTranspose,
)
from eqae.nn.coset import CosetStack
from eqae.nn.expanding import expanded_once
from eqae.nn.fibre import GroupAxisBlock, GroupAxisLinear, fibre_to_rows, rows_to_fibre
from eqae.nn.mask import DiscMask
from eqae.nn.norm import FieldBatchNorm
from eqae.nn.pool import FieldAvgPool, FieldMaxPool, GroupMaxPool, GroupMeanPool
from eqae.nn.sizes import SizePlan, Window, halving, plan_sizes
from eqae.nn.upsample import BilinearUpsample

__all__ = [
    "BilinearUpsample",
    "BlurPool",
    "CosetStack",
    "DiscMask",
    "FieldAvgPool",
    "FieldBatchNorm",
    "FieldMaxPool",
    "GroupAxisBlock",
    "GroupAxisLinear",
    "GroupMaxPool",
    "GroupMeanPool",
    "LiftingConv",
    "ProjectionConv",
    "ProjectionConvTranspose",
    "RegularConv",
    "RegularConvTranspose",
    "SizePlan",
    "Window",
    "expanded_once",
    "fibre_to_rows",
    "halving",
    "plan_sizes",
    "rows_to_fibre",
]
