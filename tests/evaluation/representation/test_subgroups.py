from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from evidence_factory import make_features

from eqae.evaluation.evidence import Evidence, NotAvailable, Score
from eqae.evaluation.linear_probe import linear_probe
from eqae.evaluation.representation.subgroups import evaluate_subgroups, macro_spread

MakeEvidence = Callable[..., Evidence]


def found(evidence: Evidence) -> dict[tuple[str, str], Score]:
    return {(score.metric, score.condition): score for score in evaluate_subgroups(evidence).scores}


def test_one_class_at_eight_and_six_tenths_spreads_by_one_tenth() -> None:
    assert macro_spread(np.array([[0.8, 0.6]]), np.zeros(1, np.int64)) == pytest.approx(0.1)


def test_classes_count_the_same_and_differences_between_them_do_not_count() -> None:
    right = np.array([[1, 1], [1, 1], [1, 1], [0.8, 0.6]])
    assert macro_spread(right, np.array([5, 5, 5, 9])) == pytest.approx(0.05)
    assert macro_spread(np.array([[1, 1], [0, 0]]), np.array([0, 1])) == 0


def test_the_spread_is_that_of_the_definition(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence(separation=0.5, movement=1.5, turned=24)
    turned, probe = evidence.turned["any-angle"], linear_probe(evidence)
    spreads = []
    for label in range(3):
        accuracy = []
        for lower in range(0, 360, 30):
            poses = [o for o in range(36) if lower <= turned.angles[o] < lower + 30]
            images = np.flatnonzero(turned.labels == label)
            accuracy.append(np.mean([probe.predict(turned.values[images, o]) == label for o in poses]))
        assert len(accuracy) == 12
        spreads.append(np.std(accuracy))
    assert found(evidence)["subgroup_spread", "orientation"].value == pytest.approx(np.mean(spreads))


def test_an_invariant_extractor_is_fair(make_evidence: MakeEvidence) -> None:
    measured = found(make_evidence(separation=0.5, movement=0.0))
    for condition in ("orientation", "mirror"):
        assert measured["subgroup_spread", condition].value == pytest.approx(0, abs=1e-12)
        assert measured["subgroup_excess_spread", condition].value == pytest.approx(0, abs=1e-12)


def test_noise_has_a_spread_but_hardly_an_excess(make_evidence: MakeEvidence) -> None:
    measured = found(make_evidence(separation=0.5, movement=1.5, turned=90))
    spread, excess = (measured[f"subgroup_{kind}", "orientation"].value for kind in ("spread", "excess_spread"))
    assert spread > 0.03
    assert abs(excess) < spread / 3


def test_a_class_that_is_lost_at_some_angles_shows(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence(separation=4.0, movement=0.0, turned=60)
    turned = evidence.turned["any-angle"]
    values = turned.values.copy()
    lost = np.ix_(np.flatnonzero(turned.labels == 0), np.flatnonzero(turned.angles >= 180))
    values[lost] = values[turned.labels == 1][0, 0]
    lossy = replace(evidence, turned={**evidence.turned, "any-angle": replace(turned, values=values)})
    measured = found(lossy)
    assert measured["subgroup_spread", "orientation"].value == pytest.approx(0.5 / 3, abs=0.02)
    assert measured["subgroup_excess_spread", "orientation"].value > 0.08
    assert measured["worst_subgroup_accuracy", "orientation"].value == pytest.approx(2 / 3, abs=0.02)
    assert measured["worst_subgroup_accuracy", "mirror"].value > 0.95
    drawing = evaluate_subgroups(lossy).drawings["subgroup_accuracy"]
    assert drawing["degrees"] == list(range(0, 360, 30))
    assert drawing["accuracy"][:6] == pytest.approx([drawing["accuracy"][0]] * 6)
    assert drawing["accuracy"][11] == pytest.approx(2 / 3, abs=0.02)


def test_nothing_turned_and_nothing_labelled_say_so(make_evidence: MakeEvidence) -> None:
    with pytest.raises(NotAvailable, match="no images"):
        evaluate_subgroups(replace(make_evidence(), turned={}))
    with pytest.raises(NotAvailable, match="classes"):
        evaluate_subgroups(make_evidence(labelled=False))
    evidence = make_evidence()
    nameless = make_features(evidence.turned["D4"].values, np.full(20, -1), "D4")
    measured = found(replace(evidence, turned={"D4": nameless}))
    assert measured["worst_subgroup_accuracy", "mirror"].note == "not available: no labels"
