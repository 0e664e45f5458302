"""The evaluator of hulls, its controls, and the map to few dimensions."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from evidence_factory import make_features
from hypothesis import given, settings
from hypothesis import strategies as st

from eqae.evaluation.evidence import Evidence, Findings, NotAvailable, Score
from eqae.evaluation.geometry.class_hulls import class_hull_distances, nearest_hull_hits
from eqae.evaluation.geometry.controls import gaussian_control, permuted_control
from eqae.evaluation.geometry.hull import project_on_hull
from eqae.evaluation.geometry.hull_evaluation import evaluate_hulls
from eqae.evaluation.geometry.principal import fit_principal_map
from eqae.evaluation.geometry.scales import median_distance, median_neighbour_distance
from eqae.evaluation.linear_probe import linear_probe
from eqae.evaluation.preprocessing import compress

MakeEvidence = Callable[..., Evidence]


def scores(findings: Findings) -> dict[tuple[str, str], Score]:
    return {(score.metric, score.condition): score for score in findings.scores}


def evidence_of(train: np.ndarray, test: np.ndarray, classes: int = 2) -> Evidence:
    labels = np.arange(len(train)) % classes, np.arange(len(test)) % classes
    return Evidence("m", "d", "C1", 0, make_features(train, labels[0]), make_features(test, labels[1]))


def test_scores_are_those_of_the_definitions(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence(separation=1.0, width=12)
    found = scores(evaluate_hulls(evidence, dimensions=(4, 8, 100), class_dimension=4))
    principal = fit_principal_map(evidence.train.upright, 12, 0)
    vertices, queries = principal(evidence.train.upright), principal(evidence.test.upright)
    assert {condition for _, condition in found} == {"4-d", "8-d", ""}
    for width in (4, 8):
        projection = project_on_hull(queries[:, :width], vertices[:, :width])
        relative = projection.distances / median_distance(vertices[:, :width])
        inside = projection.distances < 1e-6
        assert found["hull_distance", f"{width}-d"].value == pytest.approx(relative.mean(), rel=1e-4)
        assert found["hull_inside_share", f"{width}-d"].value == inside.mean()
        own = evidence.train.labels[projection.index] == evidence.test.labels[:, None]
        purity = (projection.weights * own).sum(axis=1)[~inside].mean()
        assert found["hull_label_purity", f"{width}-d"].value == pytest.approx(purity, abs=1e-4)
        assert found["hull_active_vertices", f"{width}-d"].n == (~inside).sum()
    right = linear_probe(evidence).predict(evidence.train.upright) == evidence.train.labels
    assert found["class_hulls_pure_share", ""].value == pytest.approx(right.mean())


def test_a_gaussian_is_its_own_control() -> None:
    rng = np.random.default_rng(0)
    shape = rng.standard_normal((8, 8))
    evidence = evidence_of(rng.standard_normal((800, 8)) @ shape, rng.standard_normal((300, 8)) @ shape)
    found = scores(evaluate_hulls(evidence))
    excess, ratio = found["hull_inside_excess", "8-d"], found["hull_control_ratio", "8-d"]
    assert excess.low is not None
    assert excess.high is not None
    assert excess.low <= 0 <= excess.high
    assert ratio.value == pytest.approx(1, abs=0.2)


def test_features_on_a_curve_lie_closer_to_their_hull_than_a_gaussian() -> None:
    rng = np.random.default_rng(0)
    place = rng.uniform(0, 2 * np.pi, 900)
    waves = np.stack([np.cos(k * place + k) for k in range(1, 9)], axis=1) + 0.01 * rng.standard_normal((900, 8))
    found = scores(evaluate_hulls(evidence_of(waves[:600], waves[600:])))
    assert found["hull_control_ratio", "8-d"].value < 0.5


def test_test_images_that_were_trained_on_are_inside(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence()
    evidence = replace(evidence, test=evidence.train)
    found = scores(evaluate_hulls(evidence))
    assert found["hull_inside_share", "6-d"].value == 1
    assert found["hull_distance", "6-d"].value == pytest.approx(0, abs=1e-6)
    assert found["hull_active_vertices", "6-d"].note
    assert found["nearest_hull_accuracy", "6-d"].value > 0.9


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_the_scale_of_the_features_does_not_matter(make_evidence: MakeEvidence, scale: float) -> None:
    evidence = make_evidence(separation=1.0, width=10)
    scaled = replace(
        evidence,
        train=make_features(scale * evidence.train.upright, evidence.train.labels),
        test=make_features(scale * evidence.test.upright, evidence.test.labels),
    )
    found, expected = scores(evaluate_hulls(scaled)), scores(evaluate_hulls(evidence))
    for key in expected:
        assert found[key].value == pytest.approx(expected[key].value, rel=1e-2, abs=1e-2), key


def test_constant_features_and_copies_of_features_leave_distances_alone(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence(separation=1.0)

    def padded(values: np.ndarray, labels: np.ndarray) -> Evidence:
        return make_features(np.c_[values, values, np.full(len(values), 3.0)], labels)  # type: ignore[return-value]

    twice = replace(
        evidence,
        train=padded(evidence.train.upright, evidence.train.labels),
        test=padded(evidence.test.upright, evidence.test.labels),
    )
    found, expected = scores(evaluate_hulls(twice)), scores(evaluate_hulls(evidence))
    for metric in ("hull_distance", "hull_inside_share"):
        assert found[metric, "6-d"].value == pytest.approx(expected[metric, "6-d"].value, rel=1e-3)


def test_without_labels_there_are_hulls_but_no_classes(make_evidence: MakeEvidence) -> None:
    labelled, unlabelled = make_evidence(separation=1.0), make_evidence(separation=1.0, labelled=False)
    found, expected = scores(evaluate_hulls(unlabelled)), scores(evaluate_hulls(labelled))
    for metric in ("hull_distance", "hull_inside_share", "hull_distance_gaussian", "hull_control_ratio"):
        assert found[metric, "6-d"].value == expected[metric, "6-d"].value
    for metric in ("hull_label_purity", "nearest_hull_accuracy"):
        assert math.isnan(found[metric, "6-d"].value)
        assert found[metric, "6-d"].note


def test_samples_stand_where_the_images_stand(make_evidence: MakeEvidence) -> None:
    score = scores(evaluate_hulls(make_evidence(separation=1.0), test_images=9))["hull_distance", "6-d"]
    assert score.samples is not None
    assert np.flatnonzero(np.isfinite(score.samples)).tolist() == list(range(0, 90, 10))
    assert score.n == 9


def test_features_that_do_not_differ_are_refused(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence()
    with pytest.raises(NotAvailable, match="differ"):
        evaluate_hulls(replace(evidence, train=make_features(np.ones((120, 6)), evidence.train.labels)))


def test_the_table_holds_a_figure_a_dimension_for_features_and_controls(make_evidence: MakeEvidence) -> None:
    findings = evaluate_hulls(make_evidence(separation=1.0, width=20), dimensions=(2, 4, 16))
    table = findings.drawings["hull_table"]
    assert table["dimensions"] == [2, 4, 16]
    for quantity in ("distance", "inside"):
        assert table[quantity].keys() == {"features", "gaussian", "permuted"}
        for name, values in table[quantity].items():
            metric = f"hull_{quantity}{'_share' if quantity == 'inside' else ''}" + (
                "" if name == "features" else f"_{name}"
            )
            assert values == pytest.approx([scores(findings)[metric, f"{d}-d"].value for d in (2, 4, 16)])


def test_the_nearest_hull_of_separate_classes_is_the_own_one() -> None:
    rng = np.random.default_rng(0)
    centres = 10 * np.eye(3)
    labels = np.arange(60) % 3
    vertices = centres[labels] + 0.1 * rng.standard_normal((60, 3))
    queries = centres + 0.5
    distances = class_hull_distances(queries, vertices, labels, np.arange(3))
    for label in range(3):
        expected = project_on_hull(queries, vertices[labels == label]).distances
        np.testing.assert_array_equal(distances[:, label], expected)
    assert nearest_hull_hits(distances, np.arange(3), np.arange(3), 1e-6).tolist() == [1, 1, 1]
    assert nearest_hull_hits(distances, np.arange(3), np.array([1, 2, 5]), 1e-6).tolist() == [0, 0, 0]


def test_a_tie_is_shared() -> None:
    distances = np.array([[0.0, 1e-9, 1.0], [2.0, 1.0, 1.0]])
    assert nearest_hull_hits(distances, np.array([4, 5, 6]), np.array([4, 4]), 1e-6).tolist() == [0.5, 0]


def test_controls_keep_what_they_promise() -> None:
    rng = np.random.default_rng(0)
    vertices = rng.standard_normal((4000, 3)) @ np.array([[2.0, 1, 0], [0, 1, 1], [0, 0, 0.3]]) + 5
    queries = vertices[:100].copy()
    a, b = gaussian_control(vertices, queries, rng)
    assert (a.shape, b.shape) == (vertices.shape, queries.shape)
    np.testing.assert_allclose(np.cov(a.T), np.cov(vertices.T), atol=0.3)
    np.testing.assert_allclose(a.mean(axis=0), vertices.mean(axis=0), atol=0.15)
    a, b = permuted_control(vertices, queries, rng)
    np.testing.assert_array_equal(np.sort(a, axis=0), np.sort(vertices, axis=0))
    np.testing.assert_array_equal(np.sort(b, axis=0), np.sort(queries, axis=0))
    assert abs(np.corrcoef(a.T)[0, 1]) < 0.1 < np.corrcoef(vertices.T)[0, 1]


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 3), st.integers(1, 12), st.integers(0, 10**6))
def test_the_map_is_compression_and_drops_what_does_not_vary(
    images: int, width: int, constant: int, dimensions: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    features = np.c_[rng.standard_normal((images, width)), np.full((images, constant), 7.0)].astype(np.float32)
    principal = fit_principal_map(features, dimensions, 0)
    kept = len(principal.directions)
    assert kept <= min(dimensions, width, images)
    assert kept == 0 or images > 1
    np.testing.assert_allclose(principal.directions @ principal.directions.T, np.eye(kept), atol=1e-4)
    expected, _ = compress(features, dimensions, 0)
    np.testing.assert_allclose(principal(features), expected[:, :kept], atol=1e-3)


def test_scales_of_known_points() -> None:
    line = np.array([[0.0], [1.0], [3.0]])
    assert median_distance(line) == 2
    assert median_neighbour_distance(line) == 1
    assert median_neighbour_distance(np.repeat(line, 2, axis=0)[:3]) == 1
    for points in (line[:1], np.ones((5, 2))):
        assert math.isnan(median_distance(points))
        assert math.isnan(median_neighbour_distance(points))
