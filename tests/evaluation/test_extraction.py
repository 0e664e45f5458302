from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from eqae.data.base import Dataset, Images
from eqae.evaluation.evidence import Evidence, Features
from eqae.evaluation.extraction import FeatureModel, extract_evidence, extract_evidences
from eqae.evaluation.invariance import evaluate_invariance
from eqae.evaluation.poses import Pose
from eqae.evaluation.views import Extraction
from eqae.groups import get_group
from eqae.heads import build_head
from eqae.heads.base import Head
from eqae.models import build_model
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
    evidence = extract_evidence(subject(model), dataset)
    for features, images in ((evidence.train, dataset.train), (evidence.test, dataset.test)):
        expected = subject(model).features(images.batch(slice(None)))
        np.testing.assert_allclose(features.upright, expected.numpy(), rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(features.labels, images.labels.numpy())
    assert evidence.train.values.dtype == np.float32
    assert (evidence.model, evidence.dataset, evidence.group, evidence.seed) == ("fake", "smooth", "D4", 3)
    assert evidence.class_names == ("even", "odd")


def test_turned_features_are_those_of_turned_images(orbit_rows: MakeModel, make_dataset: MakeDataset) -> None:
    dataset, model = make_dataset(test=6), orbit_rows("C1", (1, 9, 9))
    evidence = extract_evidence(subject(model), dataset)
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
    whole, blocks = (extract_evidence(subject(model), dataset, Extraction(block=size)) for size in (1000, 3))
    for a, b in zip(all_features(whole), all_features(blocks), strict=True):
        np.testing.assert_allclose(a.values, b.values, rtol=1e-6, atol=1e-6)


def test_features_follow_their_images_when_the_dataset_is_shuffled(
    orbit_rows: MakeModel, make_dataset: MakeDataset
) -> None:
    model, dataset = orbit_rows("D4", (1, 9, 9)), make_dataset()
    order = torch.randperm(len(dataset.test), generator=torch.Generator().manual_seed(0))
    shuffled = Dataset("smooth", dataset.train, dataset.test.take(order))
    straight, mixed = (extract_evidence(subject(model), d) for d in (dataset, shuffled))
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
    together = list(extract_evidences([subject(model, f"fake:{power}", power) for power in (1, 2)], dataset))
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
    evidence = extract_evidence(subject(orbit_rows("D4", (1, 9, 9))), dataset, Extraction(orbit_images=4))
    assert evidence.turned["D4"].labels.tolist() == [0, 1, 2, 3]
    index = evidence.turned["D4"].index
    np.testing.assert_allclose(evidence.turned["D4"].upright, evidence.test.upright[index], rtol=1e-6, atol=1e-6)


def test_the_reconstruction_error_is_that_of_each_image(orbit_rows: MakeModel, make_dataset: MakeDataset) -> None:
    dataset, model = make_dataset(channels=3), orbit_rows("D4", (3, 9, 9))
    evidence = extract_evidence(subject(model), dataset)
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
def test_progress_counts_every_image_in_every_pose_and_ends_at_the_total(
    orbit_rows: MakeModel, make_dataset: MakeDataset, size: tuple[int, int], with_initial: bool
) -> None:
    calls: list[tuple[int, int]] = []
    untrained = orbit_rows("D2", (1, *size), seed=1) if with_initial else None
    extraction = Extraction(orbit_images=7, block=3, progress=lambda done, total: calls.append((done, total)))
    extract_evidence(subject(orbit_rows("D2", (1, *size)), untrained=untrained), make_dataset(size=size), extraction)
    done = [count for count, _ in calls]
    assert done == sorted(set(done))
    assert {total for _, total in calls} == {done[-1]}
    poses, returned = (40, 33) if size == (9, 9) else (4, 0)
    assert done[-1] == 23 + 17 + 7 * (poses * (1 + with_initial) + returned)


def test_extraction_leaves_every_module_in_the_mode_it_was_in(orbit_rows: MakeModel, make_dataset: MakeDataset) -> None:
    model = orbit_rows("D4", (1, 9, 9))
    model.frozen = torch.nn.BatchNorm1d(2).eval()
    model.train_mode_child = torch.nn.BatchNorm1d(2)
    extract_evidence(subject(model), make_dataset())
    assert model.training
    assert not model.frozen.training
    assert model.train_mode_child.training
    assert not subject(model).features(torch.rand(2, 1, 9, 9)).requires_grad


def test_nothing_is_extracted_that_nobody_needs(orbit_rows: MakeModel, make_dataset: MakeDataset) -> None:
    model, dataset = orbit_rows("D4", (1, 9, 9)), make_dataset()
    evidence = extract_evidence(subject(model, untrained=model), dataset, Extraction(needs=frozenset()))
    assert (evidence.turned, evidence.there_and_back, evidence.untrained, evidence.maps) == ({}, {}, {}, {})
    assert evidence.reconstruction_error is evidence.pixels is evidence.code is evidence.encode is None
    probe = 2 * 32  # a blank image finds the shapes, and golden ones the fingerprint, of each of two passes at most
    assert model.encoded <= 2 * 32 + probe


def test_one_condition_alone_can_be_asked_for(orbit_rows: MakeModel, make_dataset: MakeDataset) -> None:
    chosen = Extraction(conditions=("D4",))
    evidence = extract_evidence(subject(orbit_rows("D4", (1, 9, 9))), make_dataset(), chosen)
    assert set(evidence.turned) == {"D4"}
    assert evidence.there_and_back == {}


def test_what_an_image_gets_does_not_depend_on_the_images_beside_it(make_dataset: MakeDataset) -> None:
    dataset = make_dataset(size=(16, 16), test=70)
    few = Dataset(dataset.name, dataset.train, dataset.test.take(torch.arange(33, 70)), dataset.class_names)
    torch.manual_seed(0)
    model = build_model("eqae", (1, 16, 16), {"fields": [2, 3], "code": 4}).eval()
    gram = FeatureModel("eqae", model, build_head("gram", model, {}))
    all_of_them, some = (extract_evidence(gram, d, Extraction(needs=frozenset())) for d in (dataset, few))
    np.testing.assert_array_equal(all_of_them.test.values[33:], some.test.values)


def test_feature_maps_and_the_code_come_with_the_same_pass(make_dataset: MakeDataset) -> None:
    dataset = make_dataset(size=(16, 16), test=20)
    torch.manual_seed(0)
    model = build_model("eqae", (1, 16, 16), {"fields": [2, 3], "code": 4}).eval()
    chosen = Extraction(map_images=5)
    evidence = extract_evidence(FeatureModel("eqae", model, build_head("mean", model, {})), dataset, chosen)
    assert list(evidence.maps) == ["stage 1", "stage 2"]
    images = dataset.test.batch(slice(None))
    with torch.no_grad():
        V, maps = model.encode_with_maps(images)
    for layer, expected in maps.items():
        found = evidence.maps[layer]
        np.testing.assert_array_equal(found.index // 4, [0, 1, 2, 3, 4])
        np.testing.assert_array_equal(found.labels, dataset.test.labels[found.index])
        assert (found.height, found.width) == tuple(expected.shape[-2:])
        wanted = expected[found.index].permute(0, 3, 4, 1, 2).flatten(1, 2)
        np.testing.assert_allclose(found.values, wanted.numpy(), rtol=2e-3, atol=2e-3)
    assert evidence.code is not None
    np.testing.assert_allclose(evidence.code.test, V.flatten(1).numpy(), rtol=1e-4, atol=1e-5)
    decoded = evidence.code.decode(evidence.code.test[:3])
    with torch.no_grad():
        expected_images = model.decode(V[:3]).numpy()
    np.testing.assert_allclose(decoded, expected_images, rtol=1e-3, atol=1e-4)
    assert evidence.encode is not None
    np.testing.assert_allclose(evidence.encode(images).numpy(), evidence.test.upright, rtol=1e-4, atol=1e-5)


def test_large_features_lie_on_disk_and_are_the_same(
    orbit_rows: MakeModel, make_dataset: MakeDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, dataset = orbit_rows("D4", (1, 9, 9)), make_dataset()
    in_memory = extract_evidence(subject(model), dataset)
    monkeypatch.setattr("eqae.evaluation.extraction.SPILL", 0)
    for evidence in extract_evidences([subject(model)], dataset):
        assert isinstance(evidence.train.values, np.memmap)
        for a, b in zip(all_features(in_memory), all_features(evidence), strict=True):
            np.testing.assert_array_equal(a.values, b.values)


def all_features(evidence: Evidence) -> list[Features]:
    return [
        evidence.train, evidence.test, *evidence.turned.values(), *evidence.there_and_back.values(),
        *evidence.untrained.values(),
    ]  # fmt: skip
