"""Layers are plain modules over plain tensors: they compile, export, pickle, copy, autocast and load in any mode."""

from __future__ import annotations

import copy
import io
import itertools
import pickle
import warnings
from collections.abc import Iterator

import pytest
import torch
from layer_cases import CASES, LayerCase
from torch import Tensor, nn

from eqae.groups import C1, C4, D4, Group
from eqae.models import build_model
from eqae.nn import BilinearUpsample, FieldBatchNorm, RegularConvTranspose, Window
from eqae.nn.filters import SteerableFilters
from eqae.testing import randomize

SIZE = 7
WINDOW = Window(3, 2, 1)
every_layer = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@pytest.fixture(autouse=True)
def fresh_compiler() -> Iterator[None]:
    yield
    torch._dynamo.reset()


@pytest.fixture(params=[("D4", "steerable"), ("C3", "steerable"), ("C3", "copies")], ids="-".join)
def model(request: pytest.FixtureRequest) -> nn.Module:
    torch.manual_seed(0)
    group, construction = request.param
    options = {"group": group, "construction": construction, "fields": [2, 3], "code": 4, "attention": 5}
    return randomize(build_model("eqae", (1, 18, 18), options))


def layer_and_input(case: LayerCase) -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    return randomize(case.build(D4, SIZE, WINDOW)), case.input(D4, SIZE, torch.float32)


def images(batch: int = 3) -> Tensor:
    return torch.rand(batch, 1, 18, 18, generator=torch.Generator().manual_seed(1))


def gradients(module: nn.Module, output: Tensor) -> list[Tensor]:
    return list(torch.autograd.grad(output.square().sum(), list(module.parameters())))


def assert_gradients_agree(model: nn.Module, output: Tensor, twin: nn.Module, expected: Tensor) -> None:
    ours, theirs = gradients(model, output), gradients(twin, expected)
    scale = max(gradient.abs().max().item() for gradient in theirs)  # some are zero but for rounding
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5 * scale)


@every_layer
def test_layer_compiles_without_a_graph_break_in_both_modes(case: LayerCase) -> None:
    layer, x = layer_and_input(case)
    for mode in (True, False):
        layer.train(mode)
        expected = copy.deepcopy(layer)(x)
        torch._dynamo.reset()
        compiled = torch.compile(layer, fullgraph=True, backend="eager")
        torch.testing.assert_close(compiled(x), expected)


def test_the_whole_model_compiles_forward_and_backward_without_a_graph_break(model: nn.Module) -> None:
    twin = copy.deepcopy(model)
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    ours, theirs = compiled(images()), twin(images())
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b)
    assert_gradients_agree(model, ours.images, twin, theirs.images)


@pytest.mark.slow
def test_the_whole_model_gives_the_same_when_compiled_to_machine_code(model: nn.Module) -> None:
    twin = copy.deepcopy(model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the compiler's own
        compiled = torch.compile(model, fullgraph=True)
        ours = compiled(images()).images
    theirs = twin(images()).images
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    assert_gradients_agree(model, ours, twin, theirs)


@every_layer
def test_layer_exports(case: LayerCase) -> None:
    layer, x = layer_and_input(case)
    layer.eval()
    exported = torch.export.export(layer, (x,), strict=False)
    torch.testing.assert_close(exported.module()(x), layer(x))


def test_the_whole_model_exports_for_any_batch_size(model: nn.Module) -> None:
    model.eval()
    batch = torch.export.Dim("batch", min=2, max=512)
    exported = torch.export.export(model, (images(),), dynamic_shapes=({0: batch},), strict=False)
    for a, b in zip(exported.module()(images(5)), model(images(5)), strict=True):
        torch.testing.assert_close(a, b)


@every_layer
def test_layer_survives_pickling_and_copying_in_both_modes(case: LayerCase) -> None:
    layer, x = layer_and_input(case)
    for mode in (True, False):
        layer.train(mode)(x)
        twins = [copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))]
        for twin in twins:
            assert twin.training == mode
            assert torch.equal(twin.eval()(x), copy.deepcopy(layer).eval()(x))


def test_a_copied_model_shares_nothing_with_the_original(model: nn.Module) -> None:
    before = model.eval()(images()).images
    randomize(copy.deepcopy(model), seed=9)
    copy.deepcopy(model).double()
    assert torch.equal(model(images()).images, before)


@every_layer
def test_layer_works_under_bf16_autocast(case: LayerCase) -> None:
    layer, x = layer_and_input(case)
    expected = layer.eval()(x)
    computes = len(list(layer.parameters())) > 0 and not isinstance(layer, FieldBatchNorm)
    with torch.autocast("cpu", torch.bfloat16):
        output = layer(x if computes else x.bfloat16())
    assert output.dtype == torch.bfloat16
    assert output.isfinite().all()
    assert (output.float() - expected).abs().max() < 0.05 * expected.abs().max()


def test_the_whole_model_trains_under_bf16_autocast(model: nn.Module) -> None:
    expected = copy.deepcopy(model)(images())
    with torch.autocast("cpu", torch.bfloat16):
        output = model(images())
    assert output.images.dtype == output.embedding.dtype == torch.bfloat16
    assert (output.images.float() - expected.images).abs().max() < 0.1 * expected.images.abs().max()
    assert all(g.isfinite().all() and g.dtype == torch.float32 for g in gradients(model, output.images.float()))


@pytest.mark.parametrize("case", [case for case in CASES if case.takes != "rows"], ids=lambda case: case.name)
def test_layer_gives_the_same_in_channels_last_format(case: LayerCase) -> None:
    layer, x = layer_and_input(case)
    for mode in (True, False):
        expected = copy.deepcopy(layer).train(mode)(x)
        last = copy.deepcopy(layer).train(mode).to(memory_format=torch.channels_last)
        torch.testing.assert_close(last(x.to(memory_format=torch.channels_last)), expected, rtol=1e-4, atol=1e-5)


def test_the_whole_model_gives_the_same_in_channels_last_format(model: nn.Module) -> None:
    expected = copy.deepcopy(model)(images())
    last = copy.deepcopy(model).to(memory_format=torch.channels_last)
    output = last(images().to(memory_format=torch.channels_last))
    torch.testing.assert_close(output.images, expected.images, rtol=1e-4, atol=1e-5)


STATES = ("fresh", "trained", "evaluating", "compiled")


def in_state(state: str) -> nn.Module:
    torch.manual_seed(STATES.index(state))
    module = build_model("eqae", (1, 18, 18), {"fields": [2, 3], "code": 4, "attention": 5})
    if state == "trained":
        optimizer = torch.optim.AdamW(module.parameters(), lr=0.01)
        module(images()).images.square().mean().backward()
        optimizer.step()
    elif state == "evaluating":
        module.eval()(images())
    elif state == "compiled":
        torch.compile(module, fullgraph=True, backend="eager")(images())
    return module


def test_the_state_dict_has_the_same_keys_and_loads_strictly_between_all_states() -> None:
    modules = {state: in_state(state) for state in STATES}
    keys = {state: list(module.state_dict()) for state, module in modules.items()}
    for source, target in itertools.permutations(STATES, 2):
        assert keys[source] == keys[target]
        receiver = copy.deepcopy(modules[target])
        receiver.load_state_dict(modules[source].state_dict(), strict=True)
        ours, theirs = receiver.eval()(images()), copy.deepcopy(modules[source]).eval()(images())
        assert torch.equal(ours.embedding, theirs.embedding)
        assert torch.equal(ours.images, theirs.images)


def test_the_state_dict_holds_learnt_numbers_statistics_and_bases_only(model: nn.Module) -> None:
    learnt = {name for name, _ in model.named_parameters()}
    rest = {name.rsplit(".", 1)[1] for name in model.state_dict() if name not in learnt}
    bases = {"basis"} if any(isinstance(layer, SteerableFilters) for layer in model.modules()) else set()
    assert rest == {"running_mean", "running_var", "num_batches_tracked"} | bases
    assert all(tensor.is_contiguous() for tensor in model.state_dict().values())


def test_a_saved_state_is_as_small_as_its_parameters(model: nn.Module) -> None:
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    numbers = sum(tensor.numel() for tensor in model.state_dict().values())
    assert file.getbuffer().nbytes < 4 * numbers + 400 * len(model.state_dict()) + 4096


def test_weights_changed_in_evaluation_mode_take_effect_at_once(model: nn.Module) -> None:
    before = model.eval()(images()).images
    randomize(model, seed=5)
    assert not torch.allclose(model(images()).images, before)


def test_input_gradients_can_be_taken_twice_in_evaluation_mode(model: nn.Module) -> None:
    model.eval()
    x = images().requires_grad_()
    first = torch.autograd.grad(model(x).images.square().sum(), x)[0]
    second = torch.autograd.grad(model(x).images.square().sum(), x)[0]
    assert torch.equal(first, second)


def test_casting_one_model_leaves_another_alone() -> None:
    one, other = (build_model("eqae", (1, 18, 18), {"fields": [2], "code": 2}) for _ in range(2))
    one.double()
    assert other(images()).images.dtype == torch.float32


def test_norm_statistics_are_those_of_whole_fields() -> None:
    torch.manual_seed(0)
    norm, x = FieldBatchNorm(3, 8).double(), 2 + torch.randn(4, 24, 5, 5, dtype=torch.float64)
    y = norm(x)
    fields = x.unflatten(1, (3, 8)).transpose(0, 1).flatten(1)
    mean, variance = fields.mean(1), fields.var(1, correction=0)
    expected = (x.unflatten(1, (3, 8)) - mean.view(3, 1, 1, 1)) / (variance.view(3, 1, 1, 1) + norm.eps).sqrt()
    torch.testing.assert_close(y, expected.flatten(1, 2))
    torch.testing.assert_close(norm.running_mean, 0.1 * mean)
    torch.testing.assert_close(norm.running_var, 0.9 + 0.1 * fields.var(1))
    assert norm.num_batches_tracked == 1


@pytest.mark.parametrize("group", [C1, C4, D4], ids=lambda group: group.name)
def test_the_two_ways_of_normalising_agree_in_values_gradients_and_statistics(group: Group) -> None:
    x = 3 + 2 * torch.randn(4, 3 * group.order, 5, 5, dtype=torch.float64)
    results = []
    for memory_format in (torch.contiguous_format, torch.channels_last):
        norm = randomize(FieldBatchNorm(3, group.order).double())
        leaf = x.clone(memory_format=memory_format).requires_grad_()
        y = norm(leaf)
        y.pow(3).sum().backward()
        results.append([y, leaf.grad, norm.weight.grad, norm.bias.grad, *norm.buffers()])
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b)


def test_normalising_bf16_keeps_statistics_in_float32_in_either_way() -> None:
    x = (100 + torch.randn(8, 24, 9, 9)).bfloat16()
    for memory_format in (torch.contiguous_format, torch.channels_last):
        norm = FieldBatchNorm(3, 8)
        y = norm(x.to(memory_format=memory_format))
        assert y.dtype == torch.bfloat16
        assert norm.running_mean.dtype == torch.float32
        torch.testing.assert_close(norm.running_mean, 0.1 * x.float().unflatten(1, (3, 8)).mean((0, 2, 3, 4)))


@pytest.mark.parametrize(("small", "size"), [(4, 7), (7, 14), (14, 28), (2, 3)])
def test_interpolation_by_matrices_is_torchs_bilinear(small: int, size: int) -> None:
    fields = torch.randn(2, 6, small, small, dtype=torch.float64)
    expected = torch.nn.functional.interpolate(fields, size=(size, size), mode="bilinear", align_corners=False)
    torch.testing.assert_close(BilinearUpsample(small, size).double()(fields), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("bias", [False, True])
def test_growing_from_one_pixel_is_the_transposed_convolution(bias: bool) -> None:
    layer = randomize(RegularConvTranspose(D4, 3, 2, Window(5), bias=bias)).double()
    pixel = torch.randn(4, 24, 1, 1, dtype=torch.float64)
    expected = torch.nn.functional.conv_transpose2d(pixel, layer.expanded(), layer.field_bias())
    torch.testing.assert_close(layer(pixel), expected)
