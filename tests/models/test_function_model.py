"""A user's function as a model: exactly its features, and a clear word when it returns something else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from eqae.errors import DataError
from eqae.groups import D4
from eqae.heads import build_head
from eqae.models import FunctionModel
from eqae.models.orbit_mean import OrbitMean
from eqae.testing import check_model

SHAPE = (1, 12, 12)


def images(batch: int = 4) -> Tensor:
    return torch.rand(batch, *SHAPE, generator=torch.Generator().manual_seed(0))


def row_sums(x: Tensor) -> Tensor:
    return x.sum((1, 3))


@pytest.mark.parametrize(
    "function",
    [
        row_sums,
        lambda x: row_sums(x).numpy(),
        lambda x: row_sums(x).numpy().astype(np.float64)[:, ::-1][:, ::-1],
        lambda x: row_sums(x).requires_grad_(),
    ],
    ids=["torch", "numpy", "numpy views", "with gradient"],
)
def test_the_mean_head_gives_exactly_the_features_of_the_function(function: Any) -> None:
    model = FunctionModel(function, SHAPE)
    assert (model.channels, model.group.order, model.has_decoder, model.trained_by) == (12, 1, False, "nothing")
    features = build_head("mean", model, {})(model.encode(images()))
    assert torch.equal(features, row_sums(images()))
    assert not features.requires_grad


def test_it_keeps_the_contract_of_models_and_has_an_orbit_mean() -> None:
    model = FunctionModel(row_sums, SHAPE)
    check_model(model)
    average = OrbitMean(model, D4)
    errors = check_model(average)
    assert len(errors) == 7
    with pytest.raises(NotImplementedError):
        average.decode(average.encode(images()))
    assert model.encode_with_maps(images())[1] == {}


def test_whole_numbers_and_truth_values_become_floats() -> None:
    for function in (lambda x: (x > 0.5).flatten(1), lambda x: (255 * x).to(torch.uint8).flatten(1)):
        embedding = FunctionModel(function, SHAPE).encode(images())
        assert embedding.dtype == torch.float32
        assert torch.equal(embedding.squeeze(1), function(images()).float())


def test_a_buffer_that_is_used_again_or_cannot_be_written_to_is_copied() -> None:
    buffer = np.zeros((4, 2), np.float32)

    def function(x: Tensor) -> np.ndarray:
        buffer[:] = x.mean((1, 2, 3)).numpy()[:, None]
        view = buffer[: len(x)]
        view.flags.writeable = False
        return view

    model = FunctionModel(function, SHAPE, width=2)
    first = model.encode(images())
    expected = first.clone()
    model.encode(torch.zeros(4, *SHAPE))
    assert torch.equal(first, expected)


def test_a_module_belongs_to_the_model_and_runs_in_evaluation_mode() -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(144, 5), nn.Dropout(0.5))
    model = FunctionModel(module, SHAPE, width=5).double().eval()
    assert not module.training
    assert model.encode(images().double()).dtype == torch.float64
    assert len(list(model.parameters())) == 2


def test_the_function_is_probed_only_where_its_width_is_not_told() -> None:
    seen: list[tuple[int, ...]] = []

    def function(x: Tensor) -> Tensor:
        seen.append(tuple(x.shape))
        return x.flatten(1)

    FunctionModel(function, SHAPE, width=144)
    assert seen == []
    FunctionModel(function, SHAPE)
    assert seen == [(2, *SHAPE)]


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: None, "a NoneType"),
        (lambda x: [[1.0]] * len(x), "a list"),
        (lambda x: x, r"shape \(2, 1, 12, 12\) for 2 images; expected \(2, D\)"),
        (lambda x: x.flatten(1).mean(0, keepdim=True), r"shape \(1, 144\) for 2 images"),
        (lambda x: torch.zeros(len(x), 0), r"shape \(2, 0\)"),
        (lambda x: x.flatten(1).to(torch.complex64), "entries of type torch.complex64"),
        (lambda x: np.array([["a"]] * len(x)), "entries of type <U1"),
        (lambda x: np.array([[{}]] * len(x)), "entries of type object"),
    ],
)
def test_what_is_no_feature_matrix_is_refused_by_what_it_is(function: Any, message: str) -> None:
    with pytest.raises(DataError, match=rf"function '<lambda>': it returned {message}"):
        FunctionModel(function, SHAPE)


def test_a_width_that_changes_is_refused() -> None:
    model = FunctionModel(lambda x: x.flatten(1)[:, : len(x)], SHAPE)
    assert model.channels == 2
    with pytest.raises(DataError, match="it returned 4 features an image; expected 2"):
        model.encode(images())


def test_features_that_are_not_finite_pass_for_the_evaluation_to_name_their_image() -> None:
    model = FunctionModel(lambda x: torch.full((len(x), 3), torch.nan), SHAPE)
    assert model.encode(images()).isnan().all()
    assert not model.is_reproducible
