"""A classification network of torchvision as a frozen extractor: the features before its last layer."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated

import torch
import torch.nn.functional as F
import torchvision
from annotated_types import Ge, Le
from torch import Tensor, nn

from eqae.errors import ConfigError, suggest
from eqae.groups import C1
from eqae.models.base import Autoencoder
from eqae.models.weights_file import check_suffix, read_state_dict

FAMILIES = ("resnet", "resnext", "wide_resnet", "vgg", "densenet", "mobilenet_", "efficientnet_", "convnext_")
"""Beginnings of the names of architectures whose maps are found in one place, and that end in a linear layer."""
SMALLEST = 32
"""Side in pixels: these networks halve their input five times, and some of them refuse less than one pixel."""
STAGES = 4
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's pixels, a colour: what all published weights of these networks expect."""


class Backbone(Autoencoder):
    """V ``(B, 1, m)``: what the last linear layer of a torchvision classifier would see (the penultimate features).

    Images are normalised with ImageNet's mean and standard deviation, whatever the weights; grey ones are repeated
    for the three colours; sides below 32 pixels are enlarged to 32, bilinearly. The network is frozen and always in
    evaluation mode. Its feature maps are the last ones of each resolution, the four deepest of them.

    The weights are random (drawn when the model is built) or a user's own: :meth:`fit` reads their file, and it
    alone. So a saved model, which holds its weights, is rebuilt without that file, and no setting in a checkpoint
    makes a program open a path. Nothing is ever downloaded. Random weights come without a classifier; they keep the
    scale of the images in residual networks and DenseNets, and let it fade in MobileNets and EfficientNets (features
    of 1e-7 and less).

    Args:
        architecture: a name of torchvision from :data:`FAMILIES`.
        image_shape: ``(C, H, W)`` with C = 1 or 3.
        weights: path of a state dict, ``.safetensors`` or ``.pth``; None for random weights.
        classes: K of the classifier in that file.

    Raises:
        ConfigError: no such architecture, a file of another format, or images with two channels.
    """

    has_decoder = False
    mean: Tensor
    std: Tensor

    def __init__(self, architecture: str, image_shape: tuple[int, int, int], weights: str | None, classes: int) -> None:
        if architecture not in architectures():
            raise ConfigError(
                "model.architecture", f"unknown architecture {architecture!r}", "a network of torchvision",
                suggest(architecture, architectures()),
            )  # fmt: skip
        if image_shape[0] not in (1, 3):
            raise ConfigError("image channels", f"found {image_shape[0]}", "1 (grey) or 3 (colour)")
        network = torchvision.models.get_model(architecture, weights=None, num_classes=classes)
        last = [name for name, module in network.named_modules() if isinstance(module, nn.Linear)][-1]
        classifier: nn.Linear = network.get_submodule(last)
        network.set_submodule(last, nn.Identity())
        super().__init__(C1, classifier.in_features, image_shape)
        self.last, self.weights = last, weights
        self.network = network
        self.classifier = None if weights is None else classifier
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(3, 1, 1), persistent=False)
        if weights is None:
            self.trained_by = "nothing"
        else:
            check_suffix(weights, "model.weights")
            self.trained_by, self.classes = "fit", classes
        self.eval().requires_grad_(False)

    def train(self, mode: bool = True) -> Backbone:
        """Stay in evaluation mode, whatever is asked for: the network is frozen."""
        return super().train(False)

    def encode(self, images: Tensor) -> Tensor:
        """``(B, C, H, W)`` to V ``(B, 1, m)``."""
        features: Tensor = self.network(self._prepared(images))
        return features.unsqueeze(1)

    def encode_with_maps(self, images: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """V, and the last map of each resolution, ``(B, channels, 1, H, W)``, four at most."""
        with self._listening() as heard:
            embedding = self.encode(images)
        deepest = list(heard.values())[-STAGES:]
        return embedding, {f"stage {number}": maps.unsqueeze(2) for number, maps in enumerate(deepest, 1)}

    def logits(self, embedding: Tensor) -> Tensor:
        """V ``(B, 1, m)`` to the logits ``(B, K)`` of the network's last layer; not there for random weights."""
        if self.classifier is None:
            return super().logits(embedding)
        logits: Tensor = self.classifier(embedding.squeeze(1))
        return logits

    def fit(self, images: Tensor) -> None:
        """Read the weights; the images are not looked at. Without a weights file, do nothing.

        Raises:
            ConfigError: the file is missing, not a state dict, or one of another network.
        """
        if self.weights is not None:
            found = {_modern(name): tensor for name, tensor in read_state_dict(self.weights, "model.weights").items()}
            own = {self._published(name): name for name in self.state_dict()}
            self._check_match(found, own)
            self.load_state_dict({own[name]: tensor for name, tensor in found.items()})

    def _prepared(self, images: Tensor) -> Tensor:
        height, width = (max(side, SMALLEST) for side in images.shape[-2:])
        if images.shape[-2:] != (height, width):
            images = F.interpolate(images, size=(height, width), mode="bilinear", align_corners=False)
        return (images - self.mean) / self.std  # one channel is repeated for three by broadcasting

    @contextmanager
    def _listening(self) -> Iterator[dict[tuple[int, ...], Tensor]]:
        """By resolution, the last map that passes while the context is open, from shallow to deep."""
        heard: dict[tuple[int, ...], Tensor] = {}

        def hear(module: nn.Module, inputs: object, maps: Tensor) -> None:
            heard[tuple(maps.shape[-2:])] = maps

        trunk = self.network.get_submodule("features") if hasattr(self.network, "features") else self.network
        layers = [layer for name, layer in trunk.named_children() if name not in ("avgpool", self.last)]
        handles = [layer.register_forward_hook(hear) for layer in layers]
        try:
            yield heard
        finally:
            for handle in handles:
                handle.remove()

    def _published(self, name: str) -> str:
        """What torchvision calls the tensor that this model calls ``name``."""
        part, _, rest = name.partition(".")
        return f"{self.last}.{rest}" if part == "classifier" else rest

    def _check_match(self, found: Mapping[str, Tensor], own: Mapping[str, str]) -> None:
        """Refuse the first tensor that is missing, unknown or of another shape."""
        expected = dict(zip(own, self.state_dict().values(), strict=True))
        for name in [*expected, *found]:
            if name not in found and name.endswith("num_batches_tracked"):
                continue  # a counter that old files lack and evaluation does not need
            shapes = [_shape(tensors, name) for tensors in (found, expected)]
            if shapes[0] != shapes[1]:
                classifier = f"model.classes must be that of the file, and {self.last!r} its last layer"
                raise ConfigError(
                    "model.weights", f"{self.weights!r} has {shapes[0]} {name!r}", f"{shapes[1]}",
                    classifier if name.startswith(f"{self.last}.") else "set model.architecture to that of the file",
                )  # fmt: skip


def architectures() -> list[str]:
    """The names of torchvision's networks that :class:`Backbone` accepts."""
    return [name for name in torchvision.models.list_models(module=torchvision.models) if name.startswith(FAMILIES)]


def build_backbone(
    *,
    image_shape: tuple[int, int, int],
    architecture: str = "resnet18",
    weights: str | None = None,
    classes: Annotated[int, Ge(1), Le(100_000)] = 1000,
) -> Backbone:
    """The registered ``backbone`` model; see :class:`Backbone`."""
    return Backbone(architecture, image_shape, weights, classes)


def _modern(name: str) -> str:
    """``norm1`` for ``norm.1``: how the published DenseNets still call the layers of their blocks."""
    return re.sub(r"(denselayer\d+\.(?:norm|conv))\.(?=[12]\.)", r"\1", name)


def _shape(tensors: Mapping[str, Tensor], name: str) -> str:
    return f"a tensor {tuple(tensors[name].shape)}" if name in tensors else "no tensor"
