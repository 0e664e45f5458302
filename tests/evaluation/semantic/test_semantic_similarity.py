import numpy as np
import pytest
from test_semantic_assignment import rectified

from eqae.evaluation.semantic.assignment import match_exactly
from eqae.evaluation.semantic.kernels import cosine_kernel, rbf_kernel, smallest_eigenvalue
from eqae.evaluation.semantic.scrambling import scrambled_cosines
from eqae.evaluation.semantic.similarity import similarities
from eqae.evaluation.semantic.swaps import match_by_swaps
from eqae.evaluation.semantic.tokens import TokenSets


def sets(*images: list[list[float]]) -> TokenSets:
    return TokenSets(np.array(images, np.float32))


def test_two_images_with_rows_exchanged_have_nothing_and_everything_in_common() -> None:
    found = similarities(sets([[1, 0], [0, 2]], [[0, 2], [1, 0]]), match_exactly)
    assert found.spatial[0, 1] == 0
    assert found.semantic[0, 1] == 5
    assert cosine_kernel(found.semantic)[0, 1] == pytest.approx(1)
    assert rbf_kernel(found.semantic)[0, 1] == pytest.approx(1)


def test_the_matched_matrix_of_four_small_images_is_indefinite() -> None:
    o, x, y = [0.0, 0.0], [0.0, 1.0], [1.0, 0.0]
    z = [1.0, 1.0]
    found = similarities(sets([o, x], [o, y], [o, z], [x, y]), match_exactly)
    np.testing.assert_array_equal(found.semantic, [[1, 0, 1, 1], [0, 1, 1, 1], [1, 1, 2, 1], [1, 1, 1, 2]])
    assert smallest_eigenvalue(found.semantic) == pytest.approx(2 - np.sqrt(5), abs=1e-12)
    assert smallest_eigenvalue(found.spatial) > -1e-12


def test_the_spatial_matrix_is_that_of_the_flattened_maps() -> None:
    tokens = rectified(9, 7, 5)
    flat = tokens.values.reshape(9, -1).astype(np.float64)
    np.testing.assert_allclose(similarities(tokens, match_exactly).spatial, flat @ flat.T, rtol=1e-5)


def test_the_order_of_an_images_tokens_does_not_matter_to_the_matched_matrix() -> None:
    tokens = rectified(6, 10, 4)
    rng = np.random.default_rng(5)
    moved = TokenSets(np.stack([image[rng.permutation(10)] for image in tokens.values]))
    here, there = (similarities(t, match_exactly) for t in (tokens, moved))
    np.testing.assert_allclose(here.semantic, there.semantic, rtol=1e-6)
    assert np.abs(here.spatial - there.spatial).max() > 1


def test_matrices_are_symmetric_ordered_and_have_squared_norms_on_the_diagonal() -> None:
    tokens = rectified(8, 9, 3)
    found = similarities(tokens, match_exactly)
    squares = np.square(tokens.values.astype(np.float64)).sum((1, 2))
    for matrix in (found.spatial, found.semantic):
        np.testing.assert_array_equal(matrix, matrix.T)
        np.testing.assert_allclose(np.diag(matrix), squares)
    assert (found.semantic >= found.spatial * (1 - 1e-6)).all()
    bound = np.sqrt(squares[:, None] * squares)
    assert (found.semantic <= bound * (1 + 1e-6)).all()  # Cauchy-Schwarz, of the best permutation


def test_with_one_token_both_are_the_inner_product() -> None:
    found = similarities(rectified(5, 1, 6), match_exactly)
    np.testing.assert_array_equal(found.spatial, found.semantic)


def test_a_noisy_shift_is_strange_position_by_position_and_familiar_once_matched() -> None:
    rng = np.random.default_rng(0)
    image = np.maximum(rng.standard_normal((7, 7, 64)), 0)
    shifted = np.roll(image, (2, 1), (0, 1)) + 0.1 * rng.standard_normal(image.shape)
    found = similarities(TokenSets(np.stack([image, shifted]).reshape(2, 49, 64).astype(np.float32)), match_exactly)
    # Two rectified Gaussians have cosine E[relu]² / E[relu²] = 1/π.
    assert cosine_kernel(found.spatial)[0, 1] == pytest.approx(1 / np.pi, abs=0.04)
    assert cosine_kernel(found.semantic)[0, 1] == pytest.approx(0.99, abs=0.01)


def test_the_gaussian_kernel_has_the_median_distance_for_width() -> None:
    tokens = rectified(6, 4, 3)
    inner = similarities(tokens, match_exactly).semantic
    squares = np.diag(inner)
    distances = squares[:, None] + squares - 2 * inner
    sigma = np.sqrt(np.median(distances[~np.eye(6, dtype=bool)])) + 1e-3
    np.testing.assert_allclose(rbf_kernel(inner), np.exp(-0.5 * distances / sigma**2), atol=1e-6)


def test_images_without_features_are_like_nothing() -> None:
    tokens = rectified(4, 5, 3)
    tokens.values[2] = 0
    cosines = cosine_kernel(similarities(tokens, match_exactly).semantic)
    assert not cosines[2].any()
    assert np.isfinite(rbf_kernel(np.zeros((3, 3)))).all()
    np.testing.assert_array_equal(rbf_kernel(np.ones((3, 3))), np.ones((3, 3)))


@pytest.mark.parametrize("match", [match_exactly, match_by_swaps])
def test_scrambled_positions_are_found_again_by_matching_alone(match: object) -> None:
    tokens = rectified(12, 49, 20)
    control = scrambled_cosines(tokens, match, 0)  # type: ignore[arg-type]
    mean = tokens.values.astype(np.float64).mean(1)
    by_chance = (49 * np.square(mean).sum(1)) / np.square(tokens.values.astype(np.float64)).sum((1, 2))
    assert control.spatial.mean() == pytest.approx(by_chance.mean(), abs=0.03)
    assert (control.semantic > (0.9999 if match is match_exactly else 0.8)).all()
    assert (control.semantic < 1 + 1e-6).all()


def test_the_scrambled_control_of_equal_tokens_is_1_and_of_nothing_undefined() -> None:
    values = np.ones((2, 6, 3), np.float32)
    values[1] = 0
    control = scrambled_cosines(TokenSets(values), match_exactly, 0)
    np.testing.assert_allclose(control.spatial, [1, np.nan], rtol=1e-6)
    np.testing.assert_allclose(control.semantic, [1, np.nan], rtol=1e-6)
