from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from evidence_factory import make_features
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import log_softmax, softmax
from sklearn.metrics import brier_score_loss, log_loss
from torchmetrics.functional.classification import binary_calibration_error

from eqae.evaluation.evidence import Evidence, NotAvailable, Score
from eqae.evaluation.representation import calibration
from eqae.evaluation.representation.calibration import (
    SCALED,
    evaluate_calibration,
    expected_calibration_error,
    fit_temperature,
)

MakeEvidence = Callable[..., Evidence]


def found(evidence: Evidence) -> dict[tuple[str, str], Score]:
    return {(score.metric, score.condition): score for score in evaluate_calibration(evidence).scores}


@given(st.lists(st.tuples(st.floats(0.01, 0.99), st.booleans()), min_size=1, max_size=40))
def test_the_error_is_that_of_torchmetrics(pairs: list[tuple[float, bool]]) -> None:
    # Both judge confidence in a yes, so that right means yes; edges of bins are avoided, being a matter of taste.
    confidence = np.array([round(c * 150) / 150 + 1 / 400 for c, _ in pairs])
    right = np.array([yes for _, yes in pairs])
    expected = binary_calibration_error(torch.tensor(confidence), torch.tensor(right).long(), n_bins=15)
    assert expected_calibration_error(confidence, right) == pytest.approx(float(expected), abs=1e-6)


def test_errors_known_by_hand() -> None:
    assert expected_calibration_error(np.ones(10), np.ones(10, bool)) == 0
    assert expected_calibration_error(np.ones(10), np.arange(10) < 7) == pytest.approx(0.3)
    two_bins = np.array([0.5, 0.5, 0.9, 0.9])
    assert expected_calibration_error(two_bins, np.array([1, 1, 1, 0], bool)) == pytest.approx((0.5 + 0.4) / 2)


@pytest.mark.parametrize("factor", [0.5, 2.0, 5.0])
def test_the_temperature_undoes_a_factor_on_calibrated_logits(factor: float) -> None:
    rng = np.random.default_rng(0)
    logits = 1.5 * rng.standard_normal((20000, 4))
    truth = (softmax(logits, axis=1).cumsum(axis=1) < rng.random((20000, 1))).sum(axis=1)
    assert fit_temperature(factor * logits, truth) == pytest.approx(factor, rel=0.05)
    confidence = softmax(logits, axis=1).max(axis=1)
    assert expected_calibration_error(confidence, logits.argmax(axis=1) == truth) < 0.015


def test_the_temperature_stays_finite_for_perfect_and_for_useless_logits() -> None:
    assert 1 / 51 < fit_temperature(5 * np.eye(4), np.arange(4)) < 51
    assert 1 / 51 < fit_temperature(np.eye(4), np.arange(4)[::-1].copy()) < 51


def test_losses_are_those_of_scikit_learn(make_evidence: MakeEvidence, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    real = calibration._scores

    def spy(logits: np.ndarray, truth: np.ndarray, condition: str, seed: int):  # type: ignore[no-untyped-def]
        seen.append((condition, logits, truth))
        return real(logits, truth, condition, seed)

    monkeypatch.setattr(calibration, "_scores", spy)
    measured = found(make_evidence(separation=0.4))
    assert [condition for condition, _, _ in seen] == ["", SCALED]
    for condition, logits, truth in seen:
        shares = softmax(logits, axis=1)
        brier = brier_score_loss(truth, shares, scale_by_half=False, labels=[0, 1, 2])
        assert measured["brier_score", condition].value == pytest.approx(brier)
        assert measured["negative_log_likelihood", condition].value == pytest.approx(log_loss(truth, shares))
        assert np.isfinite(log_softmax(logits, axis=1)).all()


def test_the_test_images_do_not_set_the_temperature(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence(separation=0.4)
    shuffled = replace(evidence.test, labels=np.roll(evidence.test.labels, 1))
    a, b = found(evidence)["temperature", ""], found(replace(evidence, test=shuffled))["temperature", ""]
    assert a.value == b.value
    assert a.n == 30


def test_a_probe_that_has_learnt_noise_by_heart_is_too_sure() -> None:
    rng = np.random.default_rng(0)
    values, labels = rng.standard_normal((400, 300)), np.arange(400) % 2
    train, test = (make_features(part, kinds) for part, kinds in ((values[:200], labels[:200]), (values, labels)))
    half = replace(test, values=test.values[200:], labels=test.labels[200:])
    measured = found(Evidence("m", "d", "C1", 0, train, half))
    assert measured["temperature", ""].value > 3
    before = measured["expected_calibration_error", ""].value
    assert before > 0.2
    assert measured["expected_calibration_error", SCALED].value < before


def test_the_diagram_holds_every_image_once(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence(separation=0.4)
    drawing = evaluate_calibration(evidence).drawings["reliability"]
    for prefix in ("", "scaled_"):
        images = np.array(drawing[f"{prefix}images"])
        gaps = np.abs(np.array(drawing[f"{prefix}accuracy"]) - drawing[f"{prefix}confidence"])
        assert images.sum() == 90
        value = found(evidence)["expected_calibration_error", SCALED if prefix else ""].value
        assert np.nansum(gaps * images) / 90 == pytest.approx(value)


def test_too_little_to_fit_on_says_so(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence()
    for labels in (np.full(120, -1), np.zeros(120, np.int64)):
        with pytest.raises(NotAvailable):
            evaluate_calibration(replace(evidence, train=replace(evidence.train, labels=labels)))
    strangers = replace(evidence.test, labels=np.full(90, 77))
    with pytest.raises(NotAvailable, match="no test images"):
        evaluate_calibration(replace(evidence, test=strangers))
