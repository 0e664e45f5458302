"""The evaluator of hulls, its controls, and the map to few dimensions."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from evidence_factory import make_features
from hypothesis import given, settings
from hypothesis import strategies as st

from eqae.data.base import Dataset, Images
from eqae.evaluation.evidence import Evidence, Findings, NotAvailable, Score
from eqae.evaluation.geometry.class_hulls import class_hull_distances, nearest_hull_hits, own_and_other
from eqae.evaluation.geometry.controls import gaussian_control, permuted_control
from eqae.evaluation.geometry.hull import project_on_hull
from eqae.evaluation.geometry.hull_evaluation import evaluate_hulls
from eqae.evaluation.geometry.pixel_twin import flat_pixels
from eqae.evaluation.geometry.principal import fit_principal_map
from eqae.evaluation.geometry.scales import median_distance, median_neighbour_distance
from eqae.evaluation.linear_probe import fit_probe, linear_probe
from eqae.evaluation.preprocessing import compress
from eqae.evaluation.sampling import spread_evenly

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
    assert {condition for _, condition in found} == {"4-d", "8-d", "pixels, 4-d", "pixels, 8-d", ""}
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
    assert evidence.pixels is not None
    evidence = replace(evidence, test=evidence.train, pixels=replace(evidence.pixels, test=evidence.pixels.train))
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
    for metric in ("hull_distance", "hull_inside_share", "own_hull_distance", "other_hull_distance"):
        assert found[metric, "6-d"].value == pytest.approx(expected[metric, "6-d"].value, rel=1e-3)


def test_without_labels_there_are_hulls_but_no_classes(make_evidence: MakeEvidence) -> None:
    labelled, unlabelled = make_evidence(separation=1.0), make_evidence(separation=1.0, labelled=False)
    found, expected = scores(evaluate_hulls(unlabelled)), scores(evaluate_hulls(labelled))
    for metric in ("hull_distance", "hull_inside_share", "hull_distance_gaussian", "hull_control_ratio"):
        assert found[metric, "6-d"].value == expected[metric, "6-d"].value
    for metric in (
        "hull_label_purity", "nearest_hull_accuracy", "own_hull_distance", "other_hull_distance",
        "own_hull_inside_share", "own_hull_distance_gaussian", "hull_distance_correct", "hull_distance_wrong",
        "hull_boundary_ratio",
    ):  # fmt: skip
        assert math.isnan(found[metric, "6-d"].value)
        assert found[metric, "6-d"].note


def test_samples_stand_where_the_images_stand(make_evidence: MakeEvidence) -> None:
    score = scores(evaluate_hulls(make_evidence(separation=1.0), test_images=9))["hull_distance", "6-d"]
    assert score.samples is not None
    assert np.flatnonzero(np.isfinite(score.samples)).tolist() == sorted(spread_evenly(90, 9).tolist())
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


def test_every_image_is_inside_outside_or_undecided(
    make_evidence: MakeEvidence, monkeypatch: pytest.MonkeyPatch
) -> None:
    evidence = make_evidence(separation=1.0)
    verdicts = ("hull_inside_share", "hull_certified_outside_share", "hull_undecided_share")
    found = scores(evaluate_hulls(evidence))
    inside, outside, undecided = (found[metric, "6-d"].value for metric in verdicts)
    assert 0 < inside < 1
    assert undecided == 0
    assert inside + outside == pytest.approx(1)
    monkeypatch.setattr("eqae.evaluation.geometry.hull._ITERATIONS_A_DIMENSION", 0)
    found = scores(evaluate_hulls(evidence))
    early = [found[metric, "6-d"].value for metric in verdicts]
    assert early[0] == 0
    assert early[1] <= outside + 1e-12
    assert early[2] >= inside - 1e-12
    assert sum(early) == pytest.approx(1)


def test_class_hulls_and_answers_are_those_of_the_definitions(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence(separation=0.7)
    found, labels, truth = scores(evaluate_hulls(evidence)), evidence.train.labels, evidence.test.labels
    principal = fit_principal_map(evidence.train.upright, 6, 0)
    vertices, queries = principal(evidence.train.upright), principal(evidence.test.upright)
    scale = median_distance(vertices)
    hulls = [project_on_hull(queries, vertices[labels == label]).distances for label in range(3)]
    own = np.array([hulls[label][place] for place, label in enumerate(truth)])
    other = np.array([min(hulls[k][place] for k in range(3) if k != label) for place, label in enumerate(truth)])
    samples = found["own_hull_distance", "6-d"].samples
    assert samples is not None
    np.testing.assert_allclose(samples, own / scale, atol=1e-9)
    assert found["other_hull_distance", "6-d"].value == pytest.approx(other.mean() / scale)
    assert found["own_hull_inside_share", "6-d"].value == (own < 1e-6).mean()
    matrix = evaluate_hulls(evidence).drawings["hull_class_distances"]["distances"]
    expected = [[hull[truth == label].mean() / scale for hull in hulls] for label in range(3)]
    np.testing.assert_allclose(matrix, expected, rtol=1e-6)
    wrong = fit_probe(vertices.astype(np.float32), labels, 0).predict(queries.astype(np.float32)) != truth
    relative = project_on_hull(queries, vertices).distances / scale
    for ending, members in (("correct", ~wrong), ("wrong", wrong)):
        score = found[f"hull_distance_{ending}", "6-d"]
        assert score.n == members.sum() > 0
        assert score.value == pytest.approx(relative[members].mean())


def test_gaussian_classes_are_their_own_control() -> None:
    rng = np.random.default_rng(0)
    shape = rng.standard_normal((2, 8, 8))

    def draw(count: int) -> np.ndarray:
        return np.stack([rng.standard_normal(8) @ shape[i % 2] + 5 * (i % 2) for i in range(count)])

    found = scores(evaluate_hulls(evidence_of(draw(800), draw(300))))
    own, control = found["own_hull_distance", "8-d"], found["own_hull_distance_gaussian", "8-d"]
    assert own.value == pytest.approx(control.value, rel=0.25)
    assert control.samples is None
    assert own.value < found["other_hull_distance", "8-d"].value


def test_a_class_without_a_hull_has_no_own_one() -> None:
    own, other = own_and_other(np.array([[1.0, 2.0], [3.0, 0.5]]), np.array([4, 7]), np.array([7, 5]))
    np.testing.assert_array_equal(own, [2, np.nan])
    np.testing.assert_array_equal(other, [1, np.nan])


def test_a_model_that_answers_pixels_is_its_own_pixel_twin(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence()
    pixels = evidence.pixels
    assert pixels is not None
    features = [images.batch(slice(None)).flatten(1).numpy() for images in (pixels.train, pixels.test)]
    evidence = replace(
        evidence,
        train=make_features(features[0], evidence.train.labels),
        test=make_features(features[1], evidence.test.labels),
    )
    found = scores(evaluate_hulls(evidence, dimensions=(4, 8, 16)))
    for width in (8, 16):
        condition = f"pixels, {width}-d"
        own, twin = found["hull_inside_share", f"{width}-d"], found["hull_inside_share", condition]
        np.testing.assert_array_equal(own.samples, twin.samples)
        ratio = found["hull_control_ratio", condition].value
        assert ratio == pytest.approx(found["hull_control_ratio", f"{width}-d"].value, rel=0.5)
    assert ("hull_control_ratio", "pixels, 4-d") not in found  # two dimensions are enough


def test_pixels_are_found_by_the_index_of_the_images(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence(separation=1.0)
    pixels = evidence.pixels
    assert pixels is not None
    moved = replace(
        evidence,
        test=replace(evidence.test, index=(np.arange(90) + 5) % 90),
        pixels=Dataset("m", pixels.train, Images(pixels.test.pixels.roll(5, 0), pixels.test.labels.roll(5)), ()),
    )
    key = "hull_inside_share", "pixels, 6-d"
    np.testing.assert_array_equal(
        scores(evaluate_hulls(moved))[key].samples, scores(evaluate_hulls(evidence))[key].samples
    )


@pytest.mark.parametrize("grey", [False, True])
def test_pixels_that_are_not_there_or_do_not_differ_give_rows_without_a_value(
    make_evidence: MakeEvidence, grey: bool
) -> None:
    evidence = make_evidence()
    assert evidence.pixels is not None
    flat = Images(torch.zeros_like(evidence.pixels.train.pixels), evidence.pixels.train.labels)
    found = scores(evaluate_hulls(replace(evidence, pixels=replace(evidence.pixels, train=flat) if grey else None)))
    for metric in ("hull_control_ratio", "hull_inside_share"):
        score = found[metric, "pixels, 6-d"]
        assert math.isnan(score.value)
        assert ("span" if grey else "at hand") in score.note


def test_large_images_are_averaged_down() -> None:
    pixels = torch.arange(3 * 128 * 128, dtype=torch.float32).reshape(1, 3, 128, 128) / (3 * 128 * 128)
    flat = flat_pixels(Images(pixels, torch.zeros(1, dtype=torch.int64)), np.zeros(300, np.int64))
    assert flat.shape[0] == 300
    assert 3000 < flat.shape[1] <= 4096
    assert flat.mean() == pytest.approx(float(pixels.mean()), rel=1e-2)
    small = torch.rand(1, 1, 8, 8)
    alone = flat_pixels(Images(small, torch.zeros(1, dtype=torch.int64)), np.array([0]))
    np.testing.assert_allclose(alone, small.flatten(1).numpy(), atol=1e-7)
