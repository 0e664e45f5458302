"""The small network between features and a loss that compares them; it is thrown away after training."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

from annotated_types import Ge, Le, MinLen
from torch import nn

Widths = Annotated[tuple[Annotated[int, Ge(2), Le(8192)], ...], MinLen(1)]
"""Of the layers of a projection, the last being what is compared."""


class Projection(nn.Sequential):
    """Features ``(B, D)`` to ``(B, widths[-1])``: dense layers with batch normalisation and rectifiers between them.

    Features are standardised over the batch first, because those of a Gram matrix are a hundred times larger than
    those of a mean. What the loss discards is lost behind this network rather than in the features (Chen et al. 2020,
    arXiv:2002.05709, section 4.2).
    """

    def __init__(self, width: int, widths: tuple[int, ...]) -> None:
        layers: list[nn.Module] = [nn.BatchNorm1d(width, affine=False)]
        for inputs, outputs in pairwise((width, *widths)):
            layers += [nn.Linear(inputs, outputs, bias=False), nn.BatchNorm1d(outputs), nn.ReLU()]
        super().__init__(*layers[:-2])
