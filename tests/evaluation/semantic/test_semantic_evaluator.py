from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from evidence_factory import make_maps

from eqae.evaluation.evidence import Evidence, FeatureMaps, NotAvailable, Score
from eqae.evaluation.report.sections.semantic import semantic_section
from eqae.evaluation.report.subject import Subject
from eqae.evaluation.results import Results
from eqae.evaluation.semantic.evaluator import evaluate_semantic

MakeEvidence = Callable[..., Evidence]

IN_EVERY_LAYER = {
    *(f"{kind}_{name}" for kind in ("semantic", "spatial") for name in (
        "retrieval_recall_at_1", "retrieval_recall_at_5", "retrieval_map", "divergence_correlation",
        "divergence_rank_correlation", "scrambled_cosine",
    )),
    "semantic_spatial_cka", "semantic_spatial_gap", "semantic_min_eigenvalue",
}  # fmt: skip
IN_THE_DEEPEST = {"semantic_inner_recall_at_1", "semantic_rbf_recall_at_1", "semantic_position_recall_at_1"}


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
    assert shown.count("<img") == 1
    assert len(shown) < 100_000
    assert semantic_section(Subject(Results(), [], {}, {})) == ""


def test_the_drawing_is_sorted_by_class_and_small(make_evidence: MakeEvidence) -> None:
    drawing = evaluate_semantic(make_evidence()).drawings["semantic_matrices"]
    assert drawing["labels"] == sorted(drawing["labels"])
    assert np.shape(drawing["spatial"]) == np.shape(drawing["semantic"]) == (12, 12)
    assert drawing["layer"] == "stage 2"
