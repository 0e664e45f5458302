"""The law of the benchmarks, against a slow implementation of its own."""

from __future__ import annotations

import gzip
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import ndimage, stats

from eqae.data import Images, load_dataset
from eqae.data.orientation import orient
from eqae.data.transforms import centre_of_mass

Array = NDArray[np.float64]


def turned(image: Array, angle: float, about_mass: bool = False) -> Array:
    """One image ``(H, W)`` turned counter-clockwise by ``angle`` radians: bilinear, zeros outside, pixel by pixel.

    With ``about_mass``, about its centre of mass, which comes to lie in the middle.
    """
    size = len(image)
    centre = (size - 1) / 2
    row_of, column_of = ndimage.center_of_mass(image) if about_mass else (centre, centre)
    result = np.zeros_like(image)
    for row in range(size):
        for column in range(size):
            # x to the right, y up: what is here came from the place turned back by the angle.
            x, y = column - centre, centre - row
            from_x, from_y = math.cos(angle) * x + math.sin(angle) * y, -math.sin(angle) * x + math.cos(angle) * y
            result[row, column] = sampled(image, row_of - from_y, column_of + from_x)
    return result


def sampled(image: Array, row: float, column: float) -> float:
    value = 0.0
    for r in (math.floor(row), math.floor(row) + 1):
        for c in (math.floor(column), math.floor(column) + 1):
            if 0 <= r < len(image) and 0 <= c < len(image):
                value += (1 - abs(row - r)) * (1 - abs(column - c)) * image[r, c]
    return value


def drawn(total: int, count: int, seed: int) -> tuple[list[int], list[float], list[bool]]:
    draws = torch.Generator()
    draws.manual_seed(seed)
    chosen = torch.randperm(total, generator=draws)[:count].tolist()
    angles = [2 * math.pi * value for value in torch.rand(count, generator=draws).tolist()]
    return chosen, angles, [value < 0.5 for value in torch.rand(count, generator=draws).tolist()]


def check(
    images: Images, upright: NDArray[np.uint8], places: list[int], seed: int, reflections: bool, centred: bool = False
) -> None:
    chosen, angles, mirrored = drawn(len(upright), len(images), seed)
    for place in places:
        image = upright[chosen[place]] / 255
        image = image[:, ::-1] if reflections and mirrored[place] else image
        expected = torch.from_numpy(turned(image, angles[place], centred)).float()
        torch.testing.assert_close(images.pixels[place, 0], expected, atol=2e-5, rtol=0)


@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("reflections", [True, False])
@pytest.mark.parametrize("size", [9, 12])
def test_images_are_drawn_mirrored_and_turned_by_the_law(reflections: bool, size: int, centred: bool) -> None:
    random = np.random.default_rng(1)
    upright = random.integers(0, 256, (40, size, size), dtype=np.uint8)
    images = Images(torch.from_numpy(upright)[:, None], torch.arange(40))
    oriented = orient(images, 25, 3, reflections=reflections, centred=centred)
    check(oriented, upright, list(range(25)), 3, reflections, centred)
    assert oriented.labels.tolist() == drawn(40, 25, 3)[0]


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "folder", "reflections", "centred"),
    [
        ("o2-mnist-12k", "MNIST", True, False),
        ("so2-mnist-12k", "MNIST", False, False),
        ("o2-mnist-centred-12k", "MNIST", True, True),
        ("so2-mnist-centred-12k", "MNIST", False, True),
        ("o2-fashion-12k", "FashionMNIST", True, False),
        ("so2-fashion-12k", "FashionMNIST", False, False),
    ],
)
def test_the_benchmarks_of_record_follow_the_law(
    name: str, folder: str, reflections: bool, centred: bool, data_root: Path
) -> None:
    dataset = load_dataset(name, data_root, {})
    for images, prefix, seed in ((dataset.train, "train", 0), (dataset.test, "t10k", 1)):
        raw = data_root / folder / "raw"
        upright = np.frombuffer(gzip.decompress((raw / f"{prefix}-images-idx3-ubyte.gz").read_bytes())[16:], np.uint8)
        labels = gzip.decompress((raw / f"{prefix}-labels-idx1-ubyte.gz").read_bytes())[8:]
        check(images, upright.reshape(-1, 28, 28), [0, 1, 2, len(images) - 1], seed, reflections, centred)
        chosen, _, _ = drawn(len(labels), len(images), seed)
        assert images.labels.tolist() == [labels[i] for i in chosen]


def test_angles_are_uniform_and_half_of_the_images_are_mirrored() -> None:
    # One bright dot at 3 o'clock and a dimmer one just above it: their places tell angle and mirror.
    dots = np.zeros((2000, 1, 31, 31), np.float32)
    dots[:, :, 14:17, 25:28] = 1
    dots[:, :, 9:12, 24:27] = 0.6
    found = orient(Images(torch.from_numpy(dots), torch.zeros(2000, dtype=torch.int64)), 2000, 5, reflections=True)
    y, x = 15 - torch.arange(31.0)[:, None], torch.arange(31.0)[None] - 15
    bright = found.pixels[:, 0] * (found.pixels[:, 0] > 0.8)
    whole = found.pixels[:, 0]

    def angle(weights: torch.Tensor) -> torch.Tensor:
        return torch.atan2((weights * y).sum((1, 2)), (weights * x).sum((1, 2)))

    from_bright_to_whole = (angle(whole) - angle(bright) + math.pi) % (2 * math.pi) - math.pi
    mirrored = int((from_bright_to_whole < 0).sum())
    assert stats.binomtest(mirrored, 2000).pvalue > 0.01
    assert stats.kstest((angle(bright) % (2 * math.pi)).numpy() / (2 * math.pi), "uniform").pvalue > 0.01


def test_a_turned_image_does_not_leave_the_range() -> None:
    white = Images(torch.ones(50, 1, 11, 11), torch.zeros(50, dtype=torch.int64))
    pixels = orient(white, 50, 0, reflections=True).pixels
    assert pixels.min() == 0, "zeros outside"
    assert pixels.max() <= 1


@pytest.mark.data
def test_the_place_of_a_digit_tells_its_pose_unless_digits_are_centred(data_root: Path) -> None:
    offset = centre_of_mass(load_dataset("mnist", data_root, {}).train.batch(slice(0, 2_000))).mean(0)
    torch.testing.assert_close(offset, torch.full((2,), 0.5, dtype=torch.float64), atol=0.02, rtol=0)
    for name, expected in (("so2-mnist-12k", 0.76), ("so2-mnist-centred-12k", 0.0)):
        images = load_dataset(name, data_root, {}).train.batch(slice(0, 2_000))
        distance = float(centre_of_mass(images).norm(dim=1).mean())
        assert distance == pytest.approx(expected, abs=0.03), name


def test_a_black_image_is_turned_about_the_middle() -> None:
    black = Images(torch.zeros(3, 1, 9, 9), torch.zeros(3, dtype=torch.int64))
    assert (orient(black, 3, 0, reflections=True, centred=True).pixels == 0).all()
