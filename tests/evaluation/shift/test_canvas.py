import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from eqae.evaluation.evidence import NotAvailable
from eqae.evaluation.shift.canvas import Background, Stage, make_background
from eqae.evaluation.shift.sprites import Sprites


@settings(max_examples=40, deadline=None)
@given(
    st.integers(2, 9), st.integers(2, 9), st.integers(1, 4), st.integers(1, 3), st.sampled_from([1, 3]),
    st.sampled_from(["zero", "grey", "noise"]),
)  # fmt: skip
def test_canvases_are_those_of_a_loop(h: int, w: int, side: int, stride: int, channels: int, kind: Background) -> None:
    generator = torch.Generator().manual_seed(h + 10 * w)
    alpha = torch.rand(2, 1, side, side, generator=generator)
    sprites = Sprites(alpha * torch.rand(2, channels, side, side, generator=generator), alpha)
    shape = (channels, h, w)
    background = make_background(kind, shape, seed=1)
    tops, lefts = range(0, h - side + 1, stride), range(0, w - side + 1, stride)
    if len(tops) < 2 or len(lefts) < 2:
        with pytest.raises(NotAvailable, match="room"):
            Stage(sprites, shape, stride, background)
        return
    stage = Stage(sprites, shape, stride, background)
    assert (stage.rows, stage.columns, len(stage)) == (len(tops), len(lefts), len(tops) * len(lefts))
    expected = []
    for top in tops:
        for left in lefts:
            canvas = torch.zeros(shape) if background is None else background.clone()
            window = canvas[:, top : top + side, left : left + side]
            window.copy_(window * (1 - sprites.alpha[1]) + sprites.colour[1])
            expected.append(canvas)
    made = stage.canvases(1, torch.arange(len(stage)))
    assert torch.equal(made, torch.stack(expected))
    assert made.is_contiguous()


def test_the_anchors_are_the_corners_and_the_centre() -> None:
    sprites = Sprites(torch.ones(1, 1, 1, 1), torch.ones(1, 1, 1, 1))
    stage = Stage(sprites, (1, 5, 8), 1)
    places = [divmod(int(canvas.argmax()), 8) for canvas in stage.canvases(0, stage.anchors)]
    assert places == [(0, 0), (0, 7), (2, 3), (4, 0), (4, 7)]


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_in_the_interior_the_frame_is_clear_all_around(stride: int) -> None:
    sprites = Sprites(torch.ones(1, 1, 5, 5), torch.ones(1, 1, 5, 5))
    stage = Stage(sprites, (1, 16, 24), stride)
    canvases = stage.canvases(0, torch.arange(len(stage)))[:, 0]
    edge = torch.ones(16, 24)
    edge[2:-2, 3:-3] = 0
    clear = ((canvases * edge).sum((1, 2)) == 0).reshape(stage.rows, stage.columns)
    np.testing.assert_array_equal(stage.interior(1 / 8), clear)
    assert stage.interior(0).all()
    assert not stage.interior(0.5).any()


def test_noise_is_smooth_seeded_and_within_range() -> None:
    one, same, other = (make_background("noise", (1, 64, 64), seed) for seed in (0, 0, 1))
    assert one is not None
    assert same is not None
    assert other is not None
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert 0 <= one.min() < one.max() <= 1
    assert one.diff(dim=-1).abs().max() < 0.2
