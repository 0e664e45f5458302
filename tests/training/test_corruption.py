"""What lies between the image that is wanted back and the one that is shown: blur, contrast and noise."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from eqae.data.transforms import blur
from eqae.processes import Share
from eqae.training.augment import LEAST_BLUR, Augment

IMAGES = 200


def drawn(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pattern(side: int = 11) -> Tensor:
    """One image of mean 0.5, many times over."""
    image = torch.rand(1, side, side, generator=drawn(1), dtype=torch.float64)
    return (image - image.mean() + 0.5).expand(IMAGES, 1, side, side)


@pytest.mark.parametrize("corruption", [{"blur": 2.0}, {"contrast": 0.5}, {"noise": 0.3}])
def test_the_target_is_what_the_input_was_before(corruption: dict[str, float]) -> None:
    shown, wanted = Augment(**corruption)(pattern(), drawn())
    assert torch.equal(wanted, pattern())
    assert ((shown - wanted).flatten(1).abs().amax(1) > 1e-3).sum() > IMAGES / 2


def test_the_target_has_the_shape_that_the_input_has() -> None:
    plain = Augment("o2", scale=0.3, shift=2.0)
    noisy = Augment("o2", scale=0.3, shift=2.0, noise=0.3)
    shape = plain(pattern(), drawn())[1]
    shown, wanted = noisy(pattern(), drawn())
    assert torch.equal(wanted, shape)
    assert (shown - wanted).std().item() == pytest.approx(0.3, rel=0.02)


def test_contrast_scales_what_differs_from_the_mean_by_factors_within_its_bounds() -> None:
    shown, wanted = Augment(contrast=0.4)(pattern(), drawn())
    assert shown.mean((1, 2, 3)).tolist() == pytest.approx([0.5] * IMAGES)
    factors = ((shown - 0.5) / (wanted - 0.5)).flatten(1)
    assert factors.std(1).max() < 1e-9
    of_images = factors.mean(1)
    assert 0.6 <= of_images.min() < 0.65
    assert 1.35 < of_images.max() <= 1.4


def test_noise_has_the_deviation_that_was_asked_for_at_every_pixel() -> None:
    shown, wanted = Augment(noise=0.25)(pattern(), drawn())
    noise = (shown - wanted).flatten(1)
    assert noise.std().item() == pytest.approx(0.25, rel=0.02)
    assert noise.mean().item() == pytest.approx(0, abs=0.01)
    assert noise.std(0).min() > 0.18


def test_blur_is_a_gaussian_of_up_to_the_deviation_that_was_asked_for() -> None:
    shown, _ = Augment(blur=1.5)(pattern(), drawn())
    left = (shown - 0.5).square().flatten(1).mean(1)
    sharpest, softest = (blur(pattern()[:1], torch.tensor([s]), 1.5) for s in (LEAST_BLUR, 1.5))
    bounds = [(image - 0.5).square().mean().item() for image in (softest, sharpest)]
    assert bounds[0] - 1e-9 <= left.min() < 1.05 * bounds[0]
    assert 0.95 * bounds[1] < left.max() <= bounds[1] + 1e-9


@pytest.mark.parametrize("seed", range(20))
def test_blur_does_not_depend_on_who_else_is_in_the_batch(seed: int) -> None:
    """The widest of a share may be narrower than that of the batch."""
    images = pattern()[:9]
    augment = Augment(blur=2.5)
    whole, _ = augment(images, drawn(seed))
    shares = [Share.of(9, rank, 3) for rank in range(3)]
    parts = [augment(images[share.start : share.stop], drawn(seed), share)[0] for share in shares]
    assert torch.equal(torch.cat(parts), whole)
