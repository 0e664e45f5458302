"""How base weights become the filters of a group: by permuting pixels, or by moving the functions of a basis."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from eqae.groups import Group
from eqae.nn.basis import basis_size, moved_basis
from eqae.nn.lattice import expand_lifting, expand_projection, expand_regular, regular_table, spatial_table


class Filters(nn.Module):
    """Expands base weights into the filters of ordinary convolutions, for one group and kernel size.

    Attributes:
        numbers: how many numbers a base kernel holds.
    """

    def __init__(self, group: Group, kernel: int, numbers: int) -> None:
        super().__init__()
        self.order = group.order
        self.kernel = kernel
        self.numbers = numbers

    def lifting(self, weight: Tensor) -> Tensor:
        """Base weight ``(O, I, numbers)`` to the filter ``(O·n, I, k, k)`` from images to regular fields."""
        raise NotImplementedError

    def regular(self, weight: Tensor) -> Tensor:
        """Base weight ``(O, I, n·numbers)`` to the filter ``(O·n, I·n, k, k)`` between regular fields."""
        raise NotImplementedError

    def projection(self, weight: Tensor) -> Tensor:
        """Base weight ``(O, I, numbers)`` to the filter ``(O, I·n, k, k)`` from regular fields to images."""
        raise NotImplementedError


class LatticeFilters(Filters):
    """Of lattice groups: a base kernel is its ``k·k`` pixels, its copies are permutations of them.

    ``pairs`` says whether slots are connected to slots (regular to regular), which takes the larger table.
    """

    table: Tensor

    def __init__(self, group: Group, kernel: int, *, pairs: bool) -> None:
        super().__init__(group, kernel, kernel * kernel)
        table = regular_table(group, kernel) if pairs else spatial_table(group, kernel)
        self.register_buffer("table", table, persistent=False)

    def lifting(self, weight: Tensor) -> Tensor:
        """See :func:`eqae.nn.lattice.expand_lifting`."""
        return expand_lifting(weight, self.table, self.order, self.kernel)

    def regular(self, weight: Tensor) -> Tensor:
        """See :func:`eqae.nn.lattice.expand_regular`."""
        return expand_regular(weight, self.table, self.order, self.kernel)

    def projection(self, weight: Tensor) -> Tensor:
        """See :func:`eqae.nn.lattice.expand_projection`."""
        return expand_projection(weight, self.table, self.order, self.kernel)


class SteerableFilters(Filters):
    """Of all other groups: a base kernel is its ``b`` coefficients in a basis of circular harmonics.

    ``W[o, g; i, h] = Σ_b w[o, i, g⁻¹h, b] (g ψ_b)``, with the moved functions ``g ψ_b`` of
    :func:`eqae.nn.basis.moved_basis`. Exact for the elements that move pixels onto pixels, since those copies of the
    basis are equal bit by bit. The basis is stored with the weights, so that loading them needs no escnn.
    """

    basis: Tensor
    relative: Tensor

    def __init__(self, group: Group, kernel: int, *, pairs: bool) -> None:
        super().__init__(group, kernel, basis_size(kernel))
        self.register_buffer("basis", moved_basis(group, kernel).flatten(2).float())
        relative = torch.tensor(group.left_quotient if pairs else [[0]])
        columns = relative.unsqueeze(-1) * self.numbers + torch.arange(self.numbers)
        self.register_buffer("relative", columns.flatten(), persistent=False)

    def lifting(self, weight: Tensor) -> Tensor:
        """``(O·n, I, k, k)``."""
        outputs, inputs, _ = weight.shape
        filters = self._moved(weight.flatten(0, 1).expand(self.order, -1, -1))  # (n, O·I, k·k)
        filters = filters.view(self.order, outputs, inputs, self.kernel, self.kernel)
        return filters.transpose(0, 1).reshape(outputs * self.order, inputs, self.kernel, self.kernel)

    def regular(self, weight: Tensor) -> Tensor:
        """``(O·n, I·n, k, k)``."""
        outputs, inputs, _ = weight.shape
        n, k = self.order, self.kernel
        pairs = weight.flatten(0, 1).index_select(1, self.relative).view(outputs * inputs, n, n, self.numbers)
        filters = self._moved(pairs.transpose(0, 1).reshape(n, -1, self.numbers))  # (n, O·I·n, k·k)
        filters = filters.view(n, outputs, inputs * n, k, k)
        return filters.transpose(0, 1).reshape(outputs * n, inputs * n, k, k)

    def projection(self, weight: Tensor) -> Tensor:
        """``(O, I·n, k, k)``."""
        outputs, inputs, _ = weight.shape
        filters = self._moved(weight.flatten(0, 1).expand(self.order, -1, -1))
        filters = filters.view(self.order, outputs, inputs, self.kernel, self.kernel)
        return filters.permute(1, 2, 0, 3, 4).reshape(outputs, inputs * self.order, self.kernel, self.kernel)

    def _moved(self, coefficients: Tensor) -> Tensor:
        """``(n, rows, b)`` to pixels ``(n, rows, k·k)``, row g by the basis moved by g; never rounded by autocast."""
        with torch.autocast(coefficients.device.type, enabled=False):
            return torch.bmm(coefficients.to(self.basis.dtype), self.basis)


def adopt_bases(model: nn.Module, other: nn.Module) -> None:
    """Copy the steerable bases of ``other``, a network of the same layers, into ``model``."""
    for ours, theirs in zip(model.modules(), other.modules(), strict=True):
        if isinstance(ours, SteerableFilters) and isinstance(theirs, SteerableFilters):
            ours.basis.copy_(theirs.basis)


def filters_of(group: Group, kernel: int, *, pairs: bool) -> Filters:
    """The exact filters of a lattice group, the steerable ones of any other."""
    family = LatticeFilters if group.is_lattice else SteerableFilters
    return family(group, kernel, pairs=pairs)
