"""One pass over the images gives all that the evaluators see; heads read what the encoder said."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor, nn

from eqae.blocks import filled_up
from eqae.data.base import Dataset
from eqae.evaluation.evidence import Attention, Code, Encoder, Evidence, FeatureMaps, Features, FloatArray, IntArray
from eqae.evaluation.poses import IDENTITY, Pose
from eqae.evaluation.views import Arrays, Extraction, Views
from eqae.heads.base import Head
from eqae.models.base import Autoencoder
from eqae.modes import evaluating

SPILL = 2**28
"""Bytes beyond which an array of features lies on disk instead of in memory."""


@dataclass(frozen=True)
class FeatureModel:
    """A model and a head under one label: what the evaluation loop judges.

    Attributes:
        label: name of the row in tables, e.g. ``"eqae_p4m"`` or ``"eqae_p4m:mean"``.
        model: encodes images to V.
        head: turns V into features.
        untrained: the same network at its initial weights; None where nothing was trained.
        untrained_head: the head of ``untrained``, for heads that hold weights of their model; None: ``head`` serves.
        seed: seed of the run.
    """

    label: str
    model: Autoencoder
    head: Head
    untrained: Autoencoder | None = None
    untrained_head: Head | None = None
    seed: int = 0

    def features(self, images: Tensor) -> Tensor:
        """Features ``(B, D)`` of images ``(B, C, H, W)``, float in [0, 1], in evaluation mode and without gradient."""
        with evaluating(self.model, self.head):
            features: Tensor = self.head(self.model.encode(images))
            return features


def extract_evidence(subject: FeatureModel, dataset: Dataset, extraction: Extraction | None = None) -> Evidence:
    """All that the evaluators need to know of one model with one head; see :func:`extract_evidences`.

    The model is back on the CPU when this returns: on a GPU, judge inside the loop over :func:`extract_evidences`.
    """
    (evidence,) = extract_evidences([subject], dataset, extraction)
    return evidence


def extract_evidences(
    subjects: Sequence[FeatureModel], dataset: Dataset, extraction: Extraction | None = None
) -> Iterator[Evidence]:
    """Evidence for several heads of one model: each image is encoded once, and all heads read V.

    Embeddings lie on disk, and the features of a head are made when its turn comes; those beyond 256 MB lie on disk
    too. What the cache holds already is not encoded again, so an interrupted extraction continues where it stopped.
    No number depends on how much is extracted together, in how many processes, or in which order.

    Args:
        subjects: heads of the same ``model`` (and the same ``untrained``); the modules are moved to the device, and
            back to the CPU at the end.
        dataset: training images are taken as they are; test images as they are, and some of them in every pose.
        extraction: how much; None for everything.

    Raises:
        ValueError: the subjects do not share one model.
    """
    first = subjects[0]
    if any(s.model is not first.model or s.untrained is not first.untrained for s in subjects):
        raise ValueError("subjects of one extraction must share one model")
    return _generate(subjects, dataset, extraction or Extraction())


def _generate(subjects: Sequence[FeatureModel], dataset: Dataset, extraction: Extraction) -> Iterator[Evidence]:
    model, untrained = subjects[0].model, subjects[0].untrained
    views = Views(dataset, extraction)
    with ExitStack() as stack:
        # All at once and to the end: a head may hold layers of its model.
        stack.enter_context(_on_device(extraction.device, *_modules(subjects)))
        seen = views.look(model, untrained, stack)
        for subject in subjects:
            with TemporaryDirectory(prefix="eqae-features-") as scratch:
                yield _Reading(subject, views, seen, Path(scratch)).evidence()


def _modules(subjects: Sequence[FeatureModel]) -> list[nn.Module]:
    parts = [part for s in subjects for part in (s.model, s.head, s.untrained, s.untrained_head)]
    return [part for part in parts if part is not None]


class _Reading:
    """What one head makes of the embeddings."""

    def __init__(self, subject: FeatureModel, views: Views, seen: Mapping[str, Arrays], scratch: Path) -> None:
        self.subject, self.views, self.seen, self.scratch = subject, views, seen, scratch
        self.device = views.extraction.device

    def evidence(self) -> Evidence:
        """Everything that was asked for."""
        subject, dataset, needs = self.subject, self.views.dataset, self.views.extraction.needs
        test = self.seen["test"]
        return Evidence(
            model=subject.label,
            dataset=dataset.name,
            group=subject.model.group.name,
            seed=subject.seed,
            train=self._upright("train", dataset.train.labels.numpy()),
            test=self._upright("test", dataset.test.labels.numpy()),
            turned=self._by_condition("turned", self.views.poses),
            there_and_back=self._by_condition("returned", self.views.inexact),
            untrained=self._by_condition("untrained", self.views.poses),
            reconstruction_error=test["error"][:, 0, 0] if "error" in test else None,
            class_names=dataset.class_names,
            pixels=dataset if "pixels" in needs else None,
            maps=self._maps(),
            logits=test["logits"][:, 0] if "logits" in test else None,
            code=self._code() if "code" in needs and subject.model.has_decoder else None,
            encode=self._encoder() if "encoder" in needs else None,
            attention=self._attention() if "attention" in needs else None,
        )

    def _upright(self, name: str, labels: IntArray) -> Features:
        return _features(self._features(name), labels, (IDENTITY,), np.arange(len(labels)))

    def _by_condition(self, name: str, columns: Sequence[Pose]) -> dict[str, Features]:
        """Pick each condition's poses; a pose without a column of its own is exact and stands in the first."""
        if name not in self.seen:
            return {}
        orbit = self.views.untrained_orbit if name == "untrained" else self.views.orbit
        values = self._features(name)
        labels = self.views.dataset.test.labels.numpy()[orbit]
        where = {pose: i for i, pose in enumerate(columns)}
        chosen = {name: [where.get(pose, 0) for pose in poses] for name, poses in self.views.conditions.items()}
        return {
            name: _features(self._columns(values, indices), labels, self.views.conditions[name], orbit)
            for name, indices in chosen.items()
            if any(indices)
        }

    def _columns(self, values: FloatArray, columns: list[int]) -> FloatArray:
        """The chosen transforms; a view where all are chosen in order."""
        if columns == list(range(values.shape[1])):
            return values
        picked = self._array((len(values), len(columns), values.shape[2]))
        for place, column in enumerate(columns):
            picked[:, place] = values[:, column]
        return picked

    def _features(self, name: str) -> FloatArray:
        """``(N, O, D)``: the head on every embedding of a pass."""
        model, head = self.subject.model, self.subject.head
        if name == "untrained" and self.subject.untrained is not None:
            model, head = self.subject.untrained, self.subject.untrained_head or head
        with evaluating(head):
            return self._read(self.seen[name]["embedding"], model, head, head.width)

    def _read(
        self, embedding: FloatArray, model: Autoencoder, function: Callable[[Tensor], Tensor], width: int
    ) -> FloatArray:
        """``function`` of every V, ``(N, O, width)``, one block of images under one transform at a time."""
        size = self.views.extraction.block
        values = self._array((*embedding.shape[:2], width))
        for start in range(0, len(embedding), size):
            for column in range(embedding.shape[1]):
                rows = torch.tensor(embedding[start : start + size, column], device=self.device)
                found = function(filled_up(rows, size).unflatten(1, (model.group.order, model.channels)))
                values[start : start + size, column] = found[: len(rows)].float().cpu().numpy()
        return values

    def _array(self, shape: tuple[int, ...]) -> FloatArray:
        """Space for float32 numbers: in memory, or on disk where there are many."""
        if 4 * int(np.prod(shape)) <= SPILL:
            return np.empty(shape, np.float32)
        path = self.scratch / f"{len(list(self.scratch.iterdir()))}.npy"
        return np.lib.format.open_memmap(path, "w+", np.dtype(np.float32), shape)

    def _maps(self) -> dict[str, FeatureMaps]:
        """Maps ``(K, positions, fields, order)`` by layer; images are square or their sides follow from the layer."""
        labels = self.views.dataset.test.labels.numpy()[self.views.mapped]
        sides = self._map_sides()
        return {
            layer: FeatureMaps(self.seen["test"][f"maps {layer}"][:, 0], *sides[layer], self.views.mapped, labels)
            for layer in sides
        }

    def _map_sides(self) -> dict[str, tuple[int, int]]:
        model = self.subject.model
        if not any(name.startswith("maps ") for name in self.seen["test"]):
            return {}
        with evaluating(model):
            maps = model.encode_with_maps(torch.zeros(1, *model.image_shape, device=self.device))[1]
        return {layer: (value.shape[-2], value.shape[-1]) for layer, value in maps.items()}

    def _code(self) -> Code:
        model, device = self.subject.model, self.device
        rows = (model.group.order, model.channels)

        def decode(vectors: FloatArray) -> FloatArray:
            with evaluating(model):
                images = model.decode(torch.as_tensor(vectors, dtype=torch.float32, device=device).unflatten(1, rows))
            return images.cpu().numpy()

        return Code(self.seen["train"]["embedding"][:, 0], self.seen["test"]["embedding"][:, 0], decode)

    def _attention(self) -> Attention | None:
        model = self.subject.model
        order = model.group.order

        def weigh(embedding: Tensor) -> Tensor:
            weights = model.attention(embedding)
            assert weights is not None
            return weights

        with evaluating(model):
            if model.attention(torch.zeros(1, order, model.channels, device=self.device)) is None:
                return None
            test = self._read(self.seen["test"]["embedding"], model, weigh, order)[:, 0]
            condition, columns, elements = self._symmetries()
            moves = np.array(model.group.cayley)[elements]
            if "turned" not in self.seen or not condition:
                return Attention(test, np.zeros((0, 0, order), np.float32), moves[:0], "")
            turned = self._read(self.seen["turned"]["embedding"][:, columns], model, weigh, order)
        return Attention(test, turned, moves, condition)

    def _symmetries(self) -> tuple[str, list[int], list[int]]:
        """The condition whose poses move pixels onto pixels, and columns and elements of those in the model's group."""
        group, poses = self.subject.model.group, self.views.poses
        condition = next((n for n, seen in self.views.conditions.items() if all(pose.is_exact for pose in seen)), "")
        elements = {Pose(bool(e.flip), group.angle(g)): g for g, e in enumerate(group.elements)}
        shared = [pose for pose in self.views.conditions.get(condition, ()) if pose in elements]
        return condition, [poses.index(pose) for pose in shared], [elements[pose] for pose in shared]

    def _encoder(self) -> Encoder:
        return Encoder(self.subject.features, self.device, self.subject.model.image_shape)


def _features(values: FloatArray, labels: IntArray, poses: Sequence[Pose], index: IntArray) -> Features:
    angles = np.array([pose.degrees for pose in poses], np.float64)
    return Features(values, labels, angles, np.array([pose.mirrored for pose in poses]), index)


@contextmanager
def _on_device(device: torch.device, *modules: nn.Module) -> Iterator[None]:
    """The modules on the device, and back on the CPU afterwards."""
    for module in modules:
        module.to(device)
    try:
        yield
    finally:
        for module in modules:
            module.cpu()
