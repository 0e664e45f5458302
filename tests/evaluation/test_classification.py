from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from evidence_factory import make_features
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from eqae.evaluation.classification import evaluate_classification
from eqae.evaluation.evidence import Evidence, Features, NotAvailable, Score
from eqae.evaluation.few_labels import draw_per_class
from eqae.evaluation.label_metrics import accuracy, confusion
from eqae.evaluation.probes import fit_linear_probe

MakeEvidence = Callable[..., Evidence]

PROBES = ("linear_probe_accuracy", "mlp_probe_accuracy", "knn_accuracy")


def scores(evidence: Evidence, labels_per_class: tuple[int, ...] = ()) -> dict[tuple[str, str], Score]:
    findings = evaluate_classification(evidence, labels_per_class=labels_per_class)
    return {(score.metric, score.condition): score for score in findings.scores}


def relabelled(features: Features, labels: np.ndarray) -> Features:
    return replace(features, labels=labels)


def test_well_separated_classes_are_told_apart_by_every_probe(make_evidence: MakeEvidence) -> None:
    found = scores(make_evidence(separation=30, train=600), (1, 10, 100))
    assert {metric for metric, _ in found} == {
        *PROBES, "linear_probe_balanced_accuracy",
        "linear_probe_accuracy_1", "linear_probe_accuracy_10", "linear_probe_accuracy_100",
    }  # fmt: skip
    assert {condition for _, condition in found} == {"", "D4", "30deg", "any-angle"}
    for score in found.values():
        assert (score.value, score.low, score.high) == (1, 1, 1)


def test_random_features_and_permuted_labels_score_by_chance(make_evidence: MakeEvidence) -> None:
    rng = np.random.default_rng(0)
    random = make_evidence(separation=0, train=400, test=400)
    evidence = make_evidence(separation=8, train=400, test=400)
    permuted = replace(evidence, train=relabelled(evidence.train, rng.permutation(evidence.train.labels)))
    for found in (scores(random), scores(permuted)):
        for metric in PROBES:
            assert found[metric, ""].value == pytest.approx(1 / 3, abs=0.12)


def test_linear_probe_and_neighbours_agree_with_scikit_learn(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence(separation=0.6, train=300, test=200)
    x, y, z, true = (evidence.train.upright, evidence.train.labels, evidence.test.upright, evidence.test.labels)
    linear = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2_000, tol=1e-8)).fit(x, y)
    near = make_pipeline(StandardScaler(), KNeighborsClassifier(20, weights="distance")).fit(x, y)
    findings = evaluate_classification(evidence, labels_per_class=())
    found = {(score.metric, score.condition): score.value for score in findings.scores}
    assert found["linear_probe_accuracy", ""] == pytest.approx(accuracy_score(true, linear.predict(z)), abs=0.006)
    assert found["knn_accuracy", ""] == pytest.approx(accuracy_score(true, near.predict(z)), abs=1e-6)
    drawn = np.array(findings.drawings["confusion"]["matrix"])
    assert np.abs(drawn - confusion_matrix(true, linear.predict(z))).sum() <= 2
    assert findings.drawings["confusion"]["classes"] == ["kind 0", "kind 1", "kind 2"]
    assert np.trace(drawn) / drawn.sum() == pytest.approx(found["linear_probe_accuracy", ""])
    turned = evidence.turned["D4"].values[:, 1:].reshape(-1, 6)
    expected = accuracy_score(np.repeat(evidence.turned["D4"].labels, 7), linear.predict(turned))
    assert found["linear_probe_accuracy", "D4"] == pytest.approx(expected, abs=0.02)


def test_accuracy_and_confusion_agree_with_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    predicted, true = rng.integers(5, size=(2, 200))
    assert accuracy(predicted, true) == pytest.approx(accuracy_score(true, predicted), abs=1e-6)
    assert confusion(predicted, true, 5) == confusion_matrix(true, predicted).tolist()


def test_renaming_the_classes_leaves_the_accuracies(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence(separation=1, train=300, test=200)
    names = np.array([2, 0, 1])
    renamed = replace(
        evidence,
        train=relabelled(evidence.train, names[evidence.train.labels]),
        test=relabelled(evidence.test, names[evidence.test.labels]),
    )
    found, expected = scores(renamed), scores(evidence)
    for metric in ("linear_probe_accuracy", "knn_accuracy"):
        assert found[metric, ""].value == pytest.approx(expected[metric, ""].value, abs=0.006)


def test_features_that_turn_with_the_image_fail_on_turned_images_only(make_evidence: MakeEvidence) -> None:
    found = scores(make_evidence(separation=6, movement=50.0, test=200, turned=100))
    assert found["linear_probe_accuracy", ""].value > 0.9
    assert found["linear_probe_accuracy", "any-angle"].value < 0.5


def test_the_scale_and_offset_of_each_feature_do_not_matter(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence(separation=0.7, train=200)
    scale, offset = 10.0 ** np.arange(-3, 3), np.arange(6) - 2.5

    def moved(features: Features) -> Features:
        return replace(features, values=(features.values * scale + offset).astype(np.float32))

    other = replace(evidence, train=moved(evidence.train), test=moved(evidence.test), turned={})
    found, expected = scores(other), scores(evidence)
    for metric in ("linear_probe_accuracy", "knn_accuracy"):
        assert found[metric, ""].value == pytest.approx(expected[metric, ""].value, abs=0.03)


def test_rounding_noise_in_a_dead_feature_is_not_blown_up(make_evidence: MakeEvidence) -> None:
    rng = np.random.default_rng(0)

    def with_dead(features: Features) -> Features:
        dead = np.float32(0.3) * (1 + 1e-7 * rng.standard_normal((*features.values.shape[:2], 200)))
        return replace(features, values=np.concatenate([features.values, dead], axis=2).astype(np.float32))

    evidence = make_evidence(separation=1, train=200)
    dead = replace(evidence, train=with_dead(evidence.train), test=with_dead(evidence.test), turned={})
    assert scores(dead)["knn_accuracy", ""].value == pytest.approx(
        scores(evidence)["knn_accuracy", ""].value, abs=0.012
    )


def test_images_without_a_label_are_left_out(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence(separation=30)
    labels = evidence.test.labels.copy()
    labels[::2] = -1
    found = scores(replace(evidence, test=relabelled(evidence.test, labels)))
    assert (found["linear_probe_accuracy", ""].n, found["linear_probe_accuracy", ""].value) == (45, 1)


@pytest.mark.parametrize("kept", [0, 1])
def test_fewer_than_two_classes_leave_nothing_to_score(make_evidence: MakeEvidence, kept: int) -> None:
    evidence = make_evidence()
    labels = np.where(evidence.train.labels < kept, evidence.train.labels, -1)
    with pytest.raises(NotAvailable, match="fewer than two classes"):
        evaluate_classification(replace(evidence, train=relabelled(evidence.train, labels)))


def test_few_labels_are_skipped_where_a_class_has_fewer_images(make_evidence: MakeEvidence) -> None:
    found = scores(make_evidence(train=45), (1, 10, 100))  # 15 images a class
    assert ("linear_probe_accuracy_10", "") in found
    assert found["linear_probe_accuracy_100", ""].note == "not available: class kind 0 has 15 training images"


def test_more_labels_help(make_evidence: MakeEvidence) -> None:
    found = scores(make_evidence(separation=0.8, train=600, test=300), (1, 10, 100))
    one, ten, hundred = (found[f"linear_probe_accuracy_{count}", ""] for count in (1, 10, 100))
    assert one.value < ten.value < hundred.value
    assert one.low is not None
    assert one.high is not None
    assert 0 <= one.low < one.value < one.high <= 1


def test_the_few_labelled_images_are_distinct_and_equally_many_a_class() -> None:
    labels = np.random.default_rng(0).integers(4, size=200)
    chosen = draw_per_class(labels, 30, np.random.default_rng(1))
    assert len(set(chosen)) == 120
    assert np.bincount(labels[chosen]).tolist() == [30] * 4


def test_rare_classes_and_classes_seen_only_in_one_split_are_no_obstacle(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence(separation=30, class_names=())
    train, test = evidence.train.labels.copy(), evidence.test.labels.copy()
    train[0], test[0] = 3, 4  # one training image of class 3, and a class that only the test split has
    found = evaluate_classification(
        replace(evidence, train=relabelled(evidence.train, train), test=relabelled(evidence.test, test))
    )
    assert found.drawings["confusion"]["classes"] == ["0", "1", "2", "3", "4"]
    assert np.array(found.drawings["confusion"]["matrix"]).sum() == 90


def test_a_repeated_training_set_is_as_good_as_one(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence(separation=30)
    doubled = make_features(np.repeat(evidence.train.upright, 2, 0), np.repeat(evidence.train.labels, 2))
    found = scores(replace(evidence, train=doubled))
    for metric in PROBES:
        assert found[metric, ""].value == 1


def test_many_classes_with_one_label_each_are_no_obstacle(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence(classes=30, separation=30, width=10)
    assert scores(evidence, (1,))["linear_probe_accuracy_1", ""].value > 0.9


def test_the_probe_of_few_images_is_the_one_scikit_learn_finds_among_all_features() -> None:
    rng = np.random.default_rng(3)
    features, labels = rng.normal(size=(40, 150)).astype(np.float32), np.arange(40) % 4
    reduced = fit_linear_probe(features, labels, seed=0)
    direct = LogisticRegression(C=1.0, max_iter=2000, tol=1e-8).fit(features, labels)
    unseen = rng.normal(size=(500, 150)).astype(np.float32)
    assert (reduced.predict(unseen) == direct.predict(unseen)).mean() > 0.99
    assert np.linalg.norm(reduced.coef_ - direct.coef_) < 0.01 * np.linalg.norm(direct.coef_)


def test_a_classifier_of_its_own_is_judged_where_it_knows_the_classes(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence(classes=3, test=90)
    logits = np.eye(3, dtype=np.float32)[evidence.test.labels]
    logits[:9] = np.roll(logits[:9], 1, axis=1)
    found = scores(replace(evidence, logits=logits))
    assert found["classifier_accuracy", ""].value == pytest.approx(0.9)
    assert ("classifier_accuracy", "") not in scores(replace(evidence, logits=np.zeros((90, 1000), np.float32)))
    assert ("classifier_accuracy", "") not in scores(replace(evidence, logits=None))


def test_the_balanced_accuracy_is_that_of_scikit_learn(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence(separation=0.6, train=300, test=200)
    kept = np.flatnonzero((evidence.test.labels != 0) | (np.arange(200) < 30))
    rare = replace(evidence, test=make_features(evidence.test.upright[kept], evidence.test.labels[kept]))
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2_000, tol=1e-8))
    said = probe.fit(evidence.train.upright, evidence.train.labels).predict(rare.test.upright)
    found = scores(rare)["linear_probe_balanced_accuracy", ""]
    assert found.value == pytest.approx(balanced_accuracy_score(rare.test.labels, said), abs=0.01)
