import itertools
import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from evidence_factory import make_features
from sklearn.metrics import pairwise_distances

from eqae.evaluation.evidence import Evidence, Features, Score
from eqae.evaluation.invariance import evaluate_invariance, mean_distance

MakeEvidence = Callable[..., Evidence]


def scores(evidence: Evidence, untrained: bool = False) -> dict[tuple[str, str], Score]:
    found = evaluate_invariance(evidence).scores
    return {(score.metric, score.condition): score for score in found if score.untrained == untrained}


def slow_relative_error(features: Features) -> float:
    terms = []
    for orbit in features.values.astype(np.float64):
        size = math.sqrt(sum(x * x for x in orbit[0]))
        for moved in orbit[1:]:
            terms.append(math.sqrt(sum((a - b) ** 2 for a, b in zip(moved, orbit[0], strict=True))) / size)
    return sum(terms) / len(terms)


def test_the_relative_error_is_the_mean_over_images_and_transforms(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence()
    for condition, features in evidence.turned.items():
        value = scores(evidence)["relative_invariance_error", condition].value
        assert value == pytest.approx(slow_relative_error(features), rel=1e-9)
        untrained = scores(evidence, untrained=True)["relative_invariance_error", condition].value
        assert untrained == pytest.approx(slow_relative_error(evidence.untrained[condition]), rel=1e-9)


def test_an_error_known_by_hand_is_found() -> None:
    # |f(x)| = 5 and 2; every turn moves the features by 1 and by 1, so the errors are 1/5 and 1/2.
    values = np.zeros((2, 8, 2))
    values[0, :], values[1, :] = (3, 4), (0, 2)
    values[0, 1:, 1] += 1
    values[1, 1:, 0] -= 1
    evidence = _evidence(values)
    found = scores(evidence)
    assert found["relative_invariance_error", "D4"].value == pytest.approx((1 / 5 + 1 / 2) / 2)
    assert found["invariance_ratio", "D4"].value == pytest.approx(1 / math.hypot(3, 2))
    assert found["relative_invariance_error", "D4"].n == 2


def test_the_ratio_has_the_mean_distance_between_different_images_below(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence()
    features = evidence.turned["30deg"]
    upright = features.upright.astype(np.float64)
    distances = pairwise_distances(upright)[~np.eye(len(upright), dtype=bool)]
    moved = [np.linalg.norm(features.values[:, o] - upright, axis=1) for o in range(1, 12)]
    assert mean_distance(features.upright) == pytest.approx(distances.mean())
    assert scores(evidence)["invariance_ratio", "30deg"].value == pytest.approx(np.mean(moved) / distances.mean())


def test_the_floor_is_the_error_of_images_turned_and_turned_back(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence()
    found = scores(evidence)
    for condition, features in evidence.there_and_back.items():
        value = found["relative_interpolation_floor", condition].value
        assert value == pytest.approx(slow_relative_error(features), rel=1e-9)
    assert ("relative_interpolation_floor", "D4") not in found


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
def test_neither_measure_depends_on_the_scale_of_the_features(make_evidence: MakeEvidence, scale: float) -> None:
    evidence = make_evidence(untrained={}, there_and_back={})
    turned = {
        name: Features(scale * features.values, features.labels, features.angles, features.mirrored)
        for name, features in evidence.turned.items()
    }
    scaled = replace(evidence, turned=turned)
    for key, score in scores(scaled).items():
        assert score.value == pytest.approx(scores(evidence)[key].value, rel=1e-4)


def test_perfectly_invariant_features_have_error_and_ratio_zero(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence(movement=0.0)
    assert all(score.value == score.low == score.high == 0 for score in scores(evidence).values())


@pytest.mark.parametrize("noise", [0.0, 1e-7])
def test_a_constant_extractor_gets_no_ratio_rather_than_a_perfect_one(noise: float) -> None:
    rng = np.random.default_rng(0)
    found = scores(_evidence(3 + noise * rng.standard_normal((20, 8, 4))))
    ratio = found["invariance_ratio", "D4"]
    assert math.isnan(ratio.value)
    assert ratio.low is None
    assert ratio.high is None
    assert found["relative_invariance_error", "D4"].value < 1e-6


def test_images_without_features_have_no_relative_error(make_evidence: MakeEvidence) -> None:
    values = np.random.default_rng(0).standard_normal((10, 8, 4))
    expected = scores(_evidence(values[1:]))["relative_invariance_error", "D4"]
    values[0] = 0
    found = scores(_evidence(values))["relative_invariance_error", "D4"]
    assert found.value == pytest.approx(expected.value)
    assert found.n == 9
    empty = scores(_evidence(np.zeros((5, 8, 4))))["relative_invariance_error", "D4"]
    assert math.isnan(empty.value)
    assert empty.n == 0


def test_a_single_image_has_an_error_but_no_ratio_and_no_interval() -> None:
    found = scores(_evidence(np.random.default_rng(0).standard_normal((1, 8, 4))))
    assert found["relative_invariance_error", "D4"].value > 0
    assert found["relative_invariance_error", "D4"].low is None
    assert math.isnan(found["invariance_ratio", "D4"].value)


def test_repeating_every_image_changes_the_error_by_nothing(make_evidence: MakeEvidence) -> None:
    values = make_evidence().turned["D4"].values
    once, twice = (scores(_evidence(v)) for v in (values, np.repeat(values, 2, axis=0)))
    key = "relative_invariance_error", "D4"
    assert twice[key].value == pytest.approx(once[key].value, rel=1e-12)


def test_random_features_are_as_far_from_themselves_as_from_others() -> None:
    found = scores(_evidence(np.random.default_rng(0).standard_normal((60, 8, 10))))
    assert found["invariance_ratio", "D4"].value == pytest.approx(1, abs=0.05)


def test_the_curve_holds_the_error_of_each_angle_and_closes(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence()
    curve = evaluate_invariance(evidence).drawings["angle_curve"]
    assert curve["angles"] == [10.0 * k for k in range(37)]
    sources = {"error": evidence.turned, "floor": evidence.there_and_back, "untrained": evidence.untrained}
    for name, source in sources.items():
        values = source["any-angle"].values
        assert curve[name][0] == curve[name][-1] == 0
        for o, error in itertools.islice(enumerate(curve[name][:-1]), 1, None):
            one = Features(values[:, [0, o]], np.zeros(len(values), np.int64), np.zeros(2), np.zeros(2, bool))
            assert error == pytest.approx(slow_relative_error(one), rel=1e-9)


def test_a_model_that_was_never_trained_has_a_curve_without_a_twin(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence(untrained={})
    assert evaluate_invariance(evidence).drawings["angle_curve"]["untrained"] is None
    assert scores(evidence, untrained=True) == {}


def _evidence(values: np.ndarray) -> Evidence:
    labels = np.zeros(len(values), np.int64)
    upright = make_features(values[:, 0], labels)
    return Evidence("m", "d", "D4", 0, upright, upright, {"D4": make_features(values, labels, "D4")})
