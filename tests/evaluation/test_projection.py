from collections.abc import Callable

import numpy as np
import pytest
from evidence_factory import make_features
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

from eqae.evaluation.evidence import Evidence
from eqae.evaluation.projection import MOST_IMAGES, project

MakeEvidence = Callable[..., Evidence]


def test_the_pca_plane_agrees_with_scikit_learn_up_to_signs(make_evidence: MakeEvidence) -> None:
    features = make_evidence(width=8).test
    made = project(features, seed=0)
    assert made is not None
    pca = PCA(2)
    expected = pca.fit_transform(StandardScaler().fit_transform(features.upright))
    np.testing.assert_allclose(np.abs(made["pca"]), np.abs(expected), atol=1e-3)
    assert made["explained"] == pytest.approx(pca.explained_variance_ratio_.tolist(), abs=1e-5)


def test_classes_that_are_apart_stay_apart_in_both_planes(make_evidence: MakeEvidence) -> None:
    features = make_evidence(separation=30).test
    made = project(features, seed=0)
    assert made is not None
    np.testing.assert_array_equal(made["labels"], features.labels)
    for plane in (made["pca"], made["tsne"]):
        assert plane.shape == (90, 2)
        assert KNeighborsClassifier(5).fit(plane, features.labels).score(plane, features.labels) == 1


def test_the_same_seed_draws_the_same_picture(make_evidence: MakeEvidence) -> None:
    features = make_evidence().test
    first, second = project(features, seed=1), project(features, seed=1)
    assert first is not None
    assert second is not None
    np.testing.assert_array_equal(first["tsne"], second["tsne"])


@pytest.mark.parametrize("count", [4, 7])
@pytest.mark.parametrize("width", [1, 2, 3])
def test_few_images_and_narrow_features_still_span_a_plane(count: int, width: int) -> None:
    values = np.random.default_rng(0).standard_normal((count, width))
    made = project(make_features(values, np.zeros(count, np.int64)), seed=0)
    assert made is not None
    assert made["pca"].shape == made["tsne"].shape == (count, 2)
    assert len(made["explained"]) == 2
    assert np.isfinite(made["tsne"]).all()


def test_constant_features_lie_on_one_point() -> None:
    made = project(make_features(np.full((10, 3), 0.7), np.zeros(10, np.int64)), seed=0)
    assert made is not None
    assert not made["pca"].any()
    assert not made["tsne"].any()
    assert made["explained"] == [0.0, 0.0]


def test_fewer_than_four_images_are_not_drawn() -> None:
    assert project(make_features(np.eye(3), np.zeros(3, np.int64)), seed=0) is None


def test_at_most_1500_images_are_drawn_spread_over_the_split(monkeypatch: pytest.MonkeyPatch) -> None:
    import eqae.evaluation.projection as module

    monkeypatch.setattr(module, "_tsne", lambda coordinates, seed: coordinates[:, :2])
    labels = np.arange(4 * MOST_IMAGES) // MOST_IMAGES
    made = project(make_features(np.random.default_rng(0).standard_normal((len(labels), 2)), labels), seed=0)
    assert made is not None
    assert np.bincount(made["labels"]).tolist() == [MOST_IMAGES // 4] * 4
