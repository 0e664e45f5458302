"""The construction by copies: cosets put together exactly, rows that move as the image turns, losses of every copy."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from eqae.data.transforms import rotate
from eqae.errors import ConfigError
from eqae.groups import Group, get_group
from eqae.models import build_model
from eqae.models.copies import CopiesAutoencoder, base_group
from eqae.nn import CosetStack, DiscMask
from eqae.objectives import Step
from eqae.objectives.reconstruction import PixelReconstruction

PAIRS = [("D12", "C12"), ("C12", "C4"), ("D6", "C6"), ("D12", "D4"), ("C6", "C2"), ("D5", "C1"), ("D4", "D2")]


def left(group: Group, index: int, x: Tensor) -> Tensor:
    """An exact action of any group: on functions of its own elements, the last axis."""
    return x[..., list(group.left_quotient[index])]


@pytest.mark.parametrize(("name", "inside"), PAIRS)
def test_blocks_of_a_subgroup_put_together_follow_the_row_rule_exactly(name: str, inside: str) -> None:
    """With an abstract exact action in place of turned images; the wrong copies break it."""
    group, subgroup = get_group(name), get_group(inside)
    stack = CosetStack(group, subgroup)
    x = torch.randn(3, group.order, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    within = group.indices_of(subgroup)

    def block(y: Tensor) -> Tensor:
        """A base network with rows ``f(h⁻¹y)``, f some nonlinear function of two values."""
        rows = [left(group, group.inverses[h], y) for h in within]
        return torch.stack([torch.stack([r[:, 0] * r[:, 1], r[:, -1].sin()], 1) for r in rows], 1)

    def rows(y: Tensor, *, inverted: bool = True) -> Tensor:
        copies = [group.inverses[c] if inverted else c for c in stack.cosets]
        return stack.stack(torch.stack([block(left(group, c, y)) for c in copies], 1))

    for g in range(group.order):
        assert torch.equal(rows(left(group, g, x)), group.permute(g, rows(x)))
    assert torch.equal(stack.stack(stack.split(rows(x))), rows(x))
    if any(group.inverses[c] not in (c, *stack.cosets) for c in stack.cosets):
        moved = group.permute(1, rows(x, inverted=False))
        assert not torch.allclose(rows(left(group, 1, x), inverted=False), moved)


def test_the_paper_looks_at_six_copies_for_d12() -> None:
    model = build_model("eqae_copies", (1, 20, 20), {"group": "D12", "fields": [2], "code": 3})
    assert isinstance(model, CopiesAutoencoder)
    assert model.base.group == base_group(get_group("D12")) == get_group("C4")
    assert {(copy.mirrored, copy.degrees % 90) for copy in model.copies} == {
        (mirrored, degrees) for mirrored in (False, True) for degrees in (0, 30, 60)
    }
    assert model.views(torch.rand(2, 1, 20, 20)).shape == (2, 6, 20, 20)


@pytest.mark.parametrize("group", ["D12", "C8", "D3"])
def test_rows_follow_turns_off_the_lattice_up_to_interpolation(group: str) -> None:
    g = get_group(group)
    torch.manual_seed(0)
    model = build_model("eqae_copies", (1, 28, 28), {"group": group, "fields": [4, 6], "code": 8}).double().eval()
    grid = torch.linspace(-1, 1, 28, dtype=torch.float64)
    x, y = torch.meshgrid(grid, grid, indexing="xy")
    blobs = [torch.exp(-((x - a).square() + (y - b).square()) / 0.05) for a, b in ((0.3, -0.2), (-0.4, 0.1), (0, 0.4))]
    images = DiscMask(28).double()((blobs[0] + 0.6 * blobs[1] - 0.3 * blobs[2])[None, None])
    with torch.no_grad():
        upright, turned = model.encode(images), model.encode(rotate(images, g.angle(1)))
    assert (turned - g.permute(1, upright)).norm() < 0.1 * upright.norm()
    assert (turned - upright).norm() > 3 * (turned - g.permute(1, upright)).norm()


def test_every_copy_counts_in_the_loss_and_the_picture_is_the_upright_one() -> None:
    model = build_model("eqae_copies", (1, 20, 20), {"group": "D12", "fields": [2, 3], "code": 4})
    images = torch.rand(4, 1, 20, 20)
    output = model(images)
    assert output.images.shape == images.shape
    assert output.views is not None
    assert output.views.shape == (4, 6, 20, 20)
    target = model.views(images)
    expected = torch.stack([(output.views[:, k] - target[:, k]).square().mean() for k in range(6)]).mean()
    step = Step(images, target, output.embedding, reconstruction=output)
    torch.testing.assert_close(PixelReconstruction()(step), expected)
    with torch.no_grad():
        model.eval()
        torch.testing.assert_close(model(images).images, model.decode(model.encode(images)))


def test_all_copies_share_one_network() -> None:
    few, many = (
        build_model("eqae_copies", (1, 20, 20), {"group": group, "fields": [2, 3], "code": 4})
        for group in ("C4", "C20")
    )
    assert isinstance(few, CopiesAutoencoder)
    assert isinstance(many, CopiesAutoencoder)
    assert len(many.copies) == 5 * len(few.copies)
    assert [p.shape for p in few.base.parameters()] == [p.shape for p in many.base.parameters()]


def test_copies_of_images_that_are_not_square_are_refused() -> None:
    with pytest.raises(ConfigError, match="20x24"):
        build_model("eqae_copies", (1, 20, 24), {"group": "D12"})


def test_more_pixels_than_a_machine_holds_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"47 copies of 512x512 pixels[\s\S]*smaller group"):
        build_model("eqae_copies", (1, 512, 512), {"group": "C47", "fields": [1] * 7, "code": 1})


def test_the_two_names_and_the_option_build_the_same_network() -> None:
    options = {"group": "D6", "fields": [2], "code": 3, "attention": 4, "attention_mode": "hard"}
    torch.manual_seed(0)
    named = build_model("eqae_copies", (1, 16, 16), options)
    torch.manual_seed(0)
    chosen = build_model("eqae", (1, 16, 16), options | {"construction": "copies"})
    images = torch.rand(2, 1, 16, 16)
    assert torch.equal(named.eval()(images).images, chosen.eval()(images).images)
