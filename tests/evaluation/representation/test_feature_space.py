from __future__ import annotations

import numpy as np
import pytest
from evidence_factory import make_features

from eqae.evaluation.evidence import Evidence, NotAvailable
from eqae.evaluation.feature_space import feature_space
from eqae.evaluation.preprocessing import vary_by_rounding_alone


def space_of(values: np.ndarray) -> np.ndarray:
    """Which features count, ``(D,)``."""
    features = make_features(values, np.zeros(len(values), np.int64))
    return np.isfinite(feature_space(Evidence("m", "d", "C1", 0, features, features)).scale)


def test_rounding_noise_around_zero_is_no_feature_beside_real_ones() -> None:
    values = np.random.default_rng(0).standard_normal((50, 3)) * [1, 1e-9, 1e-3]
    assert space_of(values).tolist() == [True, False, True]


def test_rounding_noise_around_a_large_mean_is_no_feature() -> None:
    values = np.random.default_rng(0).standard_normal((50, 2)) * [1, 1e-7] + [0, 3]
    assert space_of(values).tolist() == [True, False]


def test_small_features_count_where_all_are_small() -> None:
    assert space_of(1e-9 * np.random.default_rng(0).standard_normal((50, 3))).all()
    with pytest.raises(NotAvailable, match="constant"):
        space_of(np.zeros((50, 3)))


def test_the_unit_does_not_matter() -> None:
    spread, size = np.array([1.0, 1e-9, 1e-5]), np.array([1.0, 1e-9, 2.0])
    for unit in (1e-12, 1.0, 1e12):
        assert vary_by_rounding_alone(unit * spread, unit * size).tolist() == [False, True, False]
