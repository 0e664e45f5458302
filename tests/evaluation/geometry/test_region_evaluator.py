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

from eqae.evaluation.cluster_metrics import contingency, purity
from eqae.evaluation.evidence import Evidence, Findings, NotAvailable, Score
from eqae.evaluation.geometry.boundary import boundary_points, bounded_distances, nearest_boundary
from eqae.evaluation.geometry.class_distances import region_distances
from eqae.evaluation.geometry.region_evaluation import evaluate_regions
from eqae.evaluation.geometry.regions import probe_regions
from eqae.evaluation.linear_probe import linear_probe
from eqae.evaluation.report.vocabulary import metric_wording

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
        assert found[metric].value == pytest.approx(score.value, abs=2e-3, nan_ok=True), metric


def rectified(evidence: Evidence) -> Evidence:
    train, test = (np.maximum(split.upright, 0) for split in (evidence.train, evidence.test))
    return replace(
        evidence, train=make_features(train, evidence.train.labels), test=make_features(test, evidence.test.labels)
    )


NONNEGATIVE = ("boundary_distance_nonnegative", "boundary_unreachable_share", "boundary_negative_share")


def test_features_that_are_never_negative_have_a_longer_way(make_evidence: MakeEvidence) -> None:
    evidence = rectified(make_evidence(separation=1.0))
    found, probe = scores(evaluate_regions(evidence)), linear_probe(evidence)
    points = probe.standardize(evidence.test.upright).astype(np.float64)
    low = probe.standardize(np.zeros((1, 6), np.float32))[0].astype(np.float64)
    regions = probe_regions(probe)
    bounded = bounded_distances(regions, points, low) / np.median(pdist(points))
    assert found[NONNEGATIVE[0]].value == pytest.approx(np.median(bounded))
    assert found[NONNEGATIVE[0]].value > np.median(slow_distances(evidence))
    assert found[NONNEGATIVE[1]].value == np.isinf(bounded).mean()
    nearest = boundary_points(regions, points, nearest_boundary(regions, points))
    assert found[NONNEGATIVE[2]].value == pytest.approx((nearest < low - 1e-6).any(axis=1).mean())
    assert 0 < found[NONNEGATIVE[2]].value < 1


def test_features_that_can_be_negative_say_so(make_evidence: MakeEvidence) -> None:
    found = scores(evaluate_regions(make_evidence(separation=1.0)))
    for metric in NONNEGATIVE:
        assert math.isnan(found[metric].value)
        assert "negative" in found[metric].note


@pytest.mark.parametrize(("unreachable", "expected"), [(20, 5.0), (60, math.nan)])
def test_images_out_of_reach_are_the_furthest(
    make_evidence: MakeEvidence, monkeypatch: pytest.MonkeyPatch, unreachable: int, expected: float
) -> None:
    evidence = rectified(make_evidence(separation=1.0))
    points = linear_probe(evidence).standardize(evidence.test.upright).astype(np.float64)
    distances = np.where(np.arange(90) < unreachable, np.inf, np.where(np.arange(90) < 60, 5.0, 1.0))
    distances[60:65] = 5.0
    distances *= np.median(pdist(points))
    monkeypatch.setattr(f"{evaluate_regions.__module__}.bounded_distances", lambda *_: distances)
    found = scores(evaluate_regions(evidence))
    assert found[NONNEGATIVE[0]].value == pytest.approx(expected, nan_ok=True)
    assert ("reach" in found[NONNEGATIVE[0]].note) == math.isnan(expected)
    assert found[NONNEGATIVE[1]].value == pytest.approx(unreachable / 90)


def test_distances_between_classes_are_means_over_right_answers(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence(separation=1.0)
    drawing = evaluate_regions(evidence).drawings["class_distances"]
    assert drawing["classes"] == ["kind 0", "kind 1", "kind 2"]
    assert np.isnan(np.diag(drawing["distances"])).all()
    probe, labels = linear_probe(evidence), evidence.test.labels
    points = probe.standardize(evidence.test.upright).astype(np.float64)
    distances = region_distances(probe_regions(probe), points) / np.median(pdist(points))
    right = probe.predict(evidence.test.upright) == labels
    assert drawing["distances"][1, 2] == pytest.approx(distances[right & (labels == 1), 2].mean())
    np.testing.assert_allclose(np.partition(distances, 1, axis=1)[:, 1], slow_distances(evidence), rtol=1e-7)


def test_many_classes_and_no_right_answers_give_no_matrix(make_evidence: MakeEvidence) -> None:
    assert "class_distances" not in evaluate_regions(make_evidence(classes=21, train=126)).drawings
    evidence = make_evidence()
    unlabelled = replace(evidence, test=make_features(evidence.test.upright, np.full(90, -1)))
    assert "class_distances" not in evaluate_regions(unlabelled).drawings


def test_purity_and_auc_are_those_that_exist(make_evidence: MakeEvidence, monkeypatch: pytest.MonkeyPatch) -> None:
    evidence = make_evidence(separation=1.0)
    said = linear_probe(evidence).predict(evidence.test.upright)
    assert scores(evaluate_regions(evidence))["region_purity"].value == purity(contingency(said, evidence.test.labels))
    monkeypatch.setattr(f"{evaluate_regions.__module__}.purity", lambda tables: np.full(tables.shape[:-2], 0.25))
    monkeypatch.setattr(f"{evaluate_regions.__module__}.roc_auc_score", lambda *_: 0.75)
    found = scores(evaluate_regions(evidence))
    assert found["region_purity"].value == 0.25
    assert found["boundary_auc"].value == 0.75


def test_every_score_of_rectified_features_has_a_value_and_a_wording(make_evidence: MakeEvidence) -> None:
    for score in evaluate_regions(rectified(make_evidence(separation=1.0, train=300))).scores:
        assert not score.note, f"{score.metric}: {score.note}"
        assert metric_wording(score.metric).note != score.metric, f"{score.metric} has no wording"


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
    train, test = (
        replace(images, pixels=images.pixels.repeat(1, 3, 25, 13)[..., :100]) for images in (pixels.train, pixels.test)
    )
    pixels = replace(pixels, train=train, test=test)
    film = evaluate_regions(replace(evidence, code=code, pixels=pixels)).drawings["boundary_film"]
    assert film["images"].shape == (6, 4, 3, 64, 32)


@pytest.mark.parametrize("missing", ["code", "pixels"])
def test_without_a_decoder_or_images_there_are_no_films_but_all_figures(
    make_evidence: MakeEvidence, missing: str
) -> None:
    evidence = make_evidence(separation=1.0)
    whole, part = evaluate_regions(evidence), evaluate_regions(replace(evidence, **{missing: None}))
    assert [str(score) for score in part.scores] == [str(score) for score in whole.scores]
    figures = {"boundary_distances", "class_distances"}
    assert set(part.drawings) == figures
    assert set(evaluate_regions(evidence, pictures=0).drawings) == figures


def test_histograms_count_every_image_once(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence(separation=1.0)
    drawing = evaluate_regions(evidence).drawings["boundary_distances"]
    assert sum(drawing["correct"]) + sum(drawing["wrong"]) == 90
    assert sum(drawing["wrong"]) == scores(evaluate_regions(evidence))["boundary_distance_wrong"].n
