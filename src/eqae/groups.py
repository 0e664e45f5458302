"""Groups of planar symmetries: cyclic ``C_n`` (rotations) and dihedral ``D_n`` (rotations and reflections).

Convention of the whole package. An element is ``(flip, turns)``: first reverse the last image axis if ``flip`` is
1, then turn counter-clockwise by ``turns`` steps of ``360 / n`` degrees. Elements are ordered rotations first, then
reflections, so ``index = n * flip + turns``; this is also the fibre order of escnn. On the pixel lattice only the
groups whose ``n`` divides 4 act by moving pixels onto pixels; for these everything in this package is exact.

No tensors are stored here: a group is a frozen value that can be pickled, compared and used as a dictionary key.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from eqae.errors import ConfigError
from eqae.registry import GROUPS, LARGEST_ORDER

if TYPE_CHECKING:
    from torch import Tensor


class Element(NamedTuple):
    """``flip`` in {0, 1}, then ``turns`` in 0..n-1 counter-clockwise steps of 360/n degrees."""

    flip: int
    turns: int


@dataclass(frozen=True)
class Group:
    """``C_n`` (``reflections=False``) or ``D_n`` (``reflections=True``) acting on images about their centre.

    Example:
        >>> group = get_group("p4m")
        >>> group.name, group.order, group.elements[5]
        ('D4', 8, Element(flip=1, turns=1))
    """

    rotations: int
    reflections: bool

    @property
    def name(self) -> str:
        """``"C4"``, ``"D4"``, ...: the name used in YAML, checkpoints and tables."""
        return f"{'D' if self.reflections else 'C'}{self.rotations}"

    @property
    def order(self) -> int:
        """Number of elements, |G|."""
        return self.rotations * (2 if self.reflections else 1)

    @property
    def is_lattice(self) -> bool:
        """Whether every element moves pixels onto pixels, so that equivariance can be exact."""
        return 4 % self.rotations == 0

    @property
    def lattice(self) -> Group:
        """The largest subgroup that moves pixels onto pixels: equivariance is exact for its elements alone.

        Example:
            >>> get_group("D12").lattice.name, get_group("C6").lattice.name
            ('D4', 'C2')
        """
        return Group(math.gcd(self.rotations, 4), self.reflections)

    @cached_property
    def elements(self) -> tuple[Element, ...]:
        """All elements in the package's order; the identity is first."""
        flips = (0, 1) if self.reflections else (0,)
        return tuple(Element(flip, turns) for flip in flips for turns in range(self.rotations))

    @cached_property
    def cayley(self) -> tuple[tuple[int, ...], ...]:
        """``cayley[a][b]`` is the index of ``ab``: apply ``b`` first, then ``a``."""
        return tuple(tuple(self._index(self._product(a, b)) for b in self.elements) for a in self.elements)

    @cached_property
    def inverses(self) -> tuple[int, ...]:
        """``inverses[a]`` is the index of ``a``'s inverse."""
        return tuple(row.index(0) for row in self.cayley)

    @cached_property
    def left_quotient(self) -> tuple[tuple[int, ...], ...]:
        """``left_quotient[g][h]`` is the index of ``g⁻¹h``: acting with ``g`` sends slot ``g⁻¹h`` to slot ``h``."""
        return tuple(self.cayley[inverse] for inverse in self.inverses)

    def angle(self, index: int) -> float:
        """Counter-clockwise turn of element ``index`` in degrees, applied after its reflection."""
        return 360.0 * self.elements[index].turns / self.rotations

    @cached_property
    def exact_elements(self) -> tuple[int, ...]:
        """Indices of the elements that :meth:`act` can apply, those of :attr:`lattice`; the identity is first."""
        return self.indices_of(self.lattice)

    def act(self, index: int, images: Tensor) -> Tensor:
        """Move images ``(..., H, W)`` by element ``index``, pixel by pixel and without interpolation.

        Raises:
            ConfigError: the element is not a symmetry of the pixel lattice.
        """
        flip, turns = self.elements[index]
        quarter_turns, rest = divmod(4 * turns, self.rotations)
        if rest:
            raise ConfigError(
                f"group {self.name}", f"its turn of {self.angle(index):g} degrees leaves the pixel lattice",
                "a multiple of 90 degrees", "use eqae.data.transforms.rotate, which interpolates",
            )  # fmt: skip
        moved = images.flip(-1) if flip else images
        return moved.rot90(quarter_turns, (-2, -1)) if quarter_turns else moved

    def indices_of(self, subgroup: Group) -> tuple[int, ...]:
        """Where the elements of ``subgroup``, in its order, stand in this group's: ``C3`` in ``C6`` is (0, 2, 4).

        Raises:
            ValueError: not a subgroup; its axes of reflection, where it has any, include that of the bare flip.
        """
        step, rest = divmod(self.rotations, subgroup.rotations)
        if rest or (subgroup.reflections and not self.reflections):
            raise ValueError(f"{subgroup.name} is not a subgroup of {self.name}")
        return tuple(self._index(Element(element.flip, step * element.turns)) for element in subgroup.elements)

    def permute(self, index: int, embedding: Tensor) -> Tensor:
        """What element ``index`` does to V of shape ``(..., |G|, m)``: row ``h`` receives row ``g⁻¹h``."""
        return embedding[..., list(self.left_quotient[index]), :]

    def _product(self, a: Element, b: Element) -> Element:
        turns = a.turns + (-b.turns if a.flip else b.turns)
        return Element(a.flip ^ b.flip, turns % self.rotations)

    def _index(self, element: Element) -> int:
        return self.rotations * element.flip + element.turns


C1, C2, C4 = Group(1, False), Group(2, False), Group(4, False)
D1, D2, D4 = Group(1, True), Group(2, True), Group(4, True)


def __getattr__(name: str) -> Group:
    """Every ``C_n`` and ``D_n`` is an attribute of this module, so that its name can be registered like any other."""
    if not (match := re.fullmatch(r"([CD])([1-9]\d*)", name)):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return Group(int(match[2]), match[1] == "D")


def get_group(name: str) -> Group:
    """The group called ``name`` (``"D12"``) or by its plane-group alias (``"p4m"``), in any case.

    Raises:
        ConfigError: no such group, with the nearest name; or one of more elements than 48.
    """
    if match := re.fullmatch(r"([cd])([1-9]\d{0,5})", name.lower()):
        order = int(match[2]) * (2 if match[1] == "d" else 1)
        if order > LARGEST_ORDER:
            raise ConfigError(
                f"group {name.upper()}", f"{order} elements", f"at most {LARGEST_ORDER}",
                f"C{LARGEST_ORDER} and D{LARGEST_ORDER // 2} are the largest",
            )  # fmt: skip
    group: Group = GROUPS.get(name)
    return group
