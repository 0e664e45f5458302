import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score
from test_semantic_assignment import rectified

from eqae.evaluation.semantic.assignment import match_exactly
from eqae.evaluation.semantic.kernels import cosine_kernel
from eqae.evaluation.semantic.retrieval import average_precision, neighbours, recall_at
from eqae.evaluation.semantic.search import most_similar
from eqae.evaluation.semantic.similarity import similarities
from eqae.evaluation.semantic.tokens import TokenSets

RNG = np.random.default_rng(0)


def similarity(images: int) -> np.ndarray:
    matrix = RNG.random((images, images))
    return matrix + matrix.T


def test_neighbours_are_all_others_from_the_most_similar_on() -> None:
    matrix = similarity(8)
    for query, ranked in enumerate(neighbours(matrix, 0)):
        assert query not in ranked
        assert sorted([*ranked, query]) == list(range(8))
        assert (np.diff(matrix[query, ranked]) <= 0).all()


def test_an_image_is_not_its_own_neighbour_even_among_equals() -> None:
    ranked = neighbours(np.ones((30, 30)), 0)
    assert (ranked != np.arange(30)[:, None]).all()
    assert len(np.unique(ranked[:, 0])) > 1  # ties are not broken by the order of the images
    assert neighbours(np.ones((1, 1)), 0).shape == (1, 0)
    assert neighbours(np.ones((0, 0)), 0).shape == (0, 0)


def test_recall_known_by_hand() -> None:
    ranked = np.array([[1, 2, 3], [2, 3, 0], [3, 1, 0], [2, 1, 0]])
    labels = np.array([0, 0, 1, 2])
    np.testing.assert_array_equal(recall_at(ranked, labels, 1), [1, 0, np.nan, np.nan])
    np.testing.assert_array_equal(recall_at(ranked, labels, 3), [1, 1, np.nan, np.nan])


def test_average_precision_agrees_with_scikit_learn() -> None:
    matrix, labels = similarity(15), RNG.integers(0, 3, 15)
    found = average_precision(neighbours(matrix, 0), labels)
    for query in range(15):
        others = np.arange(15) != query
        expected = average_precision_score(labels[others] == labels[query], matrix[query, others])
        assert found[query] == pytest.approx(expected)


def test_with_one_label_an_image_recall_at_1_is_the_f1_of_label_sets() -> None:
    ranked, labels = neighbours(similarity(12), 0), np.arange(12) % 4
    contents = labels[:, None] == np.arange(4)
    expected = [f1_score(contents[query], contents[first], zero_division=0) for query, first in enumerate(ranked[:, 0])]
    np.testing.assert_allclose(recall_at(ranked, labels, 1), expected)


@pytest.mark.parametrize("k", [1, 3])
def test_pruned_search_finds_what_the_whole_matrix_says_and_solves_less(k: int) -> None:
    kinds = np.maximum(RNG.standard_normal((6, 9, 5)), 0)
    values = kinds[np.arange(60) % 6] + 0.2 * RNG.random((60, 9, 5))
    tokens = TokenSets(np.stack([image[RNG.permutation(9)] for image in values]).astype(np.float32))
    found = most_similar(tokens, k)
    cosines = cosine_kernel(similarities(tokens, match_exactly).semantic)
    np.fill_diagonal(cosines, -np.inf)
    expected = -np.sort(-cosines, axis=1)[:, :k]
    np.testing.assert_allclose(np.take_along_axis(cosines, found.ranked, 1), expected, rtol=1e-6)
    assert found.solved < 60 * 59 // 2 / 2


def test_pruned_search_holds_for_random_and_for_zero_maps() -> None:
    tokens = rectified(15, 6, 3)
    tokens.values[4] = 0
    found = most_similar(tokens, 2)
    cosines = cosine_kernel(similarities(tokens, match_exactly).semantic)
    np.fill_diagonal(cosines, -np.inf)
    np.testing.assert_allclose(
        np.take_along_axis(cosines, found.ranked, 1), -np.sort(-cosines, axis=1)[:, :2], rtol=1e-6
    )


@pytest.mark.parametrize("images", [0, 1, 2])
def test_few_images_have_few_neighbours(images: int) -> None:
    assert most_similar(TokenSets(np.ones((images, 3, 2), np.float32)), 4).ranked.shape == (images, max(images - 1, 0))
