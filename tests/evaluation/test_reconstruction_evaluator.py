from collections.abc import Callable

import numpy as np
import pytest

from eqae.evaluation.evidence import Evidence, NotAvailable
from eqae.evaluation.reconstruction import evaluate_reconstruction

MakeEvidence = Callable[..., Evidence]


def test_the_score_is_the_mean_error_and_lower_is_better(make_evidence: MakeEvidence) -> None:
    error = np.array([0.1, 0.2, 0.6], np.float32)
    (score,) = evaluate_reconstruction(make_evidence(reconstruction_error=error)).scores
    assert (score.metric, score.n, score.higher_is_better) == ("reconstruction_mse", 3, False)
    assert score.value == pytest.approx(0.3)
    assert score.low is not None
    assert score.high is not None
    assert 0.1 <= score.low < score.value < score.high <= 0.6 + 1e-6


def test_a_model_without_a_decoder_has_no_score(make_evidence: MakeEvidence) -> None:
    with pytest.raises(NotAvailable, match="no decoder"):
        evaluate_reconstruction(make_evidence(reconstruction_error=None))
