from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from eqae.data.base import Dataset, Images
from eqae.errors import DataError
from eqae.evaluation.evidence import Evidence, Features
from eqae.evaluation.extraction import FeatureModel, extract_evidence, extract_evidences
from eqae.evaluation.invariance import evaluate_invariance
from eqae.evaluation.poses import Pose
from eqae.groups import get_group
from eqae.heads.base import Head
from eqae.models.base import Autoencoder

MakeModel = Callable[..., Any]
MakeDataset = Callable[..., Dataset]


class Rows(Head):
    """Mean over the rows of V, to a power; the first feature is the largest entry."""

    def __init__(self, model: Autoencoder, power: int = 1) -> None:
        super().__init__(get_group(model.group.name), model.channels, model.channels + 1)
        self.power = power

    def forward(self, embedding: Tensor) -> Tensor:
        mean = embedding.pow(self.power).mean(1)
        return torch.cat([embedding.amax((1, 2))[:, None], mean], 1)


def subject(
    model: Autoencoder, label: str = "fake", power: int = 1, untrained: Autoencoder | None = None
) -> FeatureModel:
    return FeatureModel(label, model, Rows(model, power), untrained=untrained, seed=3)


def relative_error(evidence: Evidence, condition: str, untrained: bool = False) -> float:
    (value,) = [
        score.value
        for score in evaluate_invariance(evidence).scores
        if (score.metric, score.condition, score.untrained) == ("relative_invariance_error", condition, untrained)
    ]
    return value


def test_features_are_those_of_the_head_on_the_embedding(orbit_rows: MakeModel, make_dataset: MakeDataset) -> None:
    dataset, model = make_dataset(), orbit_rows("D4", (1, 9, 9))
    evidence = extract_evidence(subject(model), dataset, batch_size=5)
    for features, images in ((evidence.train, dataset.train), (evidence.test, dataset.test)):
        expected = subject(model).features(images.batch(slice(None)))
        np.testing.assert_allclose(features.upright, expected.numpy(), rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(features.labels, images.labels.numpy())
    assert evidence.train.values.dtype == np.float32
    assert (evidence.model, evidence.dataset, evidence.group, evidence.seed) == ("fake", "smooth", "D4", 3)
    assert evidence.class_names == ("even", "odd")


def test_turned_features_are_those_of_turned_images(orbit_rows: MakeModel, make_dataset: MakeDataset) -> None:
    dataset, model = make_dataset(test=6), orbit_rows("C1", (1, 9, 9))
    evidence = extract_evidence(subject(model), dataset, batch_size=4)
    images = dataset.test.batch(slice(None))
    for condition, features in evidence.turned.items():
        assert features.values.shape == (6, {"D4": 8, "30deg": 12, "any-angle": 36}[condition], 6)
        for o, (degrees, mirrored) in enumerate(zip(features.angles, features.mirrored, strict=True)):
            expected = subject(model).features(Pose(bool(mirrored), float(degrees)).apply(images))
            np.testing.assert_allclose(features.values[:, o], expected.numpy(), rtol=1e-4, atol=1e-5)
    assert set(evidence.there_and_back) == {"30deg", "any-angle"}
    for condition, features in evidence.there_and_back.items():
        np.testing.assert_array_equal(features.angles, evidence.turned[condition].angles)
        for o, degrees in enumerate(features.angles):
            expected = subject(model).features(Pose(False, float(degrees)).apply_and_undo(images))
            np.testing.assert_allclose(features.values[:, o], expected.numpy(), rtol=1e-4, atol=1e-5)


def test_an_equivariant_model_is_invariant_to_rounding_and_a_plain_one_is_not(
    orbit_rows: MakeModel, make_dataset: MakeDataset
) -> None:
    equivariant = extract_evidence(subject(orbit_rows("D4", (1, 9, 9))), make_dataset())
    plain = extract_evidence(subject(orbit_rows("C1", (1, 9, 9))), make_dataset())
    assert relative_error(equivariant, "D4") < 1e-6
    assert relative_error(plain, "D4") > 0.1
    assert relative_error(equivariant, "any-angle") < relative_error(plain, "any-angle")


def test_features_do_not_depend_on_the_batch_size(orbit_rows: MakeModel, make_dataset: MakeDataset) -> None:
    model, dataset = orbit_rows("D4", (1, 9, 9)), make_dataset()
    whole, blocks = (extract_evidence(subject(model), dataset, batch_size=size) for size in (1000, 3))
    for a, b in zip(all_features(whole), all_features(blocks), strict=True):
        np.testing.assert_allclose(a.values, b.values, rtol=1e-6, atol=1e-6)


def test_features_follow_their_images_when_the_dataset_is_shuffled(
    orbit_rows: MakeModel, make_dataset: MakeDataset
) -> None:
    model, dataset = orbit_rows("D4", (1, 9, 9)), make_dataset()
    order = torch.randperm(len(dataset.test), generator=torch.Generator().manual_seed(0))
    shuffled = Dataset("smooth", dataset.train, dataset.test.take(order))
    straight, mixed = (extract_evidence(subject(model), d, batch_size=4) for d in (dataset, shuffled))
    np.testing.assert_allclose(mixed.test.values, straight.test.values[order.numpy()], rtol=1e-6, atol=1e-6)
    assert straight.reconstruction_error is not None
    assert mixed.reconstruction_error is not None
    np.testing.assert_allclose(mixed.reconstruction_error, straight.reconstruction_error[order.numpy()], rtol=1e-6)


def test_several_heads_share_one_pass_and_get_what_each_gets_alone(
    orbit_rows: MakeModel, make_dataset: MakeDataset
) -> None:
    model, dataset = orbit_rows("D4", (1, 9, 9)), make_dataset()
    alone = [extract_evidence(subject(model, power=power), dataset) for power in (1, 2)]
    encoded_for_two, model.encoded = model.encoded, 0
    together = extract_evidences([subject(model, f"fake:{power}", power) for power in (1, 2)], dataset)
    assert 2 * model.encoded == encoded_for_two
    assert [evidence.model for evidence in together] == ["fake:1", "fake:2"]
    for one, shared in zip(alone, together, strict=True):
        for a, b in zip(all_features(one), all_features(shared), strict=True):
            np.testing.assert_array_equal(a.values, b.values)


def test_subjects_of_different_models_are_not_extracted_together(
    orbit_rows: MakeModel, make_dataset: MakeDataset
) -> None:
    subjects = [subject(orbit_rows("D4", (1, 9, 9), seed=seed)) for seed in (0, 1)]
    with pytest.raises(ValueError, match="share one model"):
        extract_evidences(subjects, make_dataset())


def test_the_initial_weights_are_judged_beside_the_trained_ones(
    orbit_rows: MakeModel, make_dataset: MakeDataset
) -> None:
    trained, initial = orbit_rows("D4", (1, 9, 9)), orbit_rows("C1", (1, 9, 9))
    evidence = extract_evidence(subject(trained, untrained=initial), make_dataset())
    assert set(evidence.untrained) == {"D4", "30deg", "any-angle"}
    assert relative_error(evidence, "D4") < 1e-6 < 0.1 < relative_error(evidence, "D4", untrained=True)
    assert extract_evidence(subject(trained), make_dataset()).untrained == {}


def test_a_head_with_weights_of_its_model_has_a_twin_for_the_initial_model(
    orbit_rows: MakeModel, make_dataset: MakeDataset
) -> None:
    model, initial = orbit_rows("D4", (1, 9, 9)), orbit_rows("D4", (1, 9, 9), seed=1)
    with_twin = FeatureModel("fake", model, Rows(model), untrained=initial, untrained_head=Rows(initial, power=3))
    evidence = extract_evidence(with_twin, make_dataset())
    expected = extract_evidence(subject(initial, power=3), make_dataset())
    np.testing.assert_array_equal(evidence.untrained["D4"].values, expected.turned["D4"].values)


def test_the_turned_images_are_spread_over_the_test_split(orbit_rows: MakeModel, make_dataset: MakeDataset) -> None:
    dataset = make_dataset(test=20)
    sorted_by_class = Images(dataset.test.pixels, torch.arange(20) // 5)
    dataset = Dataset("sorted", dataset.train, sorted_by_class, ("a", "b", "c", "d"))
    evidence = extract_evidence(subject(orbit_rows("D4", (1, 9, 9))), dataset, orbit_images=4)
    assert evidence.turned["D4"].labels.tolist() == [0, 1, 2, 3]
    np.testing.assert_array_equal(evidence.turned["D4"].upright, evidence.test.upright[::5])


def test_the_reconstruction_error_is_that_of_each_image(orbit_rows: MakeModel, make_dataset: MakeDataset) -> None:
    dataset, model = make_dataset(channels=3), orbit_rows("D4", (3, 9, 9))
    evidence = extract_evidence(subject(model), dataset, batch_size=4)
    against_black = dataset.test.pixels.numpy().astype(np.float64) ** 2
    assert evidence.reconstruction_error is not None
    np.testing.assert_allclose(evidence.reconstruction_error, against_black.mean(axis=(1, 2, 3)), rtol=1e-5)
    model.has_decoder = False
    assert extract_evidence(subject(model), dataset).reconstruction_error is None


def test_rectangles_are_judged_under_the_symmetries_they_have(orbit_rows: MakeModel, make_dataset: MakeDataset) -> None:
    evidence = extract_evidence(subject(orbit_rows("D2", (1, 6, 10))), make_dataset(size=(6, 10)))
    assert set(evidence.turned) == {"D2"}
    assert evidence.there_and_back == {}
    assert relative_error(evidence, "D2") < 1e-6


@pytest.mark.parametrize("with_initial", [False, True])
@pytest.mark.parametrize("size", [(9, 9), (6, 10)])
def test_progress_counts_every_encoded_image_and_ends_at_the_total(
    orbit_rows: MakeModel, make_dataset: MakeDataset, size: tuple[int, int], with_initial: bool
) -> None:
    calls: list[tuple[int, int]] = []
    model = orbit_rows("D2", (1, *size))
    untrained = orbit_rows("D2", (1, *size), seed=1) if with_initial else None
    extract_evidence(
        subject(model, untrained=untrained), make_dataset(size=size), orbit_images=7, batch_size=3,
        progress=lambda done, total: calls.append((done, total)),
    )  # fmt: skip
    done = [count for count, _ in calls]
    assert done == sorted(set(done))
    assert {total for _, total in calls} == {done[-1]}
    assert done[-1] == model.encoded + (untrained.encoded if untrained else 0)


def test_extraction_leaves_every_module_in_the_mode_it_was_in(orbit_rows: MakeModel, make_dataset: MakeDataset) -> None:
    model = orbit_rows("D4", (1, 9, 9))
    model.frozen = torch.nn.BatchNorm1d(2).eval()
    model.train_mode_child = torch.nn.BatchNorm1d(2)
    extract_evidence(subject(model), make_dataset())
    assert model.training
    assert not model.frozen.training
    assert model.train_mode_child.training
    assert not subject(model).features(torch.rand(2, 1, 9, 9)).requires_grad


def test_features_that_are_not_finite_name_the_model_and_the_image(
    orbit_rows: MakeModel, make_dataset: MakeDataset
) -> None:
    class Diverged(Rows):
        def forward(self, embedding: Tensor) -> Tensor:
            features = super().forward(embedding)
            return features.where(torch.arange(len(features))[:, None] != 4, torch.inf)

    model = orbit_rows("D4", (1, 9, 9))
    with pytest.raises(DataError, match=r"'broken'.*training image 4"):
        extract_evidence(FeatureModel("broken", model, Diverged(model)), make_dataset())


def all_features(evidence: Evidence) -> list[Features]:
    return [
        evidence.train, evidence.test, *evidence.turned.values(), *evidence.there_and_back.values(),
        *evidence.untrained.values(),
    ]  # fmt: skip
