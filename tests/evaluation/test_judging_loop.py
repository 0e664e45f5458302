import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from eqae.errors import ConfigError
from eqae.evaluation.declaration import evaluator
from eqae.evaluation.evidence import Evidence
from eqae.evaluation.loop import judge, needs_of_all
from eqae.evaluation.sampling import spread_evenly
from eqae.registry import EVALUATORS

MakeEvidence = Callable[..., Evidence]


def test_every_model_is_judged_by_every_evaluator_in_order(make_evidence: MakeEvidence) -> None:
    said: list[str] = []
    evaluators: dict[str, dict[str, Any]] = {"invariance": {}, "reconstruction": {}}
    evidences = [make_evidence(model=label) for label in ("a", "b")]
    results = judge(evidences, evaluators, said.append)
    assert [words.split(" (")[0] for words in said] == [
        "a: invariance", "a: reconstruction", "b: invariance", "b: reconstruction",
    ]  # fmt: skip
    assert all(words.endswith("(under 1 s)") for words in said)
    for label in ("a", "b"):
        own = [row for row in results.rows if row.model.split(" ")[0] == label]
        assert {row.evaluator for row in own} == set(evaluators)
        assert {row.dataset for row in own} == {"gaussians"}
    assert set(results.drawings) == {("a", "angle_curve"), ("b", "angle_curve")}


def test_only_one_evidence_is_held_at_a_time(make_evidence: MakeEvidence) -> None:
    made: list[weakref.ref[Evidence]] = []
    alive: list[int] = []

    def generate() -> Iterator[Evidence]:
        for label in ("a", "b", "c"):
            alive.append(sum(reference() is not None for reference in made))
            evidence = make_evidence(model=label)
            made.append(weakref.ref(evidence))
            yield evidence
            del evidence

    judge(generate(), {"reconstruction": {}})
    assert alive == [0, 0, 0]


def test_options_reach_the_evaluator_and_wrong_ones_are_named(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence(separation=30)
    by_default, chosen = (judge([evidence], {"clustering": options}).rows for options in ({}, {"clusters": 6}))
    assert [row.value for row in by_default] != [row.value for row in chosen]
    with pytest.raises(ConfigError, match=r"evaluators\.clustering\.cluster.*\n.*did you mean 'clusters'"):
        judge([evidence], {"clustering": {"cluster": 6}})
    with pytest.raises(ConfigError, match=r"evaluators\.clustering\.clusters.*1"):
        judge([evidence], {"clustering": {"clusters": 1}})
    with pytest.raises(ConfigError, match="did you mean 'invariance'"):
        judge([evidence], {"invariant": {}})


def test_two_models_of_one_label_are_refused(make_evidence: MakeEvidence) -> None:
    with pytest.raises(ConfigError, match="two are called 'synthetic'"):
        judge([make_evidence(), make_evidence()], {"reconstruction": {}})


def test_the_projection_is_drawn_when_asked_for(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence()
    assert judge([evidence], {}).drawings == {}
    drawing = judge([evidence], {}, project=True).drawings["synthetic", "projection"]
    assert set(drawing) == {"pca", "tsne", "labels", "explained"}
    np.testing.assert_array_equal(drawing["labels"], evidence.test.labels)


def test_an_evaluator_of_ones_own_joins_the_loop(make_evidence: MakeEvidence, monkeypatch: pytest.MonkeyPatch) -> None:
    from eqae.evaluation.evidence import Findings, Score

    def evaluate_width(evidence: Evidence, *, scale: float = 1.0) -> Findings:
        return Findings((Score("width", scale * evidence.test.values.shape[2], None, None, True, 1),))

    monkeypatch.setattr(EVALUATORS, "_targets", dict(EVALUATORS._targets))
    EVALUATORS.add("width", evaluate_width)
    (row,) = judge([make_evidence()], {"width": {"scale": 2}}).rows
    assert (row.evaluator, row.metric, row.value) == ("width", "width", 12)


def test_what_is_not_available_is_a_row_that_says_why_and_the_rest_goes_on(make_evidence: MakeEvidence) -> None:
    results = judge([make_evidence(reconstruction_error=None)], {"reconstruction": {}, "invariance": {}})
    first, *rest = results.rows
    assert first.note == "not available: the model has no decoder"
    assert np.isnan(first.value)
    assert {row.evaluator for row in rest} == {"invariance"}


def test_features_that_are_not_finite_cost_their_own_model_alone_its_figures(
    make_evidence: MakeEvidence,
) -> None:
    broken = make_evidence(model="broken")
    broken.test.values[17, 0, 2] = np.nan
    results = judge([broken, make_evidence(model="sound")], {"invariance": {}, "clustering": {}}, project=True)
    notes = [row.note for row in results.rows if row.model == "broken"]
    assert notes == ["not available: the features of test image 17 are NaN or infinite"] * 2
    assert not any(row.note for row in results.rows if row.model.startswith("sound"))


def test_features_too_large_for_distances_are_named_too(make_evidence: MakeEvidence) -> None:
    broken = make_evidence()
    broken.train.values[4, 0, 2] = 1e30
    (row,) = judge([broken], {"clustering": {}}).rows
    assert row.note == "not available: the features of training image 4 are beyond 1e+15"


@pytest.mark.parametrize(("losable", "expected"), [(0.0, [1, 2]), (1e9, [1])])
def test_results_are_kept_when_those_kept_are_no_longer_young(
    losable: float, expected: list[int], make_evidence: MakeEvidence, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eqae.evaluation.loop.LOSABLE_SECONDS", losable)
    kept: list[int] = []
    evidences = [make_evidence(model=label) for label in ("a", "b")]
    results = judge(evidences, {"reconstruction": {}}, keep=lambda results: kept.append(len(results.rows)))
    assert kept == expected
    assert len(results.rows) == 2


def test_the_extraction_is_told_what_the_evaluators_need() -> None:
    assert needs_of_all({"reconstruction": {}, "invariance": {}}) == {"reconstruction", "orbits", "untrained"}
    assert needs_of_all({}) == frozenset()


def test_a_need_that_no_extraction_knows_is_refused() -> None:
    with pytest.raises(ValueError, match="no such evidence: gradients"):
        evaluator(needs={"gradients"}, cost=lambda _: 1.0)  # type: ignore[arg-type]


def test_an_evaluator_that_fails_costs_its_own_row_alone(
    make_evidence: MakeEvidence, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(evidence: Evidence) -> None:
        raise np.linalg.LinAlgError("singular matrix")

    monkeypatch.setattr(EVALUATORS, "_targets", dict(EVALUATORS._targets))
    EVALUATORS.add("fails", fails)
    results = judge([make_evidence(model=m) for m in ("a", "b")], {"fails": {}, "reconstruction": {}})
    assert results.failures == ["a: fails", "b: fails"]
    assert [row.note for row in results.rows if row.evaluator == "fails"] == [
        "not available: it failed (LinAlgError: singular matrix)"
    ] * 2
    assert len([row for row in results.rows if row.evaluator == "reconstruction"]) == 2
    assert "singular matrix" in capsys.readouterr().err


def test_a_label_that_stands_for_initial_weights_is_refused(make_evidence: MakeEvidence) -> None:
    with pytest.raises(ConfigError, match=r"one is called 'net \(untrained\)'"):
        judge([make_evidence(model="net (untrained)")], {"reconstruction": {}})


def test_what_is_not_finite_beside_the_features_is_named_too(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence()
    assert evidence.reconstruction_error is not None
    evidence.reconstruction_error[7] = np.nan
    evidence.maps["stage 2"].values[5, 0, 0, 0] = np.nan
    notes = [row.note for row in judge([evidence], {"reconstruction": {}, "semantic": {}}).rows]
    image = int(evidence.maps["stage 2"].index[5])
    assert notes == [
        "not available: the reconstruction of test image 7 is NaN or infinite",
        f"not available: the feature maps (stage 2) of test image {image} are NaN",
    ]


def test_the_images_that_stand_for_all_fall_into_no_period_and_miss_no_part() -> None:
    for count, most in ((500, 50), (1000, 250), (10, 10), (3, 9), (0, 5)):
        chosen = spread_evenly(count, most)
        assert len(chosen) == min(count, most)
        assert (np.diff(chosen) > 0).all()
    cyclic = np.bincount(spread_evenly(10_000, 500) % 10, minlength=10)
    assert cyclic.min() > 25
    by_class = np.bincount(spread_evenly(1000, 100) // 100)
    assert (by_class == 10).all()
