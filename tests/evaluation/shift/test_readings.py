"""The stride artefact, the consistency of decisions, and the position that can be read."""

import itertools

import numpy as np
import pytest
import torch
from shift_cases import Encode, circular, constant, flatten, offset, random_stage, square_stage
from torch.nn.functional import conv2d, max_pool2d

from eqae.evaluation.shift.artefact import stride_artefact
from eqae.evaluation.shift.canvas import Stage
from eqae.evaluation.shift.consistency import local_consistency, placewise_agreement, prediction_consistency
from eqae.evaluation.shift.decodability import position_auc, position_r2, readable
from eqae.evaluation.shift.maps import shift_maps


def test_sub_sampling_by_four_ripples_with_its_period() -> None:
    maps = shift_maps(lambda x: x[:, :, ::4, ::4].sum((2, 3)), square_stage(side=1, frame=49), batch_size=256).cosine
    assert [stride_artefact(maps, period) for period in (2, 4, 8, 16)] == pytest.approx([0.5, 1, 1, 1])
    assert [stride_artefact(maps[0, 0, :1], period) for period in (2, 4, 8)] == pytest.approx([0.5, 1, 1])


def test_a_ripple_of_period_two_is_seen() -> None:
    assert stride_artefact(np.tile([[1.0, 0.5]], (4, 9)), 2) == pytest.approx(1)


def test_a_smooth_bump_that_fades_within_the_frame_has_next_to_no_artefact() -> None:
    at = np.arange(37) - 18
    bump = np.exp(-(at[:, None] ** 2 + at**2) / 60)
    assert max(stride_artefact(bump, period) for period in (2, 4, 8)) < 0.01


def artefact(encode: Encode, stage: Stage, period: int) -> float:
    maps = shift_maps(encode, stage, batch_size=256).cosine
    return float(np.mean([stride_artefact(sprite, period) for sprite in maps]))


@pytest.mark.parametrize("frame", [28, 64])
def test_texture_without_a_stride_has_next_to_none_and_less_than_any_stride(frame: int) -> None:
    # The cosine of a textured sprite with itself elsewhere is a spike at the anchor: white noise in its differences.
    stage = random_stage(count=6, side=frame // 2, shape=(1, frame, frame))
    box = torch.full((1, 1, 5, 5), 1 / 25)
    for plain in (flatten, lambda x: conv2d(x, box, padding=2).flatten(1)):
        assert max(artefact(plain, stage, period) for period in (2, 4)) < 0.1
    assert artefact(lambda x: x[:, :, ::4, ::4].flatten(1), stage, 4) > 0.2
    assert artefact(lambda x: max_pool2d(x, 4).flatten(1), stage, 4) > 0.2
    assert artefact(lambda x: x[:, :, ::2, ::2].flatten(1), stage, 2) > 0.2


@pytest.mark.parametrize("shape", [(1, 2, 7, 9), (3, 4, 10, 13), (2, 1, 5, 40)])
@pytest.mark.parametrize("period", [2, 3, 4, 8])
def test_the_artefact_is_a_share(shape: tuple[int, ...], period: int) -> None:
    for seed in range(3):
        assert 0 <= stride_artefact(np.random.default_rng(seed).random(shape).astype(np.float32), period) <= 1


@pytest.mark.parametrize("noise", [0, 1e-8])
def test_what_does_not_vary_has_no_artefact(noise: float) -> None:
    maps = 1 - noise * np.random.default_rng(0).random((5, 15, 15))
    assert stride_artefact(maps, 4) == 0
    assert stride_artefact(maps[:, :3, :3], 8) == 0


@pytest.mark.parametrize("radius", [1, 2, 7, 20])
def test_consistency_is_the_share_of_pairs_that_agree(radius: int) -> None:
    labels = np.random.default_rng(0).integers(0, 3, (2, 5, 4))
    places = list(itertools.product(range(5), range(4)))
    for k in range(2):
        pairs = list(itertools.combinations(places, 2))
        agree = [labels[k][p] == labels[k][q] for p, q in pairs]
        near = [max(abs(p[0] - q[0]), abs(p[1] - q[1])) <= radius for p, q in pairs]
        assert prediction_consistency(labels)[k] == pytest.approx(np.mean(agree))
        assert local_consistency(labels, radius)[k] == pytest.approx(np.mean(np.array(agree)[near]))


def test_agreement_of_different_sprites_is_that_of_a_loop() -> None:
    labels = np.random.default_rng(0).integers(0, 3, (4, 5, 6))
    expected = [[np.mean(a == b) for b in labels] for a in labels]
    np.testing.assert_allclose(placewise_agreement(labels), expected)


def test_decisions_that_never_change_are_consistent() -> None:
    labels = np.full((1, 4, 4), 7)
    assert prediction_consistency(labels) == local_consistency(labels, 7) == 1


def read(encode: object, stage: object) -> tuple[float, float, float]:
    probed = shift_maps(encode, stage, batch_size=256, probed=(0,)).probed[0]  # type: ignore[arg-type]
    features = readable(probed, 0)
    return position_auc(features, "shuffled", 0), position_auc(features, "ordered", 0), position_r2(features, 0)


def test_features_that_are_the_offset_tell_the_position() -> None:
    shuffled, ordered, explained = read(offset, square_stage(side=2, frame=16))
    assert shuffled == ordered == 1
    assert explained == pytest.approx(1, abs=1e-3)


def test_pixels_tell_the_position() -> None:
    shuffled, _, explained = read(flatten, square_stage(side=8, frame=16))
    assert shuffled > 0.99
    assert explained > 0.95


@pytest.mark.parametrize("encode", [constant, circular(), lambda x: torch.zeros(len(x), 2)])
def test_invariant_features_tell_nothing_of_the_position(encode: object) -> None:
    assert read(encode, random_stage(shape=(1, 16, 16))) == (0.5, 0.5, 0.0)


def test_features_of_chance_tell_nothing_of_the_position() -> None:
    features = readable(np.random.default_rng(0).standard_normal((15, 15, 4)).astype(np.float32), 0)
    assert position_auc(features, "shuffled", 0) == pytest.approx(0.5, abs=0.1)
    assert position_auc(features, "ordered", 0) == pytest.approx(0.5, abs=0.1)
    assert position_r2(features, 0) < 0.05


@pytest.mark.parametrize("shape", [(2, 2), (2, 9), (3, 2), (4, 3)])
def test_small_grids_are_read_too(shape: tuple[int, int]) -> None:
    places = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1).astype(np.float32)
    assert 0 <= position_auc(readable(places, 0), "shuffled", 0) <= 1
    assert position_auc(readable(places, 0), "ordered", 0) == 1


def test_what_a_constant_hides_is_read_without_it() -> None:
    places = np.stack(np.meshgrid(np.arange(8), np.arange(8), indexing="ij"), axis=-1).astype(np.float32)
    dead = np.full((8, 8, 3), 5, np.float32)
    assert position_auc(readable(np.concatenate([places, dead], axis=-1), 0), "shuffled", 0) == 1
