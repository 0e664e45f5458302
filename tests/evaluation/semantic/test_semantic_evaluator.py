from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from evidence_factory import make_maps

from eqae.evaluation.evidence import Evidence, FeatureMaps, NotAvailable, Score
from eqae.evaluation.report.sections.semantic import semantic_section
from eqae.evaluation.report.subject import Subject
from eqae.evaluation.results import Results
from eqae.evaluation.semantic.assignment import match_exactly
from eqae.evaluation.semantic.evaluator import evaluate_semantic
from eqae.evaluation.semantic.similarity import similarities
from eqae.evaluation.semantic.tokens import token_sets

MakeEvidence = Callable[..., Evidence]

IN_EVERY_LAYER = {
    *(f"{kind}_{name}" for kind in ("semantic", "spatial") for name in (
        "retrieval_recall_at_1", "retrieval_recall_at_5", "retrieval_map", "divergence_correlation",
        "divergence_rank_correlation", "scrambled_cosine",
    )),
    "semantic_spatial_cka", "semantic_spatial_gap", "semantic_min_eigenvalue",
}  # fmt: skip
IN_THE_DEEPEST = {
    "semantic_inner_recall_at_1", "semantic_rbf_recall_at_1", "spatial_inner_recall_at_1", "spatial_rbf_recall_at_1",
    "semantic_position_recall_at_1",
}  # fmt: skip


def scores(evidence: Evidence, layer: str, **options: object) -> dict[str, Score]:
    found = evaluate_semantic(evidence, **options).scores  # type: ignore[arg-type]
    return {score.metric: score for score in found if score.condition == layer}


def shifted_classes(evidence: Evidence, images: int = 40) -> FeatureMaps:
    """Maps whose tokens tell the class and whose places tell nothing: every image has them in an order of its own."""
    rng = np.random.default_rng(0)
    index = np.arange(images)
    labels = evidence.test.labels[index]
    values = np.maximum(rng.standard_normal((3, 16, 6, 1)), 0)[labels]
    values = np.stack([image[rng.permutation(16)] for image in values]) + 0.05 * rng.random((images, 16, 6, 1))
    return FeatureMaps(values.astype(np.float16), 4, 4, index, labels)


def test_every_layer_has_every_figure_and_the_deepest_its_contrasts(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence()
    assert set(scores(evidence, "stage 1")) == IN_EVERY_LAYER
    assert set(scores(evidence, "stage 2")) == IN_EVERY_LAYER | IN_THE_DEEPEST
    assert all(not score.note for score in evaluate_semantic(evidence).scores)


def test_matching_sees_classes_that_positions_hide(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence()
    found = scores(replace(evidence, maps={"only": shifted_classes(evidence)}), "only")
    assert found["semantic_retrieval_recall_at_1"].value == 1
    assert found["semantic_retrieval_map"].value == pytest.approx(1)
    assert found["spatial_retrieval_map"].value < 0.7
    assert found["semantic_divergence_correlation"].value < -0.9
    assert found["semantic_divergence_correlation"].value < found["spatial_divergence_correlation"].value - 0.3
    assert found["semantic_scrambled_cosine"].value == pytest.approx(1, abs=1e-6)
    assert found["spatial_scrambled_cosine"].value < 0.8
    assert found["semantic_spatial_gap"].value > 0.1


@pytest.mark.parametrize("kind", ["spatial", "semantic"])
def test_recall_with_the_other_kernels_is_that_of_the_matrices_themselves(
    make_evidence: MakeEvidence, kind: str
) -> None:
    maps = make_evidence().maps["stage 2"]
    rng = np.random.default_rng(0)
    scaled = maps.values * rng.uniform(0.2, 4, (len(maps.values), 1, 1, 1)).astype(np.float16)
    found = scores(replace(make_evidence(), maps={"only": replace(maps, values=scaled)}), "only")
    tokens = token_sets(replace(maps, values=scaled), np.arange(12), "invariant", 64)
    inner = getattr(similarities(tokens, match_exactly), kind)
    squares = np.diag(inner)
    kernels = {"inner": inner, "rbf": -(squares[:, None] + squares - 2 * inner)}
    for name, kernel in kernels.items():
        nearest = np.where(np.eye(12, dtype=bool), -np.inf, kernel).argmax(1)
        expected = maps.labels[nearest] == maps.labels
        np.testing.assert_array_equal(found[f"{kind}_{name}_recall_at_1"].samples, expected)
    assert found[f"{kind}_inner_recall_at_1"].value < found[f"{kind}_retrieval_recall_at_1"].value


def test_the_interval_of_the_gap_resamples_images_and_with_them_both_sides_of_a_pair(
    make_evidence: MakeEvidence,
) -> None:
    # Every second image agrees with nobody place by place: a pair's gap hangs on both of its images.
    evidence = make_evidence()
    rng = np.random.default_rng(0)
    found = []
    for seed in range(40):
        values = np.tile(np.eye(8)[None, :, :, None], (12, 1, 1, 1))
        for image in np.flatnonzero(rng.random(12) < 0.5):
            values[image] = values[image, rng.permutation(8)]
        maps = FeatureMaps(values.astype(np.float16), 2, 4, np.arange(12), evidence.test.labels[:12])
        only = replace(evidence, maps={"only": maps}, seed=seed)
        found.append(scores(only, "only")["semantic_spatial_gap"])
    assert all(score.n == 12 and score.samples is None for score in found)
    widths = [score.high - score.low for score in found if score.high is not None and score.low is not None]
    spread = 4 * np.std([score.value for score in found])
    assert 0.7 * spread < np.mean(widths) < 1.5 * spread


def test_background_tokens_are_zeroed_by_one_rule_whatever_the_scale(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence()
    rng = np.random.default_rng(0)
    labels = np.arange(12) % 3
    values = np.full((12, 16, 6, 1), 0.5) + 0.1 * rng.random((12, 16, 6, 1))  # a canvas that says nothing
    shapes = 2 * np.maximum(rng.standard_normal((3, 5, 6, 1)), 0)
    values[:, 4:9] = shapes[labels] + 0.05 * rng.random((12, 5, 6, 1))
    maps = FeatureMaps(values.astype(np.float16), 4, 4, np.arange(12), labels)
    plain, masked, scaled = (
        scores(replace(evidence, maps={"only": replace(maps, values=maps.values * scale)}), "only", background=share)
        for scale, share in ((1, 0.0), (1, 1.1), (4, 1.1))
    )
    for name in ("semantic_divergence_correlation", "semantic_spatial_cka", "semantic_min_eigenvalue"):
        assert scaled[name].value == pytest.approx(masked[name].value, rel=1e-4)
    assert masked["semantic_min_eigenvalue"].value != pytest.approx(plain["semantic_min_eigenvalue"].value, rel=1e-2)
    assert masked["semantic_retrieval_map"].value >= plain["semantic_retrieval_map"].value


def test_where_everything_is_background_the_figures_say_so(make_evidence: MakeEvidence) -> None:
    found = evaluate_semantic(make_evidence(), background=1000.0).scores
    assert all(np.isnan(score.value) == bool(score.note) for score in found)
    assert any("the maps are zero" in score.note for score in found)


def test_with_a_single_position_matching_changes_nothing(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence()
    maps = make_maps(np.random.default_rng(0), evidence.test.labels, 20, 1, 6, 8)
    found = scores(replace(evidence, maps={"only": maps}), "only")
    assert found["semantic_spatial_cka"].value == pytest.approx(1)
    assert found["semantic_spatial_gap"].value == pytest.approx(0, abs=1e-7)
    assert found["spatial_scrambled_cosine"].value == pytest.approx(1)
    assert found["semantic_min_eigenvalue"].value > -1e-6
    for name in ("retrieval_recall_at_1", "divergence_correlation"):
        assert found[f"semantic_{name}"].value == found[f"spatial_{name}"].value


@pytest.mark.parametrize("method", ["swaps", "windowed"])
def test_approximate_methods_say_how_good_they_are(make_evidence: MakeEvidence, method: str) -> None:
    evidence = make_evidence()
    found = scores(evidence, "stage 1", method=method, window=4)
    assert 0.8 < found["semantic_optimality"].value <= 1 + 1e-6
    assert found["semantic_optimality"].n == 12
    exact = scores(evidence, "stage 1")
    assert "semantic_optimality" not in exact
    assert found["semantic_spatial_gap"].value <= exact["semantic_spatial_gap"].value + 1e-6


@pytest.mark.parametrize("tokens", ["position", "element", "invariant"])
def test_every_kind_of_token_is_judged(make_evidence: MakeEvidence, tokens: str) -> None:
    found = scores(make_evidence(), "stage 2", tokens=tokens)
    assert np.isfinite([score.value for score in found.values()]).all()
    assert ("semantic_position_recall_at_1" in found) == (tokens != "position")


def test_the_models_own_logits_come_before_the_probe(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence()
    logits = 8 * np.eye(3, dtype=np.float32)[evidence.test.labels]
    unlabelled = replace(make_evidence(labelled=False), maps=evidence.maps, logits=logits)
    assert scores(unlabelled, "stage 1")["semantic_divergence_correlation"].value < -0.5


def test_unlabelled_images_have_no_retrieval_but_an_alignment(make_evidence: MakeEvidence) -> None:
    found = scores(make_evidence(labelled=False), "stage 2")
    for name, score in found.items():
        needs_labels = "recall" in name or "map" in name or "divergence" in name
        assert bool(score.note) == needs_labels, name


def test_some_images_without_a_label_are_left_out_of_retrieval(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence()
    maps = evidence.maps["stage 2"]
    labels = maps.labels.copy()
    labels[:4] = -1
    found = scores(replace(evidence, maps={"only": replace(maps, labels=labels)}), "only")
    recall = found["semantic_retrieval_recall_at_1"]
    assert recall.samples is not None
    assert len(recall.samples) == 12
    assert np.isnan(recall.samples[:4]).all()
    assert recall.n == 8
    assert found["semantic_spatial_cka"].n == 12


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_maps_that_never_vary_have_undefined_figures_with_a_reason(make_evidence: MakeEvidence, value: float) -> None:
    evidence = make_evidence()
    maps = evidence.maps["stage 2"]
    flat = replace(maps, values=np.full_like(maps.values, value))
    found = scores(replace(evidence, maps={"only": flat}), "only", method="swaps")
    assert "do not vary" in found["semantic_spatial_cka"].note
    assert "do not vary" in found["semantic_divergence_correlation"].note
    assert bool(found["spatial_scrambled_cosine"].note) == (value == 0)


def test_fewer_images_are_spread_over_those_with_maps(make_evidence: MakeEvidence) -> None:
    found = scores(make_evidence(), "stage 1", images=5)
    assert found["semantic_spatial_cka"].n == 5


def test_without_maps_there_is_nothing_to_judge(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence()
    with pytest.raises(NotAvailable, match="no feature maps"):
        evaluate_semantic(replace(evidence, maps={}))
    with pytest.raises(NotAvailable, match="fewer than two"):
        evaluate_semantic(make_evidence(train=4, test=1, turned=1))


def test_the_section_shows_tables_and_matrices(make_evidence: MakeEvidence) -> None:
    results = Results()
    evidence = make_evidence()
    findings = evaluate_semantic(evidence)
    for score in findings.scores:
        results.add(evidence, "semantic", score)
    results.drawings |= {(evidence.model, name): drawing for name, drawing in findings.drawings.items()}
    shown = semantic_section(Subject(results, [], {}, {}))
    assert "stage 1" in shown
    assert shown.count("<table") == 3
    for title in ("scrambled", "matched", "RBF, spatial", "inner, semantic", "gap", "eigenvalue", "oriented"):
        assert shown.count(title) >= 1
    assert "fixed gallery" in shown
    assert "where matching is exact" in shown
    assert shown.count("<img") == 1
    assert len(shown) < 100_000
    assert semantic_section(Subject(Results(), [], {}, {})) == ""


def test_the_drawing_is_sorted_by_class_and_small(make_evidence: MakeEvidence) -> None:
    drawing = evaluate_semantic(make_evidence()).drawings["semantic_matrices"]
    assert drawing["labels"] == sorted(drawing["labels"])
    assert np.shape(drawing["spatial"]) == np.shape(drawing["semantic"]) == (12, 12)
    assert drawing["layer"] == "stage 2"
