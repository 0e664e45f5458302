"""What scikit-learn expects of a transformer, asked by its own checks and by the tools people use it with."""

from __future__ import annotations

import inspect
import shutil
from pathlib import Path
from typing import Any

import joblib  # type: ignore[import-untyped]
import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.exceptions import SkipTestWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator
from sklearn.utils.validation import check_is_fitted

import eqae
from eqae.errors import CheckpointError, DataError
from eqae.extractor import FeatureExtractor

RUN = Path(__file__).parent / "fixtures" / "format_1" / "p4m"
SIDE = 8
Images = NDArray[np.float32]


def of_rows(table: ArrayLike) -> Images:
    """An image ``(N, 8, 8)`` for each row of any table: scikit-learn's checks know no other data."""
    rows = 1 / (1 + np.exp(-np.asarray(table, np.float64)))
    return np.stack([np.resize(row, (SIDE, SIDE)) for row in rows]).astype(np.float32)


class OnRows(FeatureExtractor):
    """The extractor on the images of a table's rows, which says that it takes tables."""

    def transform(self, X: Any) -> Images:
        return super().transform(of_rows(X))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        tags.input_tags.three_d_array = False
        return tags


STATELESS = "fit learns nothing and does not look at X; transform refuses it (test_extractor.py)"
TABLES = "is about tables; images have no number of features in, and this test turns whatever comes into images"
NOT_FOR_IMAGES = {
    "check_n_features_in": TABLES,
    "check_n_features_in_after_fitting": TABLES,
    "check_fit1d": TABLES,
    "check_fit2d_predict1d": TABLES,
    "check_complex_data": STATELESS,
    "check_dtype_object": STATELESS,
    "check_estimators_empty_data_messages": STATELESS,
    "check_estimators_nan_inf": STATELESS,
    "check_estimator_sparse_tag": STATELESS,
}
"""Checks that an image transformer cannot pass, with the reason."""


def test_scikit_learns_own_checks_pass_except_those_that_are_about_tables() -> None:
    results = check_estimator(
        OnRows(RUN), expected_failed_checks=NOT_FOR_IMAGES, on_fail=None, on_skip=None, legacy=True
    )
    by_status: dict[str, set[str]] = {}
    for result in results:
        by_status.setdefault(result["status"], set()).add(result["check_name"])
    assert by_status.get("failed", set()) == set()
    assert by_status["xfail"] == set(NOT_FOR_IMAGES)
    assert len(by_status["passed"]) > 30


def test_the_extractor_says_that_it_takes_images_and_needs_no_fit() -> None:
    with pytest.warns(SkipTestWarning, match="requires input  of type"):  # tables are all that the checks have
        check_estimator(FeatureExtractor(RUN))
    tags = FeatureExtractor(RUN).__sklearn_tags__()
    assert (tags.input_tags.two_d_array, tags.input_tags.three_d_array) == (False, True)
    assert not tags.requires_fit
    assert tags.transformer_tags.preserves_dtype == ["float32"]
    check_is_fitted(FeatureExtractor(RUN))


# --- with the tools that people use ---------------------------------------------------------------------------


@pytest.fixture
def images() -> Images:
    """``(60, 8, 8)``: a bright spot, or a bright bar."""
    rng = np.random.default_rng(0)
    pixels = rng.random((60, SIDE, SIDE), np.float32) * 0.4
    pixels[::2, 3:5, 3:5] += 0.5
    pixels[1::2, 3] += 0.5
    return pixels


@pytest.fixture
def labels() -> NDArray[np.int64]:
    return np.arange(60) % 2


def pipeline(path: Path = RUN) -> Pipeline:
    return Pipeline(
        [("features", FeatureExtractor(path)), ("scale", StandardScaler()), ("probe", LogisticRegression())]
    )


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_grid_search_chooses_among_heads(images: Images, labels: NDArray[np.int64], jobs: int) -> None:
    heads = ["mean", "max", "gram", "correlation", None]
    grid = {"features__head": heads, "probe__C": [0.1, 10.0]}
    search = GridSearchCV(pipeline(), grid, cv=3, n_jobs=jobs, error_score="raise").fit(images, labels)
    assert search.best_score_ > 0.8
    assert search.best_estimator_["features"].head == search.best_params_["features__head"]
    scores = dict(zip(map(str, search.cv_results_["params"]), search.cv_results_["mean_test_score"], strict=True))
    for C in grid["probe__C"]:  # None is the run's own head, which is gram
        own, named = ({"features__head": head, "probe__C": C} for head in (None, "gram"))
        assert scores[str(own)] == scores[str(named)]
    alone = clone(pipeline()).set_params(**search.best_params_).fit(images, labels)
    assert np.array_equal(search.predict_proba(images), alone.predict_proba(images))


def test_a_grid_over_runs_that_are_not_there_says_so(images: Images, labels: NDArray[np.int64]) -> None:
    search = GridSearchCV(pipeline(), {"features__path": [RUN, RUN / "gone"]}, cv=2, error_score="raise")
    with pytest.raises(CheckpointError, match="gone: no such directory"):
        search.fit(images, labels)


def test_a_pipeline_written_to_a_file_carries_the_weights(
    images: Images, labels: NDArray[np.int64], tmp_path: Path
) -> None:
    run = Path(shutil.copytree(RUN, tmp_path / "run"))
    fitted = pipeline(run).fit(images, labels)
    expected = fitted.predict_proba(images)
    joblib.dump(fitted, tmp_path / "pipeline.joblib")
    shutil.rmtree(run)
    assert np.array_equal(joblib.load(tmp_path / "pipeline.joblib").predict_proba(images), expected)


def test_a_clone_shares_nothing_with_a_loaded_extractor_but_its_parameters() -> None:
    extractor = eqae.load_extractor(RUN, head="mean", layout="NHW")
    copy = clone(extractor)
    assert vars(copy) == extractor.get_params()
    assert copy.get_params() == {"path": RUN, "head": "mean", "layout": "NHW", "batch_size": 256}
    assert set(inspect.signature(FeatureExtractor).parameters) == set(copy.get_params())
    with pytest.raises(ValueError, match="Invalid parameter 'heads'"):
        copy.set_params(heads="mean")


def test_features_of_two_heads_stand_side_by_side(images: Images) -> None:
    union = FeatureUnion([(head, FeatureExtractor(RUN, head=head)) for head in ("mean", "gram")]).fit(images)
    features = union.transform(images)
    assert features.dtype == np.float32
    names = list(union.get_feature_names_out())
    assert (features.shape, len(names)) == ((60, 9), 9)
    assert (names[0], names[3]) == ("mean__mean0", "gram__gram_0_0")


def test_images_may_be_passed_by_scikit_learns_name(images: Images) -> None:
    extractor = FeatureExtractor(RUN)
    assert np.array_equal(extractor.transform(X=images), extractor.fit_transform(X=images, y=None))


def test_a_table_of_pixels_is_refused_with_the_line_that_mends_it(images: Images) -> None:
    with pytest.raises(DataError, match=r"images\.reshape\(-1, 8, 8\)"):
        pipeline().fit(images.reshape(60, -1), np.arange(60) % 2)


def test_features_come_as_a_data_frame_when_asked_for(images: Images, labels: NDArray[np.int64]) -> None:
    pandas = pytest.importorskip("pandas")
    extractor = FeatureExtractor(RUN).set_output(transform="pandas")
    frame = extractor.fit_transform(images)
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame.columns) == list(extractor.get_feature_names_out())
    assert set(frame.dtypes) == {np.dtype(np.float32)}
    assert np.array_equal(frame.to_numpy(), FeatureExtractor(RUN).transform(images))
    assert isinstance(clone(extractor).transform(images), pandas.DataFrame)
    scaled = pipeline()[:-1].set_output(transform="pandas").fit_transform(images)
    assert list(scaled.columns) == list(frame.columns)
    back = extractor.set_output(transform="default").transform(images)
    assert isinstance(back, np.ndarray)


def test_it_has_a_picture_for_notebooks() -> None:
    assert "FeatureExtractor" in eqae.load_extractor(RUN)._repr_html_()
    assert "LogisticRegression" in pipeline()._repr_html_()
