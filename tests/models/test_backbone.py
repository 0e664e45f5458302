"""Backbones of torchvision: the network itself, its weights from a user's file, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
import torchvision
from torch import Tensor, nn

from eqae.checkpoint import ModelSpec, load_checkpoint, save_checkpoint
from eqae.errors import ConfigError
from eqae.groups import D4
from eqae.heads import build_head
from eqae.models import build_model
from eqae.models.backbone import architectures
from eqae.testing import check_model

SHAPE = (1, 32, 32)
SMALL = {
    "resnet18": (512, "fc"),
    "mobilenet_v2": (1280, "classifier.1"),
    "mobilenet_v3_small": (1024, "classifier.3"),
    "densenet121": (1024, "classifier"),
    "efficientnet_b0": (1280, "classifier.1"),
    "convnext_tiny": (768, "classifier.2"),
}


def images(size: int = 32, channels: int = 1, batch: int = 3) -> Tensor:
    return torch.rand(batch, channels, size, size, generator=torch.Generator().manual_seed(0))


def published(architecture: str, classes: int = 7) -> nn.Module:
    """A network as torchvision builds it, with random statistics."""
    torch.manual_seed(1)
    network = torchvision.models.get_model(architecture, weights=None, num_classes=classes).eval()
    for name, buffer in network.named_buffers():
        if name.endswith("running_var"):
            nn.init.uniform_(buffer, 0.5, 1.5)
    return network


def normalised(grey: Tensor) -> Tensor:
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    return (grey.repeat(1, 3, 1, 1) - mean.view(3, 1, 1)) / std.view(3, 1, 1)


def saved(network: nn.Module, path: Path) -> Path:
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    safetensors.torch.save_file(state, path) if path.suffix == ".safetensors" else torch.save(state, path)
    return path


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    return saved(published("mobilenet_v3_small"), tmp_path / "weights.safetensors")


def fitted(weights: Path, architecture: str = "mobilenet_v3_small", classes: int = 7) -> Any:
    options = {"architecture": architecture, "weights": str(weights), "classes": classes}
    model = build_model("backbone", SHAPE, options)
    model.fit(images())
    return model


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
@pytest.mark.parametrize("architecture", ["resnet18", "mobilenet_v3_small", "densenet121"])
def test_with_its_weights_it_is_the_network_itself(tmp_path: Path, architecture: str, suffix: str) -> None:
    network = published(architecture)
    model = fitted(saved(network, tmp_path / f"weights.{suffix}"), architecture)
    assert (model.trained_by, model.classes, model.has_decoder) == ("fit", 7, False)
    with torch.no_grad():
        logits = model.logits(model.encode(images()))
        torch.testing.assert_close(logits, network(normalised(images())))
    assert logits.shape == (3, 7)


@pytest.mark.parametrize("architecture", SMALL)
@pytest.mark.parametrize("size", [28, 33])
def test_every_family_gives_features_and_maps_of_small_images(architecture: str, size: int) -> None:
    model = build_model("backbone", (1, size, size), {"architecture": architecture})
    with torch.no_grad():
        embedding, maps = model.encode_with_maps(images(size))
        assert torch.equal(embedding, model.encode(images(size)))
    width, last = SMALL[architecture]
    assert (model.channels, model.last) == (width, last)
    assert embedding.shape == (3, 1, width)
    assert {values.shape[2] for values in maps.values()} == {1}
    sides = [values.shape[-1] for values in maps.values()]
    assert len(sides) == 4
    assert sides == sorted(set(sides), reverse=True)
    assert sides[-1] in ((1,) if size == 28 else (1, 2))
    assert list(maps) == ["stage 1", "stage 2", "stage 3", "stage 4"]


def test_the_stages_of_a_residual_network_are_its_four_layers() -> None:
    model = build_model("backbone", (3, 64, 64), {})
    caught: dict[str, Tensor] = {}
    for number in range(1, 5):
        layer = model.network.get_submodule(f"layer{number}")
        layer.register_forward_hook(lambda _, __, output, number=number: caught.update({f"stage {number}": output}))
    with torch.no_grad():
        embedding, maps = model.encode_with_maps(images(64, 3))
    assert [tuple(values.shape[1:]) for values in maps.values()] == [
        (64, 1, 16, 16), (128, 1, 8, 8), (256, 1, 4, 4), (512, 1, 2, 2),
    ]  # fmt: skip
    for stage, values in maps.items():
        assert torch.equal(values.squeeze(2), caught[stage])
    torch.testing.assert_close(embedding.squeeze(1), maps["stage 4"].mean((2, 3, 4)))


def test_looking_at_maps_leaves_no_hook_behind() -> None:
    model = build_model("backbone", SHAPE, {"architecture": "mobilenet_v3_small"})
    model.encode_with_maps(images())
    assert not any(module._forward_hooks for module in model.modules())


def test_it_is_frozen_and_never_in_training_mode() -> None:
    model = build_model("backbone", SHAPE, {"architecture": "mobilenet_v3_small"}).train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    first, second = model.encode(images()), model.encode(images())
    assert torch.equal(first, second)  # no dropout
    assert not first.requires_grad
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_random_weights_are_drawn_from_the_seed_and_have_no_classifier() -> None:
    twins = []
    for seed in (5, 5, 6):
        torch.manual_seed(seed)
        twins.append(build_model("backbone", SHAPE, {"architecture": "mobilenet_v3_small"}))
    a, b, c = (model.encode(images()) for model in twins)
    assert torch.equal(a, b)
    assert not torch.equal(a, c)
    assert (twins[0].trained_by, twins[0].classes) == ("nothing", 0)
    assert not any(name.startswith("classifier") for name in twins[0].state_dict())
    with pytest.raises(NotImplementedError):
        twins[0].logits(a)
    twins[0].fit(images())
    assert torch.equal(twins[0].encode(images()), a)


def test_grey_images_are_as_colour_images_of_three_equal_channels() -> None:
    torch.manual_seed(0)
    grey = build_model("backbone", SHAPE, {"architecture": "mobilenet_v3_small"})
    colour = build_model("backbone", (3, 32, 32), {"architecture": "mobilenet_v3_small"})
    colour.load_state_dict(grey.state_dict())
    torch.testing.assert_close(colour.encode(images().repeat(1, 3, 1, 1)), grey.encode(images()))


def test_averaged_over_an_orbit_it_is_invariant() -> None:
    base = {"name": "backbone", "architecture": "mobilenet_v3_small"}
    model = build_model("orbit_mean", (1, 28, 28), {"base": base}).double().eval()
    check_model(model)
    head = build_head("mean", model, {}).double()
    upright, turned = (head(model.encode(x)) for x in (images(28).double(), D4.act(5, images(28).double())))
    assert (upright - turned).norm() < 1e-12 * upright.norm()


@pytest.mark.parametrize("with_weights", [False, True])
def test_a_saved_model_needs_no_weights_file(tmp_path: Path, weights: Path, with_weights: bool) -> None:
    options: dict[str, Any] = {"architecture": "mobilenet_v3_small"}
    if with_weights:
        options |= {"weights": str(weights), "classes": 7}
    spec = ModelSpec("backbone", options, "mean", {}, SHAPE, "digits", 0)
    model = build_model(spec.model, spec.image_shape, spec.model_options)
    model.fit(images())
    weights.unlink()
    save_checkpoint(tmp_path / "run", model, spec)
    loaded = load_checkpoint(tmp_path / "run").model
    embedding = model.encode(images())
    assert torch.equal(loaded.encode(images()), embedding)
    assert (loaded.classes, loaded.trained_by) == (model.classes, model.trained_by)
    if with_weights:
        assert torch.equal(loaded.logits(embedding), model.logits(embedding))


def test_files_of_older_makers_are_read(tmp_path: Path) -> None:
    """No counters of batches, and a dot before the numbers inside a dense block."""
    network = published("densenet121")
    state = {
        name.replace("norm1", "norm.1").replace("norm2", "norm.2").replace("conv1", "conv.1").replace("conv2", "conv.2")
        if "denselayer" in name
        else name: tensor
        for name, tensor in network.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    assert "features.denseblock1.denselayer1.norm.1.weight" in state
    torch.save(state, tmp_path / "old.pth")
    model = fitted(tmp_path / "old.pth", "densenet121")
    with torch.no_grad():
        torch.testing.assert_close(model.logits(model.encode(images())), network(normalised(images())))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"architecture": "resnet19"}, "unknown architecture 'resnet19'.*did you mean 'resnet1.'"),
        ({"architecture": "vit_b_16"}, "unknown architecture 'vit_b_16'"),
        ({"architecture": "no/such.model"}, "choose one of: convnext_base"),
        ({"weights": "weights.onnx"}, r"model\.weights: found 'weights\.onnx'.*\.safetensors, \.pth, \.pt"),
        ({"classes": 0}, r"model\.classes"),
    ],
)
def test_what_cannot_be_built_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=f"(?s){message}"):
        build_model("backbone", SHAPE, options)


def test_images_with_two_channels_are_refused() -> None:
    with pytest.raises(ConfigError, match="image channels: found 2"):
        build_model("backbone", (2, 32, 32), {})


def test_a_missing_file_is_refused_when_it_is_needed(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"(?s)model\.weights: no file.*never downloaded"):
        fitted(tmp_path / "absent.pth")


@pytest.mark.parametrize(
    ("architecture", "classes", "message"),
    [
        ("mobilenet_v3_small", 5, r"(?s)a tensor \(7, 1024\) 'classifier\.3\.weight'.*\(5, 1024\).*model\.classes"),
        ("mobilenet_v3_large", 7, "set model.architecture to that of the file"),
    ],
)
def test_weights_of_another_network_are_refused(weights: Path, architecture: str, classes: int, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        fitted(weights, architecture, classes)


class Harmful:
    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("harmed"),)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"not a file of weights", "cannot be read"),
        ([1, 2], "holds a list"),
        ({"state_dict": {"a": torch.zeros(1)}}, "(?s)'state_dict'.*found a dict.*save the state dict alone"),
        ({"a": torch.tensor([float("nan")])}, "NaN or infinity"),
        ({"a": Harmful()}, "cannot be read"),
    ],
    ids=["bytes", "list", "nested", "nan", "code"],
)
def test_files_that_hold_no_weights_are_refused_and_never_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: Any, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "weights.pth"
    path.write_bytes(content) if isinstance(content, bytes) else torch.save(content, path)
    with pytest.raises(ConfigError, match=message):
        fitted(path)
    assert not Path("harmed").exists()


def test_every_accepted_name_belongs_to_torchvision() -> None:
    names = architectures()
    assert {*SMALL, "vgg16_bn", "resnext50_32x4d", "wide_resnet50_2"} <= set(names)
    assert not {"vit_b_16", "swin_t", "squeezenet1_0", "inception_v3"} & set(names)
