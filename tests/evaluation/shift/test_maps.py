import numpy as np
import pytest
import torch
from shift_cases import Encode, circular, constant, flatten, random_linear, random_stage, square_stage

from eqae.evaluation.shift.canvas import Stage
from eqae.evaluation.shift.maps import shift_maps, unit_rows
from eqae.evaluation.shift.scores import global_cosines


def slow_cosine(a: np.ndarray, b: np.ndarray) -> float:
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / size if size else 0.0


def all_features(encode: Encode, stage: Stage) -> np.ndarray:
    """``(K, rows, columns, D)``, one image at a time."""
    every = [
        [encode(stage.canvases(k, torch.tensor([p])))[0].double().numpy() for p in range(len(stage))]
        for k in range(len(stage.sprites))
    ]
    return np.array(every).reshape(len(stage.sprites), stage.rows, stage.columns, -1)


def test_pixels_of_a_white_square_overlap_as_triangles_do() -> None:
    stage = square_stage(side=8, frame=20)
    maps = shift_maps(flatten, stage, batch_size=64).cosine[0]
    assert maps[0, 2, 4] == pytest.approx(0.375)
    at = np.arange(13)
    for anchor, number in enumerate(stage.anchors.tolist()):
        row, column = divmod(number, 13)
        down, across = np.maximum(1 - abs(at - row) / 8, 0), np.maximum(1 - abs(at - column) / 8, 0)
        np.testing.assert_allclose(maps[anchor], np.outer(down, across), atol=1e-6)


def test_circular_convolution_and_global_mean_are_invariant() -> None:
    maps = shift_maps(circular(), random_stage(), batch_size=16, radii=(1, 3))
    np.testing.assert_allclose(maps.cosine, 1, atol=1e-6)
    np.testing.assert_allclose(maps.local, 1, atol=1e-6)
    np.testing.assert_allclose(maps.within, 1, atol=1e-6)
    assert maps.undefined == 0


@pytest.mark.parametrize("stride", [1, 2])
def test_streaming_gives_what_all_features_at_once_give(stride: int) -> None:
    stage = random_stage(stride=stride)
    encode = random_linear((1, 8, 10))
    features = all_features(encode, stage)
    maps = shift_maps(encode, stage, batch_size=11, radii=(1, 3), probed=(0, 2))
    places = [(i, j) for i in range(stage.rows) for j in range(stage.columns)]
    for k, grid in enumerate(features):
        for a, number in enumerate(stage.anchors.tolist()):
            expected = [slow_cosine(grid[p], grid[divmod(number, stage.columns)]) for p in places]
            np.testing.assert_allclose(maps.cosine[k, a].ravel(), expected, atol=1e-6)
        pairs = [(p, q, slow_cosine(grid[p], grid[q])) for p in places for q in places if p != q]
        assert maps.within[k] == pytest.approx(np.mean([c for _, _, c in pairs]), abs=1e-6)
        for r, radius in enumerate((1, 3)):
            near = [c for p, q, c in pairs if max(abs(p[0] - q[0]), abs(p[1] - q[1])) <= radius]
            assert maps.local[k, r] == pytest.approx(np.mean(near), abs=1e-6)
    rows, columns = ([i * (n - 1) // (min(n, 5) - 1) for i in range(min(n, 5))] for n in (stage.rows, stage.columns))
    for k in range(3):
        for m in range(3):
            expected = [slow_cosine(features[k, i, j], features[m, i, j]) for i in rows for j in columns]
            assert maps.between[k, m] == pytest.approx(np.mean(expected), abs=1e-6)
    np.testing.assert_allclose(maps.probed, features[[0, 2]], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("batch_size", [1, 3, 8, 17, 1000])
def test_the_size_of_a_batch_changes_nothing(batch_size: int) -> None:
    stage, encode = random_stage(), random_linear((1, 8, 10))

    def predict(features: np.ndarray) -> np.ndarray:
        return features.argmax(axis=1)

    options = {"radii": (1, 5), "predict": predict, "probed": (1,)}
    one, other = (shift_maps(encode, stage, batch_size=size, **options) for size in (64, batch_size))
    for name in ("cosine", "local", "within", "between", "predictions", "probed"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-5, atol=1e-6, err_msg=name)
    assert one.undefined == other.undefined


def test_placements_without_a_feature_have_cosine_zero_and_are_counted() -> None:
    stage = square_stage(side=1, frame=9)
    maps = shift_maps(lambda x: x[:, :, ::4, ::4].sum((2, 3)), stage, batch_size=10)
    lattice = np.zeros((9, 9))
    lattice[::4, ::4] = 1
    np.testing.assert_array_equal(maps.cosine[0, 0], lattice)
    assert maps.undefined == 81 - 9
    assert maps.within[0] == pytest.approx(9 * 8 / (81 * 80))


def test_the_scalar_is_the_mean_of_the_map() -> None:
    stage = random_stage(side=4, shape=(1, 40, 40))
    assert (stage.rows, stage.columns) == (37, 37)
    maps = shift_maps(random_linear((1, 40, 40)), stage, batch_size=256)
    expected = [[sum(map(float, one.ravel())) / 37**2 for one in sprite] for sprite in maps.cosine]
    np.testing.assert_allclose(global_cosines(maps), expected, rtol=1e-12)


def test_a_constant_has_cosine_one_with_itself_and_with_others() -> None:
    maps = shift_maps(constant, random_stage(), batch_size=8)
    np.testing.assert_allclose(maps.cosine, 1, atol=1e-6)
    np.testing.assert_allclose(maps.between, 1, atol=1e-6)


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_unit_rows_have_length_one_whatever_their_scale(scale: float) -> None:
    values = torch.tensor([[3.0, 4.0], [0.0, 0.0]]) * scale
    torch.testing.assert_close(unit_rows(values), torch.tensor([[0.6, 0.8], [0.0, 0.0]]))
