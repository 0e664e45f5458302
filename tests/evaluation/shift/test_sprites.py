import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from eqae.data.base import Images
from eqae.evaluation.evidence import NotAvailable
from eqae.evaluation.shift.sprites import cut_sprites


def images(pixels: torch.Tensor) -> Images:
    return Images(pixels, torch.full((len(pixels),), -1))


def test_an_object_of_the_right_size_is_cut_without_any_change() -> None:
    pixels = torch.zeros(1, 1, 9, 9)
    pixels[0, 0, 3:7, 4:8] = torch.rand(4, 4) * 0.5 + 0.5
    sprites = cut_sprites(images(pixels), 1, 4)
    torch.testing.assert_close(sprites.colour[0, 0], pixels[0, 0, 3:7, 4:8])
    assert (sprites.alpha == 1).all()


def test_an_object_keeps_its_shape() -> None:
    pixels = torch.zeros(1, 1, 9, 9)
    pixels[0, 0, 2:8, 4:6] = 1  # three times as high as wide
    sprite = cut_sprites(images(pixels), 1, 6).colour[0, 0]
    assert sprite.sum() == 12
    assert (sprite[:, 2:4] == 1).all()


def test_every_channel_counts_as_foreground() -> None:
    pixels = torch.zeros(1, 3, 8, 8)
    pixels[0, 1, 2, 2] = pixels[0, 2, 5, 5] = 1
    sprite = cut_sprites(images(pixels), 1, 4)
    assert sprite.colour[0, 1, 0, 0] == sprite.colour[0, 2, 3, 3] == 1
    assert sprite.alpha.sum() == 2


def test_blank_images_are_passed_over() -> None:
    pixels = torch.zeros(5, 1, 6, 6, dtype=torch.uint8)
    pixels[1, 0, 2, 2], pixels[4, 0, 3, 3] = 255, 128
    sprites = cut_sprites(images(pixels), 48, 3)
    assert len(sprites) == 2
    assert sprites.colour[0].max() == 1
    assert sprites.colour[1].max() == pytest.approx(128 / 255)
    for shade in (0, 77, 255):
        with pytest.raises(NotAvailable, match="blank"):
            cut_sprites(images(torch.full_like(pixels, shade)), 48, 3)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_a_dark_object_is_cut_from_a_light_background(channels: int, dtype: torch.dtype) -> None:
    pixels = torch.full((2, channels, 12, 12), 250)
    pixels[:, :, 3:9, 4:8] = 40
    pixels[:, :, 5, 5] = 250  # a hole
    sprites = cut_sprites(images(pixels.to(dtype) if dtype == torch.uint8 else pixels / 255), 2, 6)
    assert sprites.alpha[0, 0].sum() == 23
    assert (sprites.alpha[0, 0, :, [0, 5]] == 0).all()
    torch.testing.assert_close(sprites.colour[0, 0, 0, 1:5], torch.full((4,), 40 / 255))
    assert sprites.colour[0, :, 2, 2].max() == 0
    assert sprites.coverage() == pytest.approx(23 / 24)


def test_coverage_tells_rectangles_from_shapes() -> None:
    pixels = torch.zeros(2, 1, 20, 20)
    pixels[0, 0, 4:16, 6:14] = 1
    at = torch.arange(20) - 9.5
    pixels[1, 0] = (at[:, None] ** 2 + at**2 < 64).float()
    assert cut_sprites(images(pixels[:1]), 1, 12).coverage() == 1
    assert cut_sprites(images(pixels[1:]), 1, 16).coverage() == pytest.approx(torch.pi / 4, abs=0.03)


def test_sprites_are_spread_evenly_over_the_split() -> None:
    pixels = torch.zeros(100, 1, 4, 4, dtype=torch.uint8)
    pixels[:, :, 1:3, 1:3] = (torch.arange(100) + 100).to(torch.uint8)[:, None, None, None]
    sprites = cut_sprites(images(pixels), 4, 2)
    numbers = (255 * sprites.colour[:, 0, 0, 0]).round() - 100
    assert (numbers // 25).tolist() == [0, 1, 2, 3]


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 9), st.sampled_from([1, 3]), st.integers(0, 99))
def test_any_image_gives_colours_no_brighter_than_white(h: int, w: int, side: int, channels: int, seed: int) -> None:
    pixels = torch.rand(4, channels, h, w, generator=torch.Generator().manual_seed(seed))
    if h * w == 1:
        with pytest.raises(NotAvailable, match="blank"):
            cut_sprites(images(pixels), 3, side)
        return
    sprites = cut_sprites(images(pixels * (pixels > 0.4)), 3, side)
    assert 0 < sprites.coverage() <= 1
    assert sprites.colour.shape == (len(sprites), channels, side, side)
    assert sprites.alpha.shape == (len(sprites), 1, side, side)
    for values in (sprites.colour, sprites.alpha):
        assert 0 <= values.min() <= values.max() <= 1
