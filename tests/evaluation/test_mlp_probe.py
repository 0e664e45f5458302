"""The MLP probe: finds what a line cannot, sees past correlated features, and leaves the world as it was."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

from eqae.evaluation.evidence import FloatArray, IntArray
from eqae.evaluation.mlp_probe import AXES, fit_mlp_probe


def rings(count: int, seed: int = 0) -> tuple[FloatArray, IntArray]:
    """Three classes at three distances from the origin of the plane, in six dimensions."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(3, size=count)
    directions = rng.normal(size=(count, 2))
    plane = directions / np.linalg.norm(directions, axis=1, keepdims=True) * (1 + labels)[:, None]
    values = np.hstack([plane + 0.1 * rng.normal(size=(count, 2)), 0.3 * rng.normal(size=(count, 4))])
    return values.astype(np.float32), labels


def accuracy(train: tuple[FloatArray, IntArray], test: tuple[FloatArray, IntArray], seed: int = 0) -> float:
    return float((fit_mlp_probe(*train, seed).predict(test[0]) == test[1]).mean())


def test_classes_that_no_plane_divides_are_told_apart() -> None:
    train, test = rings(600), rings(400, 1)
    assert LogisticRegression().fit(*train).score(*test) < 0.6
    assert accuracy(train, test) > 0.95


def test_directions_of_little_variance_are_seen() -> None:
    """Features that share nearly all of their variance, as those of Gram matrices do."""
    (x, labels), (z, true) = rings(600), rings(400, 1)
    rng = np.random.default_rng(2)
    shared, mixing = rng.normal(size=(1000, 1)), rng.normal(size=(6, 60))
    both = 0.003 * np.vstack([x, z]) @ mixing + shared
    both = ((both - both[:600].mean(0)) / both[:600].std(0)).astype(np.float32)
    plain = MLPClassifier((512,), max_iter=100, random_state=0).fit(both[:600], labels).score(both[600:], true)
    assert accuracy((both[:600], labels), (both[600:], true)) > 0.9 > 0.8 > plain


def test_features_that_are_few_and_all_needed_are_read_too() -> None:
    """Five rings, and the plane they lie in varies ten times as much as four axes of noise."""

    def drawn(count: int, seed: int) -> tuple[FloatArray, IntArray]:
        rng = np.random.default_rng(seed)
        labels = rng.integers(5, size=count)
        angles = rng.uniform(0, 2 * np.pi, count)
        plane = (1 + labels + 0.15 * rng.normal(size=count))[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)
        return np.hstack([plane, 0.3 * rng.normal(size=(count, 4))]).astype(np.float32), labels

    train, test = drawn(1500, 0), drawn(1000, 1)
    assert accuracy(train, test) > 0.9


def test_whitened_training_features_have_the_identity_for_a_covariance() -> None:
    x, labels = rings(180)
    x = x @ np.random.default_rng(0).normal(size=(6, 6)).astype(np.float32)
    probe = fit_mlp_probe(x, labels, 0)
    whitened = (torch.from_numpy(x) - probe.mean) @ probe.axes
    torch.testing.assert_close(torch.cov(whitened.T), torch.eye(6), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("images", [2, 5, 40])
def test_fewer_images_than_features(images: int) -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(images) % 2
    x = rng.normal(size=(images, 3 * AXES)).astype(np.float32) + 3 * labels[:, None].astype(np.float32)
    probe = fit_mlp_probe(x, labels, 0)
    assert probe.axes.shape[1] < images
    assert (probe.predict(x) == labels).all()


def test_labels_keep_their_numbers_and_classes_may_be_absent() -> None:
    x, labels = rings(300)
    probe = fit_mlp_probe(x, labels * 7 + 2, 0)
    assert set(probe.predict(x).tolist()) <= {2, 9, 16}
    assert (fit_mlp_probe(x, np.full(300, 5), 0).predict(x) == 5).all()


def test_features_without_any_variance_predict_the_largest_class() -> None:
    labels = np.array([0, 1, 1, 1, 1, 1] * 20)
    assert (fit_mlp_probe(np.zeros((120, 4), np.float32), labels, 0).predict(np.zeros((3, 4), np.float32)) == 1).all()


def test_the_seed_decides_and_nothing_around_it_does() -> None:
    x, labels = rings(200)
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    with torch.inference_mode(), torch.device("meta"):  # a program's default device, which has no numbers
        first = fit_mlp_probe(x, labels, 0)
        assert first.predict(x).shape == labels.shape
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(4)
    again, other = fit_mlp_probe(x, labels, 0), fit_mlp_probe(x, labels, 1)
    assert torch.equal(first.layers[0], again.layers[0])
    assert not torch.equal(first.layers[0], other.layers[0])


def test_the_features_that_were_given_stay_as_they_were() -> None:
    x, labels = rings(100)
    given = x.copy()
    fit_mlp_probe(x, labels, 0).predict(x)
    assert np.array_equal(x, given)
