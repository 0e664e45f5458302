"""What must fail does fail, by far: the checks have teeth, and name the elements."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from eqae.errors import ConfigError
from eqae.groups import C4, D4, Group
from eqae.nn import FieldBatchNorm, LiftingConv, RegularConv, Window
from eqae.testing import (
    act_on_fields,
    assert_equivariant,
    assert_invariant,
    equivariance_errors,
    randomize,
)


def images(size: int) -> Tensor:
    return torch.rand(2, 1, size, size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def fields(group: Group, size: int = 6) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return 0.5 + torch.randn(2, 3 * group.order, size, size, generator=generator, dtype=torch.float64)


def test_a_plain_convolution_fails_for_every_element() -> None:
    plain = nn.Conv2d(1, 8, 3, padding=1).double()
    errors = equivariance_errors(plain, D4, images(7), out_action=act_on_fields(D4))
    assert len(errors) == 7
    assert min(errors.values()) > 0.1


def test_batch_normalisation_a_channel_fails_where_a_field_passes() -> None:
    act = act_on_fields(D4)
    per_channel = randomize(nn.BatchNorm2d(24).double())
    errors = equivariance_errors(per_channel, D4, fields(D4), in_action=act, out_action=act)
    assert min(errors.values()) > 0.1
    per_field = randomize(FieldBatchNorm(3, 8).double())
    assert_equivariant(per_field, D4, fields(D4), in_action=act, out_action=act)


def test_moving_the_fibre_the_wrong_way_fails_for_quarter_turns() -> None:
    layer = randomize(RegularConv(C4, 3, 2, Window(3, 1, 1)).double())
    right = act_on_fields(C4)

    def wrong(index: int, x: Tensor) -> Tensor:
        return C4.act(index, x).unflatten(1, (-1, 4))[:, :, list(C4.cayley[index])].flatten(1, 2)

    errors = equivariance_errors(layer, C4, fields(C4), in_action=right, out_action=wrong)
    assert errors["turn 90°"] > 0.1
    assert errors["turn 270°"] > 0.1
    assert errors["turn 180°"] < 1e-12  # its own inverse: both directions are the same


def test_stride_two_on_an_even_size_fails_except_for_one_transposition() -> None:
    layer = randomize(LiftingConv(D4, 1, 2, Window(3, 2, 1)).double())
    errors = equivariance_errors(layer, D4, images(28), out_action=act_on_fields(D4))
    passing = [name for name, error in errors.items() if error < 1e-9]
    assert passing == ["flip, turn 90°"]
    assert max(errors.values()) > 0.1
    with pytest.raises(ConfigError, match="27 or 29"):
        layer.window.check("lifting", 28)


def test_the_assertion_names_the_elements_that_fail() -> None:
    layer = randomize(LiftingConv(D4, 1, 2, Window(3, 2, 1)).double())
    with pytest.raises(AssertionError, match=r"6 of 7 elements: turn 90°: \d") as caught:
        assert_equivariant(layer, D4, images(28), out_action=act_on_fields(D4))
    assert "flip, turn 180°" in str(caught.value)
    assert "flip, turn 90°" not in str(caught.value)


def test_a_sum_over_pixels_is_invariant_and_one_pixel_is_not() -> None:
    errors = assert_invariant(lambda x: x.sum((-2, -1)), D4, images(5), tolerance=1e-12)
    assert set(errors) == {
        "turn 90°", "turn 180°", "turn 270°", "flip", "flip, turn 90°", "flip, turn 180°", "flip, turn 270°",
    }  # fmt: skip
    with pytest.raises(AssertionError, match="flip"):
        assert_invariant(lambda x: x[..., 0, 0], D4, images(5))


@pytest.mark.parametrize("factor", [0.0, float("nan"), float("inf")])
def test_an_output_that_would_pass_any_test_is_refused(factor: float) -> None:
    with pytest.raises(AssertionError, match="nothing can be concluded"):
        assert_equivariant(lambda x: x * factor, D4, images(5))


def test_an_output_that_changes_its_shape_is_refused() -> None:
    with pytest.raises(AssertionError, match="shape"):
        assert_equivariant(lambda x: x[..., :3, :], D4, images(5))


def test_randomize_leaves_nothing_at_its_initial_value_and_is_repeatable() -> None:
    def values(seed: int) -> dict[str, Tensor]:
        torch.manual_seed(0)
        return randomize(nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4)), seed).state_dict()

    torch.manual_seed(0)
    fresh = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4)).state_dict()
    once, again, other = values(1), values(1), values(2)
    for name in fresh:
        if not name.endswith("num_batches_tracked"):
            assert not (once[name] == fresh[name]).any(), name
            assert torch.equal(once[name], again[name])
            assert not torch.equal(once[name], other[name])
    assert (once["1.running_var"] > 0).all()
