"""The registered equivariant autoencoders, by group and construction."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import MinLen

from eqae.errors import ConfigError
from eqae.groups import Group, get_group
from eqae.models.attention import AttentionBottleneck, AttentionMode, Temperature
from eqae.models.base import Autoencoder
from eqae.models.copies import CopiesAutoencoder, base_group
from eqae.models.equivariant import Classes, EquivariantAutoencoder, Kernel, Width

Fields = Annotated[tuple[Width, ...], MinLen(1)]


def build_eqae(
    *,
    image_shape: tuple[int, int, int],
    group: str = "D4",
    construction: Literal["steerable", "copies"] = "steerable",
    fields: Fields = (12, 16, 24),
    code: Width = 32,
    attention: Width | None = None,
    attention_mode: AttentionMode = "soft",
    attention_temperature: Temperature = 1.0,
    antialiased: bool = False,
    kernel: Kernel | None = None,
    stage_statistics: bool = False,
    decoder: bool = True,
    classes: Classes = 0,
) -> Autoencoder:
    """The registered ``eqae`` model.

    Args:
        image_shape: ``(C, H, W)`` with ``H == W``.
        group: any cyclic or dihedral group of at most 48 elements.
        construction: ``steerable`` moves the kernels (:class:`eqae.models.equivariant.EquivariantAutoencoder`; on the
            lattice by permuting pixels); ``copies`` moves the image (:class:`eqae.models.copies.CopiesAutoencoder`).
        fields: regular fields of each stage; for copies, of the network over the quarter turns.
        code: m.
        attention: size of the dense code of an attention bottleneck in the reconstruction path, or None.
        attention_mode: ``soft``, or ``hard`` for canonicalisation; see
            :class:`eqae.models.attention.EquivariantAttention`.
        attention_temperature: divides the attention's scores.
        antialiased: see :class:`eqae.models.equivariant.EquivariantAutoencoder`.
        kernel: see :class:`eqae.models.equivariant.EquivariantAutoencoder`.
        stage_statistics: see :class:`eqae.models.equivariant.EquivariantAutoencoder`; neither with copies nor with
            attention.
        decoder: whether there is one; an attention bottleneck has no purpose without.
        classes: of a classifier on V, which the objective ``cross_entropy`` trains; 0 for none.

    Raises:
        ConfigError: a group, size, kernel or combination of options that no network exists for.
    """
    chosen, copies = get_group(group), construction == "copies"
    if stage_statistics and (copies or attention is not None):
        raise ConfigError(
            "model.stage_statistics", f"true with {'copies' if copies else 'attention'}", "false",
            "construction: steerable without attention has them, construction: copies and attention do not",
        )  # fmt: skip
    if attention is not None and not decoder:
        raise ConfigError(
            "model.attention", f"{attention} without a decoder", "model.decoder: true", "remove one of both"
        )
    bottleneck = _bottleneck(chosen, code, attention, attention_mode, attention_temperature)
    network = EquivariantAutoencoder(
        base_group(chosen) if copies else chosen, image_shape, fields, code,
        bottleneck=None if copies else bottleneck, antialiased=antialiased, kernel=kernel,
        stage_statistics=stage_statistics, decoder=decoder, classes=0 if copies else classes,
    )  # fmt: skip
    return CopiesAutoencoder(chosen, network, bottleneck, classes=classes) if copies else network


def build_eqae_copies(
    *,
    image_shape: tuple[int, int, int],
    group: str = "D12",
    fields: Fields = (12, 16, 24),
    code: Width = 32,
    attention: Width | None = None,
    attention_mode: AttentionMode = "soft",
    attention_temperature: Temperature = 1.0,
    antialiased: bool = False,
    kernel: Kernel | None = None,
    decoder: bool = True,
    classes: Classes = 0,
) -> Autoencoder:
    """The registered ``eqae_copies`` model: the paper's construction under a name of its own, so that tables and
    checkpoints say which it is; :func:`build_eqae` with ``construction="copies"`` and the same options otherwise.
    """
    return build_eqae(
        image_shape=image_shape, group=group, construction="copies", fields=fields, code=code, attention=attention,
        attention_mode=attention_mode, attention_temperature=attention_temperature, antialiased=antialiased,
        kernel=kernel, decoder=decoder, classes=classes,
    )  # fmt: skip


def _bottleneck(
    group: Group, channels: int, code: int | None, mode: AttentionMode, temperature: float
) -> AttentionBottleneck | None:
    if code is not None:
        return AttentionBottleneck(group, channels, code, mode=mode, temperature=temperature)
    if (mode, temperature) != ("soft", 1.0):
        raise ConfigError(
            "model.attention", f"absent, but attention_mode is {mode!r} and attention_temperature {temperature:g}",
            "the size of the code behind the attention", "set model.attention: 64, or remove both options",
        )  # fmt: skip
    return None
