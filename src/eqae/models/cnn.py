"""The plain convolutional autoencoder: the same code path with the trivial group, matched in size to an ``eqae``."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import product
from typing import Annotated, Literal, NamedTuple

import torch
from annotated_types import MinLen

from eqae.groups import C1, Group, get_group
from eqae.models.equivariant import Classes, EquivariantAutoencoder, Width
from eqae.nn.basis import blank_bases


def build_cnn(
    *,
    image_shape: tuple[int, int, int],
    group: str = "D4",
    fields: Annotated[tuple[Width, ...], MinLen(1)] = (12, 16, 24),
    code: Width = 32,
    equal: Literal["parameters", "channels"] = "parameters",
    decoder: bool = True,
    classes: Classes = 0,
) -> EquivariantAutoencoder:
    """A plain autoencoder that matches the ``eqae`` model with the same ``group``, ``fields`` and ``code``, all else
    by default (steerable kernels of 5 pixels off the lattice; rotated copies have fewer parameters).

    Args:
        image_shape: ``(C, H, W)``.
        group: group of the model to match; this model itself has none.
        fields: fields of the model to match.
        code: m of the model to match.
        equal: ``channels`` multiplies every width by |G| (equal cost, |G| times the parameters); ``parameters``
            scales all widths by one factor, rounded so that the parameter count comes nearest (about 1/|G| of the
            cost).
        decoder: whether both models have one.
        classes: of a classifier on V, which the objective ``cross_entropy`` trains and which is not counted.
    """
    return _matched(image_shape, get_group(group), (*fields, code), equal, Trunk(False, decoder), classes)


def build_cnn_antialiased(
    *,
    image_shape: tuple[int, int, int],
    group: str = "D4",
    fields: Annotated[tuple[Width, ...], MinLen(1)] = (12, 16, 24),
    code: Width = 32,
    equal: Literal["parameters", "channels"] = "parameters",
    decoder: bool = True,
    classes: Classes = 0,
) -> EquivariantAutoencoder:
    """:func:`build_cnn` with blurred subsampling in the encoder (Zhang 2019, arXiv:1904.11486); the same options.

    ``equal="parameters"`` means those of the plain ``eqae``, as for ``cnn``: the three models have the same budget.
    """
    return _matched(image_shape, get_group(group), (*fields, code), equal, Trunk(True, decoder), classes)


class Trunk(NamedTuple):
    """What a plain model has, apart from its widths."""

    antialiased: bool
    decoder: bool


def _matched(
    image_shape: tuple[int, int, int], group: Group, widths: tuple[int, ...], equal: str, trunk: Trunk, classes: int
) -> EquivariantAutoencoder:
    if equal == "channels":
        scaled = _scale(widths, group.order)
    else:
        scaled = _equal_parameters(group, image_shape, widths, trunk)
    return EquivariantAutoencoder(C1, image_shape, scaled[:-1], scaled[-1], **trunk._asdict(), classes=classes)


@cache
def _equal_parameters(
    group: Group, image_shape: tuple[int, int, int], widths: tuple[int, ...], trunk: Trunk
) -> tuple[int, ...]:
    target = _parameters(group, image_shape, widths, trunk._replace(antialiased=False))

    def excess(scaled: tuple[int, ...]) -> int:
        return _parameters(C1, image_shape, scaled, trunk) - target

    # Parameters grow monotonically with the factor, between 1 (too few) and |G| + 1 (too many, even where kernels
    # of 3 stand for kernels of 4): bisect in 1/32 steps.
    low, high = 32, 32 * (group.order + 1)
    while high - low > 1:
        middle = (low + high) // 2
        if excess(_scale(widths, middle / 32)) <= 0:
            low = middle
        else:
            high = middle
    # Equal widths round up together, which can be 3 % at once; each width may take either neighbour of the factor.
    neighbours = zip(_scale(widths, low / 32), _scale(widths, high / 32), strict=True)
    return min(product(*(sorted({*pair}) for pair in neighbours)), key=lambda scaled: abs(excess(scaled)))


def _scale(widths: Sequence[int], factor: float) -> tuple[int, ...]:
    return tuple(max(1, round(width * factor)) for width in widths)


def _parameters(group: Group, image_shape: tuple[int, int, int], widths: Sequence[int], trunk: Trunk) -> int:
    with torch.random.fork_rng(devices=[]), blank_bases():  # counting must not change what is drawn next
        model = EquivariantAutoencoder(group, image_shape, widths[:-1], widths[-1], **trunk._asdict())
    return sum(parameter.numel() for parameter in model.parameters())
