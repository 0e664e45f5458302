"""The evaluator of decision regions: what it says of images whose places are known, and its pictures."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from evidence_factory import make_features
from scipy.spatial.distance import pdist
from scipy.stats import entropy, spearmanr
from sklearn.metrics import roc_auc_score

from eqae.evaluation.evidence import Evidence, Findings, NotAvailable, Score
from eqae.evaluation.geometry.region_evaluation import evaluate_regions
from eqae.evaluation.linear_probe import linear_probe

MakeEvidence = Callable[..., Evidence]


def scores(findings: Findings) -> dict[str, Score]:
    return {score.metric: score for score in findings.scores}


def slow_distances(evidence: Evidence) -> np.ndarray:
    """By the definition, one image and one class at a time, over the median distance."""
    probe = linear_probe(evidence)
    points = probe.standardize(evidence.test.upright).astype(np.float64)
    found = []
    for point in points:
        logits = probe.weights @ point + probe.bias
        own = int(logits.argmax())
        found.append(
            min(
                (logits[own] - logits[k]) / np.linalg.norm(probe.weights[own] - probe.weights[k])
                for k in range(len(logits))
                if k != own
            )
        )
    return np.array(found) / np.median(pdist(points))


def test_scores_are_those_of_the_definitions(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence(separation=1.0)
    found, distances = scores(evaluate_regions(evidence)), slow_distances(evidence)
    probe, labels = linear_probe(evidence), evidence.test.labels
    wrong = probe.predict(evidence.test.upright) != labels
    assert found["boundary_distance"].value == pytest.approx(distances.mean(), rel=1e-9)
    assert found["boundary_distance_correct"].value == pytest.approx(distances[~wrong].mean(), rel=1e-9)
    assert found["boundary_distance_wrong"].value == pytest.approx(distances[wrong].mean(), rel=1e-9)
    assert found["boundary_distance_wrong"].n == wrong.sum() > 0
    assert found["boundary_auc"].value == pytest.approx(roc_auc_score(wrong, -distances))
    logits = probe.logits(evidence.test.upright)
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    expected = spearmanr(distances, entropy(shares, axis=1)).statistic
    assert found["margin_entropy_correlation"].value == pytest.approx(expected, abs=1e-9)
    assert found["region_adjacent_share"].n == 3
    np.testing.assert_allclose(found["boundary_distance"].samples, distances, rtol=1e-9)


def test_scaling_and_moving_features_change_nothing(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence(separation=1.0, code=None)
    moved = replace(
        evidence,
        train=make_features(8 * evidence.train.upright + 2, evidence.train.labels),
        test=make_features(8 * evidence.test.upright + 2, evidence.test.labels),
    )
    found, expected = scores(evaluate_regions(moved)), scores(evaluate_regions(evidence))
    for metric, score in expected.items():
        assert found[metric].value == pytest.approx(score.value, abs=2e-3), metric


def test_features_that_are_never_negative_have_a_longer_way(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence(separation=1.0)
    assert "boundary_distance_nonnegative" not in scores(evaluate_regions(evidence))
    rectified = replace(
        evidence,
        train=make_features(np.maximum(evidence.train.upright, 0), evidence.train.labels),
        test=make_features(np.maximum(evidence.test.upright, 0), evidence.test.labels),
    )
    found = scores(evaluate_regions(rectified))
    free, bounded = found["boundary_distance"].samples, found["boundary_distance_nonnegative"].samples
    assert free is not None
    assert bounded is not None
    assert np.all(~(bounded < free - 1e-9))
    assert (bounded > 1.001 * free).any()


def test_missing_labels_leave_what_needs_none(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence()
    unlabelled = replace(evidence, test=make_features(evidence.test.upright, np.full(90, -1)))
    found = scores(evaluate_regions(unlabelled))
    assert found["boundary_distance"].n == 90
    for metric in ("boundary_distance_correct", "boundary_distance_wrong", "boundary_auc", "region_purity"):
        assert math.isnan(found[metric].value)
        assert found[metric].note
    with pytest.raises(NotAvailable, match="classes"):
        evaluate_regions(make_evidence(labelled=False))


def test_features_that_do_not_differ_are_refused(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence()
    constant = make_features(np.ones((90, 6)), evidence.test.labels)
    with pytest.raises(NotAvailable, match="differ"):
        evaluate_regions(replace(evidence, test=constant))


def test_films_show_what_was_decoded(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence(separation=1.0)
    drawings = evaluate_regions(evidence, pictures=5, frames=4).drawings
    film, morph = drawings["boundary_film"], drawings["morph_film"]
    assert film["images"].shape == (5, 4, 1, 8, 8)
    assert film["images"].dtype == np.uint8
    assert len(film["rows"]) == 5
    assert {row["truth"] == row["said"] for row in film["rows"]} == {True, False}
    assert all(row["said"] != row["across"] for row in film["rows"])
    assert evidence.pixels is not None
    originals = evidence.pixels.test.pixels.numpy()
    for row in film["images"][:, 0]:
        assert (originals == row).all(axis=(1, 2, 3)).any()
    assert morph["frames"].shape == (4, 1, 8, 8)
    assert morph["labels"][0] != morph["labels"][-1]


def test_images_are_found_by_their_index(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence()
    assert evidence.pixels is not None
    assert evidence.code is not None
    some = np.arange(0, 90, 2)
    test = replace(evidence.test, values=evidence.test.values[some], labels=evidence.test.labels[some], index=some)
    half = replace(evidence, test=test, code=replace(evidence.code, test=evidence.code.test[some]))
    shown = evaluate_regions(half, pictures=4).drawings["boundary_film"]["images"][:, 0]
    even = evidence.pixels.test.pixels.numpy()[some]
    assert all((even == image).all(axis=(1, 2, 3)).any() for image in shown)


def test_large_coloured_images_become_small(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence()
    assert evidence.code is not None
    code = replace(evidence.code, decode=lambda vectors: np.full((len(vectors), 3, 200, 100), np.nan, np.float32))
    assert evidence.pixels is not None
    pixels = evidence.pixels
    large = pixels.test.pixels.repeat(1, 3, 25, 13)[..., :100]
    pixels = replace(pixels, test=replace(pixels.test, pixels=large))
    film = evaluate_regions(replace(evidence, code=code, pixels=pixels)).drawings["boundary_film"]
    assert film["images"].shape == (6, 4, 3, 64, 32)


@pytest.mark.parametrize("missing", ["code", "pixels"])
def test_without_a_decoder_or_images_there_are_no_films_but_all_figures(
    make_evidence: MakeEvidence, missing: str
) -> None:
    evidence = make_evidence(separation=1.0)
    whole, part = evaluate_regions(evidence), evaluate_regions(replace(evidence, **{missing: None}))
    assert part.scores == whole.scores
    assert set(part.drawings) == {"boundary_distances"}
    assert set(evaluate_regions(evidence, pictures=0).drawings) == {"boundary_distances"}


def test_histograms_count_every_image_once(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence(separation=1.0)
    drawing = evaluate_regions(evidence).drawings["boundary_distances"]
    assert sum(drawing["correct"]) + sum(drawing["wrong"]) == 90
    assert sum(drawing["wrong"]) == scores(evaluate_regions(evidence))["boundary_distance_wrong"].n
