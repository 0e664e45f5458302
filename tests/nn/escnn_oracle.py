"""escnn's layers as an independent witness: the same groups, filters and outputs, derived by other people."""

from __future__ import annotations

import math
import warnings
from importlib.util import find_spec
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from eqae.groups import Group
from eqae.nn import Window
from eqae.nn.escnn import import_escnn

needs_escnn = pytest.mark.skipif(find_spec("escnn") is None, reason="escnn, an optional dependency, is not installed")


class Witness:
    """escnn's view of one lattice group: its space, field types and layers with random weights, in eval mode."""

    def __init__(self, group: Group) -> None:
        escnn = import_escnn()
        self.group, self.enn = group, escnn.nn
        spaces = escnn.gspaces
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # numpy deprecations inside escnn
            if not group.reflections:
                self.space: Any = spaces.rot2dOnR2(group.rotations) if group.order > 1 else spaces.trivialOnR2()
            elif group.rotations == 1:
                self.space = spaces.flip2dOnR2(axis=math.pi / 2)
            else:
                self.space = spaces.flipRot2dOnR2(group.rotations, axis=math.pi / 2)

    def image(self, channels: int) -> Any:
        return self.enn.FieldType(self.space, [self.space.trivial_repr] * channels)

    def fields(self, count: int) -> Any:
        return self.enn.FieldType(self.space, [self.space.regular_repr] * count)

    def conv(self, before: Any, after: Any, window: Window, *, transposed: bool = False) -> nn.Module:
        """A (transposed) convolution whose random filter can be read from ``.filter``."""
        kind = self.enn.R2ConvTransposed if transposed else self.enn.R2Conv
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            layer: nn.Module = kind(
                before, after, window.kernel, stride=window.stride, padding=window.padding, bias=True, initialize=False
            )
        nn.init.normal_(layer.get_parameter("weights"))
        nn.init.normal_(layer.get_parameter("bias"))
        with torch.no_grad():
            return layer.eval()  # expands the filter

    def run(self, layer: nn.Module, x: Tensor, kind: Any) -> Tensor:
        """The layer's output for a plain tensor of field type ``kind``."""
        with torch.no_grad():
            output: Tensor = layer(self.enn.GeometricTensor(x, kind)).tensor
        return output
