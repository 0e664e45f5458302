import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from shift_cases import circular, constant, flatten

from eqae.data.base import Dataset, Images
from eqae.evaluation.evidence import Encoder, Evidence, NotAvailable, Score
from eqae.evaluation.linear_probe import linear_probe
from eqae.evaluation.report.sections.shift import shift_section
from eqae.evaluation.report.standings import Column
from eqae.evaluation.report.subject import Subject
from eqae.evaluation.results import Results
from eqae.evaluation.shift.evaluator import evaluate_shift, make_stage
from eqae.evaluation.shift.maps import ShiftMaps
from eqae.evaluation.shift.scores import cosine_scores

MakeEvidence = Callable[..., Evidence]


def scores(evidence: Evidence, **options: Any) -> dict[tuple[str, str], Score]:
    return {(score.metric, score.condition): score for score in evaluate_shift(evidence, **options).scores}


def with_encoder(evidence: Evidence, encode: Callable[[torch.Tensor], torch.Tensor], side: int = 8) -> Evidence:
    return replace(evidence, encode=Encoder(encode, torch.device("cpu"), (1, side, side)))


def with_test_images(evidence: Evidence, pixels: torch.Tensor) -> Evidence:
    split = Images(pixels, torch.full((len(pixels),), -1))
    return replace(evidence, pixels=Dataset("made", split, split))


@pytest.fixture
def unlabelled(make_evidence: MakeEvidence) -> Evidence:
    """With features of any width, as nothing has to be classified."""
    return make_evidence(labelled=False)


def test_an_invariant_extractor_is_found_to_be_one(unlabelled: Evidence) -> None:
    found = scores(with_encoder(unlabelled, circular(), side=12))
    for (metric, _), score in found.items():
        if metric in ("shift_global_cosine", "shift_worst_cosine", "shift_local_cosine"):
            assert score.value == pytest.approx(1, abs=1e-6)
    assert found["shift_invariance_ratio", ""].value < 1e-4
    assert found["shift_cosine_floor", ""].value < 0.9999
    assert found["shift_decodability", "shuffled folds"].value == 0.5
    assert found["shift_position_r2", ""].value == 0
    assert found["shift_stride_artefact", "stride 2"].value == 0


@pytest.mark.parametrize("encode", [constant, lambda x: torch.zeros(len(x), 3)])
def test_a_constant_extractor_gets_no_ratio_rather_than_a_perfect_one(
    unlabelled: Evidence, encode: Callable[[torch.Tensor], torch.Tensor]
) -> None:
    found = scores(with_encoder(unlabelled, encode))
    ratio = found["shift_invariance_ratio", ""]
    assert math.isnan(ratio.value)
    assert "apart" in ratio.note
    assert found["shift_decodability", "ordered folds"].value == 0.5


def test_unrelated_features_have_a_ratio_of_one(unlabelled: Evidence) -> None:
    def hashed(images: torch.Tensor) -> torch.Tensor:
        return torch.sin(1e4 * images.flatten(1) @ torch.arange(1, 65.0)[:, None] * torch.arange(1, 9.0))

    assert scores(with_encoder(unlabelled, hashed))["shift_invariance_ratio", ""].value == pytest.approx(1, abs=0.05)


def test_decisions_are_those_of_the_linear_probe(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence(separation=1.0)
    assert evidence.encode is not None
    assert evidence.pixels is not None
    stage = make_stage(evidence.encode, evidence.pixels.test, 4, 1)
    expected = []
    for k in range(4):
        features = evidence.encode(stage.canvases(k, torch.arange(len(stage)))).numpy()
        labels = linear_probe(evidence).predict(features)
        agree = labels[:, None] == labels
        expected.append((agree.sum() - len(labels)) / (len(labels) * (len(labels) - 1)))
    score = scores(evidence, sprites=4)["shift_prediction_consistency", "any shift"]
    assert score.samples is not None
    np.testing.assert_allclose(score.samples, expected)


def test_a_probe_that_knows_one_answer_is_no_more_consistent_than_its_control(make_evidence: MakeEvidence) -> None:
    evidence = with_encoder(make_evidence(width=3, separation=1.0), constant)
    found = scores(evidence)
    assert found["shift_prediction_consistency", "any shift"].value == 1
    floor = found["shift_prediction_floor", ""]
    assert floor.value == floor.low == floor.high == 1
    assert not Column("shift_prediction_floor").is_ranked
    varied = scores(make_evidence(separation=1.0))["shift_prediction_floor", ""]
    assert varied.low is not None
    assert varied.low < varied.value < 1
    assert "single" in scores(evidence, sprites=1)["shift_prediction_floor", ""].note


def test_the_interval_of_the_ratio_resamples_both_of_its_halves() -> None:
    # Objects in directions of their own, whose distance is uncertain, and which all lose equally by a shift.
    rng = np.random.default_rng(0)

    def maps() -> ShiftMaps:
        unit = rng.standard_normal((12, 3)) + np.array([2, 0, 0])
        unit /= np.linalg.norm(unit, axis=1, keepdims=True)
        ones = np.ones((12, 5, 4, 4), np.float32)
        return ShiftMaps(ones, np.ones((12, 0)), np.full(12, 0.9), unit @ unit.T, None, ones, 0)

    found = [score for _ in range(60) for score in cosine_scores(maps(), {}, 0) if "ratio" in score.metric]
    spread = 4 * np.std([score.value for score in found])
    widths = [score.high - score.low for score in found if score.high is not None and score.low is not None]
    assert len(widths) == 60
    assert 0.6 * spread < np.mean(widths) < 1.6 * spread


def test_what_padding_does_at_the_edge_is_not_seen_in_the_interior(unlabelled: Evidence) -> None:
    def edge_aware(images: torch.Tensor) -> torch.Tensor:
        frame = images[:, :, [0, -1]].sum((1, 2, 3)) + images[:, :, :, [0, -1]].sum((1, 2, 3))
        return torch.stack([(frame > 0).float(), (frame == 0).float()], 1)

    evidence = with_test_images(unlabelled, torch.nn.functional.pad(torch.ones(3, 1, 6, 6), (1, 1, 1, 1)))
    found = scores(with_encoder(evidence, edge_aware, side=16))
    assert found["shift_interior_cosine", ""].value == pytest.approx(1)
    assert found["shift_global_cosine", "C"].value == pytest.approx(49 / 81)  # of 9 x 9 places, 7 x 7 are off the edge
    assert "few" in scores(unlabelled, stride=4)["shift_interior_cosine", ""].note


def test_the_scores_do_not_depend_on_how_light_the_background_is(unlabelled: Evidence) -> None:
    dark = torch.zeros(3, 1, 12, 12, dtype=torch.uint8)
    dark[:, :, 3:9, 2:8] = 100 + 30 * torch.arange(3, dtype=torch.uint8)[:, None, None, None]
    light = torch.where(dark == 0, torch.tensor(255, dtype=torch.uint8), dark)
    on_dark, on_light = (scores(with_encoder(with_test_images(unlabelled, x), flatten)) for x in (dark, light))
    for key, score in on_dark.items():
        assert score.value == pytest.approx(on_light[key].value, nan_ok=True)


@pytest.mark.parametrize("background", ["grey", "noise"])
def test_the_background_is_encoded_with_the_object(unlabelled: Evidence, background: str) -> None:
    evidence = with_encoder(unlabelled, flatten)
    found = evaluate_shift(evidence, background=background)  # type: ignore[arg-type]
    examples = np.array(found.drawings["shift_maps"]["examples"])
    assert examples.shape == (5, 1, 8, 8)
    assert examples[0, 0, 5:, 5:].min() > 0
    plain = np.array(evaluate_shift(evidence).drawings["shift_maps"]["examples"])
    assert plain[0, 0, 5:, 5:].max() == 0


def test_the_options_and_the_batch_size_do_what_they_say(unlabelled: Evidence) -> None:
    one, other = scores(unlabelled, sprites=5), scores(unlabelled, sprites=5, batch_size=3)
    assert one.keys() == other.keys()
    for key, score in one.items():
        assert score.value == pytest.approx(other[key].value, rel=1e-4, abs=1e-5, nan_ok=True)
    assert one["shift_global_cosine", "C"].n == 5
    maps = evaluate_shift(unlabelled, stride=2).drawings["shift_maps"]["maps"]
    assert np.shape(maps["TL"]) == (3, 3)
    every = np.array(evaluate_shift(unlabelled).drawings["shift_maps"]["maps"]["TL"])
    np.testing.assert_allclose(maps["TL"], every[::2, ::2], atol=1e-6)


def test_with_a_stride_only_distances_on_the_grid_are_scored(unlabelled: Evidence) -> None:
    evidence = with_encoder(unlabelled, flatten, side=48)
    found = scores(evidence, stride=4, sprites=3)
    assert ("shift_local_cosine", "3 px") not in found
    assert ("shift_local_cosine", "5 px") in found
    assert [c for m, c in found if m == "shift_stride_artefact"] == ["stride 8"]


@pytest.mark.parametrize("kind", ["full", "blank but one", "rectangle", "colour"])
def test_odd_images_are_studied(unlabelled: Evidence, kind: str) -> None:
    pixels = torch.randint(100, 256, (3, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    shape = (1, 8, 8)
    if kind == "blank but one":
        pixels[1:] = 0
    elif kind == "rectangle":
        pixels, shape = pixels[..., :6], (1, 8, 6)
    elif kind == "colour":
        pixels, shape = pixels.repeat(1, 3, 1, 1), (3, 8, 8)
    encoder = Encoder(flatten, torch.device("cpu"), shape)
    found = scores(replace(with_test_images(unlabelled, pixels), encode=encoder), sprites=100)
    score = found["shift_global_cosine", "C"]
    assert 0 < score.value < 1
    assert score.n == (1 if kind == "blank but one" else 3)
    assert math.isnan(found["shift_invariance_ratio", ""].value) == (kind == "blank but one")


def test_what_cannot_be_studied_says_why(unlabelled: Evidence) -> None:
    blank = with_test_images(unlabelled, torch.zeros(3, 1, 8, 8))
    assert "blank" in scores(blank)["shift_global_cosine", ""].note
    assert ("orbit_cosine", "D4") in scores(blank)
    assert "room" in scores(unlabelled, stride=9)["shift_global_cosine", ""].note
    assert "encoded" in scores(replace(unlabelled, encode=None))["shift_global_cosine", ""].note
    with pytest.raises(NotAvailable, match="encoded"):
        evaluate_shift(replace(unlabelled, encode=None, turned={}))
    assert "classes" in scores(unlabelled)["shift_prediction_consistency", ""].note


def test_the_section_shows_maps_and_circle_of_every_model(make_evidence: MakeEvidence) -> None:
    results = Results()
    for name in ("a", "b"):
        evidence = make_evidence(model=name)
        found = evaluate_shift(evidence)
        for score in found.scores:
            results.add(evidence, "shift", score)
        results.drawings |= {(name, key): drawing for key, drawing in found.drawings.items()}
    section = shift_section(Subject(results, [], {}, {}))
    assert section.count('alt="Mean cosine of the features of') == 2
    assert section.count("<table") == 3
    assert "by angle" in section
    assert "of their bounding boxes" in section
    assert "different objects" in section
    assert "C, interior" in section
    assert "nan" not in section
    assert len(section) < 200_000
    assert shift_section(Subject(Results(), [], {}, {})) == ""
