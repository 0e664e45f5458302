"""The study of what a digit's place tells: images move by what is asked, and exchanges are counted as they are."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from eqae.data.transforms import centre_of_mass


@pytest.fixture(scope="module")
def study(benchmarks: Path) -> ModuleType:
    """The script, as a module."""
    return import_module("centre_of_mass")


@pytest.fixture
def blobs() -> torch.Tensor:
    """Smooth blobs near the middle of 28 x 28 pixels, each of its own size and place."""
    draws = torch.Generator().manual_seed(0)
    row, column = 13.5 + 2 * torch.rand(2, 20, 1, 1, generator=draws)
    side = torch.arange(28.0)
    squares = (side.view(1, -1, 1) - row).square() + (side.view(1, 1, -1) - column).square()
    return (-squares / (4 + 12 * torch.rand(20, 1, 1, generator=draws))).exp().unsqueeze(1)


def test_images_move_right_and_down_by_what_is_asked(study: ModuleType, blobs: torch.Tensor) -> None:
    asked = torch.tensor([0.7, -1.3], dtype=torch.float64).expand(20, 2)
    torch.testing.assert_close(
        centre_of_mass(study.moved(blobs, asked.float())), centre_of_mass(blobs) + asked, atol=0.01, rtol=0
    )


def test_the_centre_of_mass_lies_where_a_row_says(study: ModuleType, blobs: torch.Tensor) -> None:
    before, places = centre_of_mass(blobs), study.placed(blobs)
    assert torch.equal(places["as it is"], blobs)
    torch.testing.assert_close(
        centre_of_mass(places["in the middle"]), torch.zeros(20, 2, dtype=torch.float64), atol=0.01, rtol=0
    )
    torch.testing.assert_close(centre_of_mass(places["on the other side"]), -before, atol=0.01, rtol=0)
    torch.testing.assert_close(centre_of_mass(places["twice as far"]), 2 * before, atol=0.01, rtol=0)
    anywhere = centre_of_mass(places["anywhere"])
    torch.testing.assert_close(anywhere.norm(dim=1), before.norm(dim=1), atol=0.01, rtol=0)
    assert (anywhere - before).norm(dim=1).max() > 1


def test_an_exchange_is_counted_among_the_pair_alone(study: ModuleType) -> None:
    true, said = np.array([6, 6, 9, 9, 2, 1, 5, 0]), np.array([9, 6, 6, 4, 2, 7, 2, 0])
    assert study.figures(said, true) == {
        "error": 5 / 8, "6 and 9 exchanged": 2 / 4, "2 and 5 exchanged": 1 / 2,
    }  # fmt: skip
