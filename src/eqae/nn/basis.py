"""Kernel bases of groups that are not symmetries of the pixel lattice, sampled by escnn when a model is built.

A base kernel is a combination of circular harmonics on rings, ``ψ(r, φ) = exp(-(r - R)²/2σ²) cos(mφ)`` or ``sin(mφ)``
(Weiler & Cesa 2019, arXiv:1911.08251). Its copy moved by any angle is a combination of the same functions, so the
filter from slot h to slot g of a group convolution is the base kernel of ``g⁻¹h`` moved by g, exactly as on the
lattice; only the samples on the grid differ. That needs one small array a group and kernel size, ``(|G|, b, k, k)``:
every basis function moved by every element. escnn gives it as the basis of maps from images to the regular
representation; we own a copy, made exact for the elements that move pixels onto pixels, and forget escnn.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import cache
from math import pi
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from eqae.errors import ConfigError
from eqae.files import user_cache, write_atomically
from eqae.groups import Group

LARGEST_MOVE = 1e-5
"""How far making a basis exact may move it, relative to its largest sample; escnn computes in float32."""
LARGEST_KERNEL = 16
"""Side in pixels; at twice that the basis of 48 elements takes 185 MB."""
_FOLDER = "bases-1"
_BLANK: ContextVar[bool] = ContextVar("blank bases", default=False)


@contextmanager
def blank_bases() -> Iterator[None]:
    """Within, bases have their shape and no content: for models whose numbers are about to be read from a file."""
    token = _BLANK.set(True)
    try:
        yield
    finally:
        _BLANK.reset(token)


def rings(kernel: int) -> tuple[tuple[float, int], ...]:
    """Radius in pixels and largest angular frequency of each ring of a ``kernel`` x ``kernel`` grid.

    Radii are those of the pixels along an axis. An inner ring carries what its pixels can resolve, ``2R`` (one less
    where R is even); the outermost, whose corners are cut off, two. These are escnn's defaults for odd kernels,
    continued to even ones.

    Example:
        >>> rings(5), rings(4)
        (((0.0, 0), (1.0, 2), (2.0, 2)), ((0.5, 1), (1.5, 2)))
    """
    radii = [(kernel - 1) / 2 - step for step in range((kernel + 1) // 2)][::-1]
    return tuple((radius, _largest_frequency(radius, radius == radii[-1])) for radius in radii)


def basis_size(kernel: int) -> int:
    """b, how many functions the basis has."""
    return sum(1 + 2 * frequency for _, frequency in rings(kernel))


def moved_basis(group: Group, kernel: int) -> Tensor:
    """Every basis function moved by every element of ``group``: ``(|G|, b, k, k)`` float64, not to be written to.

    Each function has the energy ``k²/b``, so that a kernel of unit coefficients has as much as one of unit pixels.
    Taken from the user's cache, where it is kept after the first time.

    Raises:
        ConfigError: a kernel of one pixel or of too many, or escnn is needed and not installed.
    """
    if kernel > LARGEST_KERNEL:
        raise ConfigError(
            "model.fields", f"the last of the {group.name} kernels would cover {kernel}x{kernel} pixels",
            f"at most {LARGEST_KERNEL}x{LARGEST_KERNEL}", "add stages: each number in model.fields halves the map",
        )  # fmt: skip
    if max(frequency for _, frequency in rings(kernel)) < 1:
        raise ConfigError(
            "model.kernel", f"a kernel of {kernel} carries no angular frequency, so {group.name} cannot turn it",
            "3, 5 or 7", "5 resolves two frequencies on two rings",
        )  # fmt: skip
    if _BLANK.get():
        return torch.zeros(group.order, basis_size(kernel), kernel, kernel, dtype=torch.float64)
    return _kept(group, kernel)


@cache
def _kept(group: Group, kernel: int) -> Tensor:
    path = user_cache() / _FOLDER / f"{group.name}-{kernel}.safetensors"
    basis = _read(path)
    if basis is None or not _holds(basis, group, kernel):
        basis = _normalized(_made_exact(_sampled_by_escnn(group, kernel), group))
        _keep(basis, path)
    return basis


def _sampled_by_escnn(group: Group, kernel: int) -> Tensor:
    """``(|G|, b, k, k)`` as escnn samples it, a copy of our own: its arrays are shared by all models."""
    from eqae.nn.escnn import import_escnn

    try:
        escnn = import_escnn()
    except ImportError:
        raise ConfigError(
            f"model.group {group.name}", "escnn is not installed, which samples the kernels of this group",
            "escnn 1.0.11, or a group of the pixel lattice (D4)", "pip install --no-deps escnn==1.0.11 joblib",
        ) from None  # fmt: skip
    space = _space(escnn, group)
    chosen = rings(kernel)
    limits = dict(chosen)
    layer = escnn.nn.R2Conv(
        escnn.nn.FieldType(space, [space.trivial_repr]),
        escnn.nn.FieldType(space, [space.regular_repr]),
        kernel,
        bias=False,
        initialize=False,
        rings=[radius for radius, _ in chosen],
        sigma=[_width(radius, radius == chosen[-1][0]) for radius, _ in chosen],
        frequencies_cutoff=lambda radius: limits[radius],
    )
    (samples,) = (buffer for name, buffer in layer.named_buffers() if "sampled_basis" in name)
    basis: Tensor = samples.detach().clone().double()
    return basis.view(-1, group.order, kernel, kernel).transpose(0, 1).contiguous()


def _width(radius: float, outermost: bool) -> float:
    """σ of a ring in pixels, escnn's defaults: the centre is one pixel."""
    return 0.005 if radius == 0 else 0.4 if outermost else 0.6


def _space(escnn: Any, group: Group) -> Any:
    """escnn's view of the group on the plane; its reflections include the flip of the last axis."""
    if not group.reflections:
        return escnn.gspaces.rot2dOnR2(group.rotations)
    return escnn.gspaces.flipRot2dOnR2(group.rotations, axis=pi / 2)


def _made_exact(basis: Tensor, group: Group) -> Tensor:
    """Average over the exact elements h of ``ψ_hg = h ψ_g``, then copy pixels: the copies are equal bit by bit."""
    exact = torch.empty_like(basis)
    for g in _representatives(group):
        coset = {h: group.cayley[h][g] for h in group.exact_elements}
        mean = torch.stack([group.act(group.inverses[h], basis[hg]) for h, hg in coset.items()]).mean(0)
        for h, hg in coset.items():
            exact[hg] = group.act(h, mean)
    moved = float((exact - basis).abs().max() / basis.abs().max())
    if moved > LARGEST_MOVE:  # frequencies beyond what the grid can carry
        raise ConfigError(
            f"model.group {group.name}", f"its sampled kernels miss the lattice's symmetry by {moved:.1e}",
            f"at most {LARGEST_MOVE:g}", "install escnn 1.0.11",
        )  # fmt: skip
    return exact


def _representatives(group: Group) -> list[int]:
    """One g of each right coset ``Hg`` of the exact elements H."""
    seen: set[int] = set()
    chosen = []
    for g in range(group.order):
        if g not in seen:
            chosen.append(g)
            seen |= {group.cayley[h][g] for h in group.exact_elements}
    return chosen


def _normalized(basis: Tensor) -> Tensor:
    kernel = basis.shape[-1]
    energy = basis.square().sum((0, 2, 3)) / len(basis)
    return basis * (kernel**2 / basis.shape[1] / energy).sqrt().view(1, -1, 1, 1)


def _largest_frequency(radius: float, outermost: bool) -> int:
    if radius == 0:
        return 0
    resolved = int(2 * radius - (radius + 1) % 2) if radius == int(radius) else int(2 * radius)
    return min(2, int(2 * radius)) if outermost else resolved


def _read(path: Path) -> Tensor | None:
    """The basis kept at ``path``, if what is there is whole."""
    with suppress(OSError, ValueError, KeyError, safetensors.SafetensorError):
        content = path.read_bytes()
        digest, _, body = content.partition(b"\n")
        if digest == _digest(body):
            return safetensors.torch.load(body)["basis"]
    return None


def _keep(basis: Tensor, path: Path) -> None:
    body = safetensors.torch.save({"basis": basis})
    with suppress(OSError):  # a cache that cannot be written is none
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, _digest(body) + b"\n" + body)


def _digest(body: bytes) -> bytes:
    return hashlib.sha256(body).hexdigest().encode()


def _holds(basis: Tensor, group: Group, kernel: int) -> bool:
    return basis.dtype == torch.float64 and basis.shape == (group.order, basis_size(kernel), kernel, kernel)
