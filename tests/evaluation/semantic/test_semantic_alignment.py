import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import pearsonr, spearmanr

from eqae.evaluation.semantic.cka import kernel_alignment
from eqae.evaluation.semantic.divergence import jensen_shannon, pair_correlation

RNG = np.random.default_rng(0)


def symmetric(images: int) -> np.ndarray:
    matrix = RNG.standard_normal((images, images))
    return matrix + matrix.T


def test_alignment_is_the_normalised_product_of_centred_matrices() -> None:
    a, b = symmetric(9), symmetric(9)
    h = np.eye(9) - 1 / 9
    first, second = h @ a @ h, h @ b @ h
    expected = np.trace(first @ second) / np.sqrt(np.trace(first @ first) * np.trace(second @ second))
    assert kernel_alignment(a, b) == pytest.approx(expected, abs=1e-12)


def test_for_linear_kernels_it_is_linear_cka_of_the_features() -> None:
    x, y = RNG.standard_normal((20, 5)), RNG.standard_normal((20, 3))
    xc, yc = x - x.mean(0), y - y.mean(0)
    expected = np.linalg.norm(xc.T @ yc) ** 2 / (np.linalg.norm(xc.T @ xc) * np.linalg.norm(yc.T @ yc))
    assert kernel_alignment(x @ x.T, y @ y.T) == pytest.approx(expected, abs=1e-12)


def test_alignment_ignores_scale_and_offset_and_is_undefined_for_constants() -> None:
    a = symmetric(6)
    assert kernel_alignment(a, 3 * a + 7) == pytest.approx(1)
    assert kernel_alignment(a, -a) == pytest.approx(-1)
    assert np.isnan(kernel_alignment(a, np.full((6, 6), 5.0)))
    assert np.isnan(kernel_alignment(np.zeros((6, 6)), a))


def test_divergence_agrees_with_scipy_and_spans_zero_to_log_2() -> None:
    p = RNG.dirichlet(np.ones(4), 7)
    expected = [[jensenshannon(a, b) ** 2 for b in p] for a in p]
    np.testing.assert_allclose(jensen_shannon(p), expected, atol=1e-9)
    np.testing.assert_allclose(jensen_shannon(np.eye(3)), np.log(2) * (1 - np.eye(3)), atol=1e-12)


@pytest.mark.parametrize("kind", ["pearson", "spearman"])
def test_correlation_is_over_pairs_of_different_images(kind: str) -> None:
    a = symmetric(12)
    b = a + 0.5 * symmetric(12)
    pairs = np.triu_indices(12, 1)
    oracle = {"pearson": pearsonr, "spearman": spearmanr}[kind](a[pairs], b[pairs]).statistic
    value, (low, high) = pair_correlation(a, b, kind, 0)  # type: ignore[arg-type]
    assert value == pytest.approx(oracle, abs=1e-12)
    assert low is not None
    assert high is not None
    assert low < value < high
    assert pair_correlation(a + np.diag(np.full(12, 99.0)), b, kind, 0)[0] == pytest.approx(value)  # type: ignore[arg-type]


def test_correlation_of_what_does_not_vary_is_undefined() -> None:
    for images in (1, 2, 5):
        value, interval = pair_correlation(np.ones((images, images)), np.ones((images, images)), "spearman", 0)
        assert np.isnan(value)
        assert interval == (None, None)
