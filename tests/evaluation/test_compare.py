"""The loop from Python, and extractors whose every figure theory knows."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import eqae
from eqae.data.base import Dataset, Images
from eqae.evaluation.results import Results
from eqae.groups import D4

EVALUATORS = ["reconstruction", "invariance", "classification", "clustering"]


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    """Two classes of blobs, bright and dim, anywhere in the picture."""
    generator = torch.Generator().manual_seed(0)

    def split(count: int) -> Images:
        pixels = torch.zeros(count, 1, 12, 12)
        for i in range(count):
            row, column = torch.randint(0, 9, (2,), generator=generator).tolist()
            pixels[i, 0, row : row + 4, column : column + 3] = (
                0.3 + 0.5 * (i % 2) + 0.1 * torch.rand(4, 3, generator=generator)
            )
        return Images(pixels, torch.arange(count) % 2)

    return Dataset("blobs", split(60), split(40), ("dim", "bright"))


def oracle(images: torch.Tensor) -> torch.Tensor:
    """Perfectly invariant under D4: sorted pixels."""
    return images.flatten(1).sort(dim=1).values[:, -12:]


def found(results: Results, model: str, metric: str, condition: str = "") -> float:
    (value,) = [r.value for r in results.rows if (r.model, r.metric, r.condition) == (model, metric, condition)]
    return value


@pytest.fixture(scope="module")
def results(dataset: Dataset) -> Results:
    models: dict[str, Any] = {
        "oracle": oracle,
        "pixels": lambda images: images.flatten(1),
        "constant": lambda images: np.ones((len(images), 3)),
    }
    small = eqae.evaluate({"zernike": "zernike"}, dataset, evaluators=["reconstruction"])
    assert small.rows[0].note == "not available: the model has no decoder"
    return eqae.evaluate(models, dataset, evaluators=EVALUATORS)


def test_a_perfectly_invariant_oracle_gets_what_theory_gives(results: Results) -> None:
    assert found(results, "oracle", "relative_invariance_error", "D4") == 0
    assert found(results, "oracle", "invariance_ratio", "D4") == 0
    assert found(results, "oracle", "linear_probe_accuracy") == 1
    assert found(results, "oracle", "linear_probe_accuracy", "D4") == 1
    assert found(results, "oracle", "kmeans_acc") == 1


def test_raw_pixels_move_and_a_constant_says_nothing(results: Results) -> None:
    assert found(results, "pixels", "relative_invariance_error", "D4") > 0.5
    assert found(results, "constant", "relative_invariance_error", "D4") == 0
    assert np.isnan(found(results, "constant", "invariance_ratio", "D4"))
    assert found(results, "constant", "linear_probe_accuracy") == 0.5


def test_shuffled_labels_are_worth_chance(dataset: Dataset) -> None:
    def shuffled(images: Images, seed: int) -> Images:
        return Images(images.pixels, images.labels[torch.randperm(len(images), generator=torch.manual_seed(seed))])

    mixed = Dataset("mixed", shuffled(dataset.train, 1), shuffled(dataset.test, 2), dataset.class_names)
    results = eqae.evaluate({"oracle": oracle}, mixed, evaluators="classification")
    assert abs(found(results, "oracle", "linear_probe_accuracy") - 0.5) < 0.3


def test_the_oracle_is_an_oracle() -> None:
    images = torch.rand(3, 1, 12, 12)
    for element in range(D4.order):
        assert torch.equal(oracle(D4.act(element, images)), oracle(images))


def test_a_run_directory_is_judged_too(dataset: Dataset) -> None:
    shipped = Path(__file__).parents[2] / "checkpoints" / "o2mnist_p4m"
    wider = Images(torch.nn.functional.pad(dataset.test.pixels, (8, 8, 8, 8)), dataset.test.labels)
    results = eqae.evaluate({"ours": shipped}, Dataset("wide", wider, wider), evaluators=["invariance"])
    assert found(results, "ours", "relative_invariance_error", "D4") < 1e-5
    with pytest.raises(eqae.DataError, match=r"models\['ours'\].*made for images \(1, 28, 28\)"):
        eqae.evaluate({"ours": shipped}, dataset)


@pytest.mark.parametrize(
    ("models", "options", "message"),
    [
        ({}, {}, "at least one"),
        ({"a": "zernicke"}, {}, "did you mean 'zernike'"),
        ({"a": "cnn"}, {}, "without weights"),
        ({"a": "zernike"}, {"evaluators": ["invariant"]}, "did you mean 'invariance'"),
        ({"a": "zernike"}, {"evaluators": {"clustering": {"cluster": 3}}}, "did you mean 'clusters'"),
    ],
)
def test_mistakes_are_named_before_anything_is_computed(
    dataset: Dataset, models: dict[str, str], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(eqae.ConfigError, match=message):
        eqae.evaluate(models, dataset, **options)


def test_the_same_seed_gives_the_same_random_network(dataset: Dataset) -> None:
    state = torch.get_rng_state()
    a, b, other = (eqae.evaluate({"b": "backbone"}, dataset, evaluators=["uniformity"], seed=s).rows for s in (3, 3, 4))
    assert a == b
    assert a != other
    assert torch.equal(torch.get_rng_state(), state)


def test_pca_takes_as_many_components_as_there_are(dataset: Dataset) -> None:
    results = eqae.evaluate({"pca": "pca"}, dataset, evaluators=["reconstruction"])
    assert results.rows[0].value > 0


def test_a_users_network_comes_out_as_it_went_in(dataset: Dataset) -> None:
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.BatchNorm1d(144)).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    eqae.evaluate({"mine": network}, dataset, evaluators=["spectrum"])
    assert network.training
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]), name


@pytest.mark.parametrize(("labels", "names"), [([0, 1, 2], ("a", "b")), ([0, -7, 1], ("a", "b"))])
def test_labels_without_a_name_are_refused(labels: list[int], names: tuple[str, ...]) -> None:
    images = Images(torch.rand(3, 1, 8, 8), torch.tensor(labels))
    with pytest.raises(eqae.DataError, match=f"training labels: from {min(labels)} to {max(labels)}"):
        Dataset("d", images, images, names)


def test_splits_of_different_shapes_are_refused() -> None:
    a, b = (Images(torch.rand(3, 1, side, side), torch.arange(3)) for side in (8, 9))
    with pytest.raises(eqae.DataError, match="test images"):
        Dataset("d", a, b)
