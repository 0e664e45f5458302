"""Extractors of which theory knows the figures: none may fool a probe, and none may trip it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from evidence_factory import make_features

from eqae.data.base import Dataset, Images
from eqae.evaluation.evidence import Evidence, Features, Findings, NotAvailable
from eqae.evaluation.poses import conditions
from eqae.registry import EVALUATORS

TRAIN, TEST, TURNED, CLASSES = 400, 300, 60, 4
PROBES = (
    "retrieval", "spectrum", "stability", "dependence", "uniformity", "operating_point", "intrinsic_dimension",
    "novelty", "neural_collapse", "calibration", "subgroups",
)  # fmt: skip
Extract = Callable[[torch.Tensor], torch.Tensor]


@pytest.fixture(scope="module")
def pictures() -> Dataset:
    """Upright pictures of a class: one pattern each, with smooth noise."""
    generator = torch.Generator().manual_seed(0)
    patterns = torch.rand(CLASSES, 1, 3, 3, generator=generator)

    def split(count: int) -> Images:
        labels = torch.arange(count) % CLASSES
        coarse = patterns[labels] + 0.5 * torch.rand(count, 1, 3, 3, generator=generator)
        pixels = torch.nn.functional.interpolate(coarse, size=8, mode="bilinear", align_corners=True)
        return Images((pixels / 1.5).clamp(0, 1), labels)

    return Dataset("patterns", split(TRAIN), split(TEST), tuple("abcd"))


def evidence_of(pictures: Dataset, extract: Extract) -> Evidence:
    def upright(images: Images) -> Features:
        return make_features(extract(images.pixels).numpy(), images.labels.numpy())

    first = pictures.test.take(slice(0, TURNED))
    turned = {
        name: make_features(
            torch.stack([extract(pose.apply(first.pixels)) for pose in poses], 1).numpy(), first.labels.numpy(), name
        )
        for name, poses in conditions(8, 8).items()
    }
    return Evidence(
        "sanity", "patterns", "C1", 0, upright(pictures.train), upright(pictures.test), turned,
        class_names=pictures.class_names, pixels=pictures,
    )  # fmt: skip


def pixels(images: torch.Tensor) -> torch.Tensor:
    return images.flatten(1)


def oracle(images: torch.Tensor) -> torch.Tensor:
    """Unchanged by the symmetries of the square, and different for every picture: sorted brightness of the pixels."""
    return images.flatten(1).sort(dim=1).values


def judged(name: str, evidence: Evidence) -> dict[tuple[str, str], float]:
    findings: Findings = EVALUATORS.get(name)(evidence)
    return {(score.metric, score.condition): score.value for score in findings.scores}


def shuffled(evidence: Evidence) -> Evidence:
    """The same features under labels dealt anew."""
    rng = np.random.default_rng(0)

    def deal(features: Features) -> Features:
        return replace(features, labels=rng.permutation(features.labels))

    turned = {name: deal(features) for name, features in evidence.turned.items()}
    return replace(evidence, train=deal(evidence.train), test=deal(evidence.test), turned=turned)


@pytest.mark.parametrize("name", PROBES)
def test_a_constant_gets_a_reason_instead_of_a_figure(pictures: Dataset, name: str) -> None:
    evidence = evidence_of(pictures, lambda images: torch.full((len(images), 5), 0.7))
    if name not in ("stability", "intrinsic_dimension"):
        with pytest.raises(NotAvailable, match="constant"):
            EVALUATORS.get(name)(evidence)
        return
    scores = EVALUATORS.get(name)(evidence).scores
    for score in scores:
        if score.condition == "pixels":
            continue  # the pictures themselves are not constant
        if score.metric == "constant_feature_ratio":
            assert score.value == 1
            continue
        assert math.isnan(score.value), score
        assert score.note.startswith("not available: "), score


def test_the_oracle_finds_every_copy_under_exact_symmetries(pictures: Dataset) -> None:
    found = judged("retrieval", evidence_of(pictures, oracle))
    for metric in ("orbit_recall_at_1", "orbit_map", "orbit_auc", "copy_detection_map", "copy_detection_recall_at_p90"):
        assert found[metric, "D4"] == 1
    assert found["orbit_separation_ratio", "D4"] == pytest.approx(0, abs=1e-5)


def test_the_oracle_is_stable_silent_and_fair(pictures: Dataset) -> None:
    evidence = evidence_of(pictures, oracle)
    assert judged("stability", evidence)["icc_agreement", "D4"] == pytest.approx(1)
    assert judged("stability", evidence)["stable_feature_share", "D4"] == 1
    assert abs(judged("dependence", evidence)["distance_correlation_squared", "mirror"]) < 0.1
    assert judged("dependence", evidence)["distance_correlation_p_value", "mirror"] > 0.01
    assert judged("uniformity", evidence)["within_orbit_cosine", "D4"] == pytest.approx(1, abs=1e-6)
    assert judged("subgroups", evidence)["subgroup_spread", "mirror"] == pytest.approx(0, abs=1e-12)


def test_raw_pixels_lose_copies_and_betray_the_turn(pictures: Dataset) -> None:
    evidence = evidence_of(pictures, pixels)
    found = judged("retrieval", evidence)
    assert found["orbit_recall_at_1", "D4"] < 0.5
    assert found["orbit_separation_ratio", "D4"] > 1
    assert found["class_map", ""] > 0.6
    assert judged("stability", evidence)["icc_agreement", "D4"] < 0.6
    leaks = judged("dependence", evidence)
    assert leaks["distance_correlation_squared", "1-fold"] > 0.08
    assert leaks["distance_correlation_p_value", "1-fold"] == pytest.approx(1 / 200)
    spread = judged("subgroups", evidence)
    assert spread["subgroup_excess_spread", "orientation"] > 0.05
    assert spread["worst_subgroup_accuracy", "orientation"] < 0.7


def test_pixels_have_one_dimension_whichever_way_they_come(pictures: Dataset) -> None:
    found = judged("intrinsic_dimension", evidence_of(pictures, pixels))
    for metric in ("intrinsic_dimension_mle", "intrinsic_dimension_twonn", "relative_label_sharpness"):
        assert found[metric, "features"] == pytest.approx(found[metric, "pixels"], rel=1e-4)
    assert 4 < found["intrinsic_dimension_mle", "pixels"] <= 9  # three times three numbers make a picture


def test_the_rank_of_pictures_is_the_number_of_their_parameters(pictures: Dataset) -> None:
    found = judged("spectrum", evidence_of(pictures, pixels))
    assert found["components_for_99", ""] <= 9
    assert 1 < found["participation_ratio", ""] <= found["effective_rank", ""] <= 9.1


def test_dealt_labels_leave_chance(pictures: Dataset) -> None:
    evidence = shuffled(evidence_of(pictures, pixels))
    assert judged("retrieval", evidence)["class_map", ""] == pytest.approx(1 / CLASSES, abs=0.03)
    assert judged("retrieval", evidence)["class_recall_at_1", ""] == pytest.approx(1 / CLASSES, abs=0.08)
    assert judged("novelty", evidence)["novelty_auroc", ""] == pytest.approx(0.5, abs=0.06)
    collapse = judged("neural_collapse", evidence)
    assert collapse["nc1_variability", ""] > 10
    calibrated = judged("calibration", evidence)
    assert calibrated["negative_log_likelihood", "temperature-scaled"] == pytest.approx(math.log(CLASSES), abs=0.1)
    assert calibrated["brier_score", "temperature-scaled"] == pytest.approx(1 - 1 / CLASSES, abs=0.05)
    within = judged("uniformity", evidence)["within_class_cosine", ""]
    assert within == pytest.approx(0, abs=0.02)


def test_true_labels_do_not(pictures: Dataset) -> None:
    evidence = evidence_of(pictures, pixels)
    assert judged("novelty", evidence)["novelty_auroc", ""] > 0.9
    assert judged("neural_collapse", evidence)["nc1_variability", ""] < 3
    assert judged("calibration", evidence)["negative_log_likelihood", "temperature-scaled"] < 0.5
    assert judged("uniformity", evidence)["within_class_cosine", ""] > 0.3


def test_an_extractor_of_pure_noise_is_at_chance_everywhere(pictures: Dataset) -> None:
    generator = torch.Generator().manual_seed(0)
    evidence = evidence_of(pictures, lambda images: torch.randn(len(images), 12, generator=generator))
    found = judged("retrieval", evidence)
    assert found["orbit_recall_at_1", "D4"] == pytest.approx(1 / TURNED, abs=0.02)
    assert found["orbit_auc", "D4"] == pytest.approx(0.5, abs=0.04)
    assert judged("stability", evidence)["icc_agreement", "any-angle"] == pytest.approx(0, abs=0.02)
    assert judged("uniformity", evidence)["within_orbit_cosine", "30deg"] == pytest.approx(0, abs=0.04)
    assert judged("spectrum", evidence)["effective_rank", ""] == pytest.approx(12, abs=0.5)
