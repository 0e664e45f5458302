import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from eqae.evaluation.retrieval.ranking import precision_at_hits, rank_of_first, recall_threshold, share_below

# Few distinct values, so that ties abound.
similarities = st.lists(st.integers(-3, 3), min_size=1, max_size=12).map(
    lambda values: np.array(values, np.float32) / 7
)


def problem(relevant: np.ndarray, irrelevant: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    truth = np.concatenate([np.ones(len(relevant)), np.zeros(len(irrelevant))])
    return truth, np.concatenate([relevant, irrelevant])


@given(similarities, similarities)
def test_average_precision_and_auc_are_those_of_scikit_learn(relevant: np.ndarray, irrelevant: np.ndarray) -> None:
    truth, scores = problem(relevant, irrelevant)
    assert precision_at_hits(relevant, irrelevant).mean() == pytest.approx(average_precision_score(truth, scores))
    assert share_below(relevant, irrelevant).mean() == pytest.approx(roc_auc_score(truth, scores))


@given(similarities, similarities, st.sampled_from([0.3, 0.5, 0.9, 1.0]))
def test_recall_at_a_precision_is_the_best_point_of_the_curve(
    relevant: np.ndarray, irrelevant: np.ndarray, precision: float
) -> None:
    recall = (relevant >= recall_threshold(relevant, irrelevant, precision)).mean()
    precisions, recalls, _ = precision_recall_curve(*problem(relevant, irrelevant))
    assert recall == pytest.approx(recalls[precisions >= precision].max())


def test_a_ranking_known_by_hand() -> None:
    # Ranking: hit, miss, hit, miss, miss: precisions 1 and 2/3.
    relevant, irrelevant = np.array([0.9, 0.7]), np.array([0.8, 0.6, 0.5])
    assert precision_at_hits(relevant, irrelevant).tolist() == pytest.approx([1, 2 / 3])
    assert share_below(relevant, irrelevant).tolist() == pytest.approx([1, 2 / 3])
    assert rank_of_first(relevant, irrelevant) == 1
    assert rank_of_first(relevant[1:], irrelevant) == 2
    assert recall_threshold(relevant, irrelevant, 0.9) == 0.9
    assert math.isinf(recall_threshold(np.array([0.1]), irrelevant, 0.9))


def test_a_tie_does_not_count_as_found() -> None:
    assert rank_of_first(np.array([0.5]), np.array([0.5, 0.5])) == 3
