from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from torch.nn import functional as F

from eqae.data.transforms import Mode, Padding, augment_o2, blur, deform, mirror_then_rotate, rotate, thicken
from eqae.groups import D4
from eqae.seeding import generator

MODES: tuple[Mode, ...] = ("bicubic", "bilinear")


def smooth(size: int, count: int = 2, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    coarse = torch.rand(count, 1, 4, 4, generator=torch.Generator().manual_seed(0), dtype=dtype)
    return F.interpolate(coarse, size=(size, size), mode="bicubic", align_corners=True)


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(2, 20), width=st.integers(2, 20), turns=st.sampled_from([-2, 0, 2]), mode=st.sampled_from(MODES),
    padding=st.sampled_from(["border", "zeros"]),
)  # fmt: skip
def test_half_turns_of_any_rectangle_are_those_of_the_grid(
    height: int, width: int, turns: int, mode: Mode, padding: Padding
) -> None:
    images = torch.rand(2, 3, height, width)
    turned = rotate(images, 90.0 * turns, mode=mode, padding=padding)
    torch.testing.assert_close(turned, images.rot90(turns, (-2, -1)), atol=1e-5, rtol=0)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("padding", ["border", "zeros"])
@pytest.mark.parametrize("size", [1, 2, 7, 8, 27, 28])
def test_quarter_turns_are_those_of_the_grid(mode: Mode, padding: Padding, size: int) -> None:
    images = torch.rand(2, 3, size, size)
    for turns in range(-4, 5):
        turned = rotate(images, 90.0 * turns, mode=mode, padding=padding)
        torch.testing.assert_close(turned, images.rot90(turns, (-2, -1)), atol=1e-5, rtol=0)


def test_float64_images_turn_in_float64() -> None:
    images = torch.rand(2, 1, 28, 28, dtype=torch.float64)
    assert (rotate(images, 90.0) - images.rot90(1, (-2, -1))).abs().max() < 1e-13


@pytest.mark.parametrize("degrees", [20.0, -75.0, 133.0])
def test_a_bilinear_turn_agrees_with_scipy(degrees: float) -> None:
    images = smooth(25)
    # scipy turns rows towards columns, which on the screen is counter-clockwise.
    expected = ndimage.rotate(images.numpy(), degrees, axes=(2, 3), reshape=False, order=1, mode="constant")
    turned = rotate(images, degrees, mode="bilinear", padding="zeros")
    inside = (..., slice(5, 20), slice(5, 20))
    np.testing.assert_allclose(turned[inside].numpy(), expected[inside], atol=1e-5)


@pytest.mark.parametrize("degrees", [10.0, 45.0, 200.0])
def test_there_and_back_gives_nearly_the_image_and_bicubic_more_nearly(degrees: float) -> None:
    images = smooth(33)
    inside = (..., slice(9, 24), slice(9, 24))
    loss = {
        mode: (rotate(rotate(images, degrees, mode=mode), -degrees, mode=mode) - images)[inside].abs().max()
        for mode in MODES
    }
    assert loss["bicubic"] < 0.01
    assert loss["bicubic"] < loss["bilinear"] < 0.02


def test_two_turns_add_up() -> None:
    images = smooth(33)
    inside = (..., slice(9, 24), slice(9, 24))
    torch.testing.assert_close(rotate(rotate(images, 25), 40)[inside], rotate(images, 65)[inside], atol=0.012, rtol=0)


def test_each_image_turns_by_its_own_angle() -> None:
    images = smooth(16, count=5)
    degrees = torch.tensor([0.0, 30.0, 90.0, -45.0, 360.0])
    together = rotate(images, degrees)
    for i, angle in enumerate(degrees.tolist()):
        torch.testing.assert_close(together[i : i + 1], rotate(images[i : i + 1], angle))


def test_a_rectangle_is_turned_and_not_sheared() -> None:
    images = torch.zeros(1, 1, 21, 41)
    images[..., 10, 10:31] = 1  # a bar of 21 pixels along the long side
    upright = rotate(images, 90.0)
    assert upright[0, 0, :, 20].sum().item() == pytest.approx(21, abs=1e-3), "it fills the short side"


@pytest.mark.parametrize("padding", ["border", "zeros"])
def test_what_comes_from_outside_is_the_border_or_zero(padding: Padding) -> None:
    corner = rotate(torch.ones(1, 1, 16, 16), 45.0, padding=padding)[0, 0, 0, 0].item()
    assert corner == pytest.approx(1.0 if padding == "border" else 0.0, abs=1e-6)


def test_the_mirror_comes_before_the_turn() -> None:
    images = torch.rand(2, 1, 9, 9)
    moved = mirror_then_rotate(images, torch.tensor([True, False]), torch.tensor([90.0, 90.0]))
    torch.testing.assert_close(moved[0], images[0].flip(-1).rot90(1, (-2, -1)), atol=1e-5, rtol=0)
    torch.testing.assert_close(moved[1], images[1].rot90(1, (-2, -1)), atol=1e-5, rtol=0)


def test_the_gradient_flows_through_a_turn() -> None:
    images = torch.rand(1, 1, 8, 8, requires_grad=True)
    rotate(images, 30.0).sum().backward()
    assert images.grad is not None
    assert images.grad.abs().sum() > 0


@pytest.mark.parametrize("reflections", [True, False])
def test_augmentation_is_a_function_of_the_generator(reflections: bool) -> None:
    images = torch.rand(6, 3, 12, 12)
    first = augment_o2(images, generator(0, "a"), reflections)
    assert torch.equal(first, augment_o2(images, generator(0, "a"), reflections))
    assert not torch.equal(first, augment_o2(images, generator(1, "a"), reflections))
    assert first.shape == images.shape
    assert first.min() >= 0
    assert first.max() <= 1 + 1e-6


def test_augmentation_mirrors_only_when_asked() -> None:
    # Seen from the centre, two marks go round one way; a mirror reverses that.
    images = torch.zeros(1, 2, 31, 31)
    images[:, 0, 13:18, 24:29] = 1
    images[:, 1, 2:7, 13:18] = 1  # a quarter turn further, counter-clockwise
    batch = images.expand(200, -1, -1, -1)
    place = torch.arange(31.0) - 15

    def handedness(moved: torch.Tensor) -> torch.Tensor:
        x, y = (moved * place).sum((2, 3)), -(moved * place[:, None]).sum((2, 3))
        return x[:, 0] * y[:, 1] - y[:, 0] * x[:, 1] > 0

    assert handedness(augment_o2(batch, generator(0), reflections=False)).all()
    share = handedness(augment_o2(batch, generator(0), reflections=True)).float().mean().item()
    assert 0.35 < share < 0.65


def test_augmentation_keeps_a_bright_background() -> None:
    white = torch.ones(20, 1, 9, 9)
    torch.testing.assert_close(augment_o2(white, generator(0), reflections=True), white)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_augmentation_draws_the_same_on_a_cuda_device() -> None:
    images = torch.rand(16, 1, 28, 28)
    here = augment_o2(images, generator(0), reflections=True)
    there = augment_o2(images.cuda(), generator(0), reflections=True)
    torch.testing.assert_close(there.cpu(), here, atol=1e-4, rtol=0)


def test_the_centre_pixel_of_an_odd_image_stays() -> None:
    images = torch.rand(1, 1, 15, 15, dtype=torch.float64)
    for degrees in range(0, 360, 17):
        turned = rotate(images, float(degrees))
        assert math.isclose(turned[0, 0, 7, 7].item(), images[0, 0, 7, 7].item(), abs_tol=1e-12)


def still(images: torch.Tensor, seed: int = 0, **strengths: float) -> torch.Tensor:
    return deform(images, generator(seed), **({"scale": 0.0, "shear": 0.0, "shift": 0.0} | strengths))


@pytest.mark.parametrize(("height", "width"), [(28, 28), (9, 14)])
def test_a_deformation_without_strength_changes_nothing(height: int, width: int) -> None:
    images = torch.rand(3, 2, height, width, dtype=torch.float64)
    assert (still(images) - images).abs().max() < 1e-6


def spot(size: int) -> torch.Tensor:
    """A Gaussian of deviation 3 in the middle."""
    line = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    return torch.exp(-(line[:, None] ** 2 + line**2) / 18)[None, None].repeat(64, 1, 1, 1)


def moments(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Centres ``(B, 2)``, x before y, and covariances ``(B, 2, 2)`` of brightness."""
    size = images.shape[-1]
    line = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    y, x = torch.meshgrid(line, line, indexing="ij")
    mass = images[:, 0] / images[:, 0].sum((1, 2), keepdim=True)
    places = torch.stack([x, y]).flatten(1)
    centres = mass.flatten(1) @ places.T
    second = torch.einsum("bp,ip,jp->bij", mass.flatten(1), places, places)
    return centres, second - centres[:, :, None] * centres[:, None]


def test_a_shift_moves_by_whole_pixels_and_no_further_than_said() -> None:
    centres, covariances = moments(still(spot(41), shift=4.0))
    assert centres.abs().max() < 4.05
    assert centres.abs().amax(0).min() > 3.3
    torch.testing.assert_close(
        covariances.diagonal(dim1=1, dim2=2).mean(), torch.tensor(9.0).double(), atol=0.3, rtol=0
    )


def test_sizes_change_by_the_factor_and_its_inverse_at_most() -> None:
    _, covariances = moments(still(spot(61), scale=0.5))
    factors = covariances.diagonal(dim1=1, dim2=2).mean(1).sqrt() / 3
    assert 1.35 < factors.max() < 1.51
    assert 1.35 < 1 / factors.min() < 1.51
    assert (factors > 1).double().mean() == pytest.approx(0.5, abs=0.2)


def test_a_shear_keeps_the_area_and_favours_no_direction() -> None:
    _, covariances = moments(still(spot(61), shear=0.5))
    torch.testing.assert_close(covariances.det().sqrt(), torch.full((64,), 9.0).double(), atol=0.4, rtol=0)
    stretch = torch.linalg.eigvalsh(covariances)
    assert (stretch[:, 1] / stretch[:, 0]).max() > 2
    assert covariances[:, 0, 1].mean().abs() < 0.5


def test_an_elastic_deformation_bends_by_about_what_is_said() -> None:
    ramp = torch.arange(40, dtype=torch.float64).expand(64, 1, 40, 40)
    inside = (..., slice(8, 32), slice(8, 32))
    moved = (still(ramp, elastic=1.5) - ramp)[inside]
    assert 0.7 < moved.std() < 1.8
    steps = (still(ramp, elastic=1.5)[inside]).diff(dim=-1)
    assert steps.std() < 0.5  # neighbours move together


@pytest.mark.parametrize("deviation", [0.4, 0.9, 2.5])
def test_a_blur_agrees_with_scipy(deviation: float) -> None:
    images = torch.rand(3, 2, 17, 17, dtype=torch.float64)
    expected = ndimage.gaussian_filter(images.numpy(), (0, 0, deviation, deviation), mode="nearest", truncate=3.0)
    blurred = blur(images, torch.full((3,), deviation))
    if math.ceil(3 * deviation) == int(3 * deviation + 0.5):
        np.testing.assert_allclose(blurred.numpy(), expected, atol=1e-6)
    else:
        np.testing.assert_allclose(blurred.numpy(), expected, atol=5e-3)  # scipy's kernel is a pixel shorter


def test_every_image_has_its_own_blur() -> None:
    images = torch.rand(2, 1, 15, 15)
    together = blur(images, torch.tensor([0.3, 2.0]))
    for k, deviation in enumerate((0.3, 2.0)):
        torch.testing.assert_close(
            together[k : k + 1], blur(images[k : k + 1], torch.tensor([deviation])), atol=1e-3, rtol=0
        )


def morphed(images: torch.Tensor, pixels: int) -> torch.Tensor:
    """``pixels`` dilations, or erosions, by scipy: the mean of those with a square and with a cross, one by one."""
    values = images.numpy()
    operation = ndimage.grey_dilation if pixels > 0 else ndimage.grey_erosion
    square, cross = np.ones((1, 1, 3, 3)), ndimage.generate_binary_structure(2, 1)[None, None]
    for _ in range(abs(pixels)):
        values = (operation(values, footprint=square) + operation(values, footprint=cross)) / 2
    return torch.from_numpy(values)


@pytest.mark.parametrize("pixels", [-3, -1, 1, 2])
def test_thickening_agrees_with_scipy(pixels: int) -> None:
    images = torch.rand(3, 2, 15, 17, dtype=torch.float64)
    found = thicken(images, torch.full((3,), float(pixels)))
    torch.testing.assert_close(found[..., 4:-4, 4:-4], morphed(images, pixels)[..., 4:-4, 4:-4])


def test_parts_of_a_pixel_lie_between_and_every_image_has_its_own() -> None:
    images = torch.rand(4, 1, 15, 15, dtype=torch.float64)
    pixels = torch.tensor([0.0, 0.25, 1.75, -0.5])
    found = thicken(images, pixels)
    assert torch.equal(found[0], images[0])
    once, twice = (thicken(images, torch.full((4,), whole)) for whole in (1.0, 2.0))
    torch.testing.assert_close(found[1], images[1].lerp(once[1], 0.25))
    torch.testing.assert_close(found[2], once[2].lerp(twice[2], 0.75))
    torch.testing.assert_close(found[3], images[3].lerp(morphed(images, -1)[3], 0.5))


def test_a_disc_grows_by_about_the_pixels_that_are_said() -> None:
    line = torch.arange(41, dtype=torch.float64) - 20
    radius = torch.sqrt(line[:, None] ** 2 + line**2)
    disc = (9.5 - radius).clamp(0, 1).view(1, 1, 41, 41)
    for pixels in (-3.0, -1.0, 0.5, 2.0, 4.0):
        grown = thicken(disc, torch.tensor([pixels]))
        assert math.sqrt(grown.sum().item() / math.pi) == pytest.approx(9 + pixels, abs=0.2 * abs(pixels) + 0.05)


def test_thickening_turns_with_the_image_and_keeps_its_range() -> None:
    images, pixels = torch.rand(5, 1, 12, 12), torch.tensor([-1.3, -0.2, 0.4, 1.0, 2.6])
    found = thicken(images, pixels)
    assert found.min() >= images.min()
    assert found.max() <= images.max()
    for element in range(D4.order):
        assert torch.equal(thicken(D4.act(element, images), pixels), D4.act(element, found))
