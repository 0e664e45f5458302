"""One pass over the images gives the features that every evaluator sees."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from eqae.data.base import Dataset, Images
from eqae.errors import DataError
from eqae.evaluation.evidence import Evidence, Features, FloatArray, IntArray
from eqae.evaluation.poses import IDENTITY, Pose, conditions
from eqae.evaluation.rows import IndexedRows
from eqae.heads.base import Head
from eqae.models.base import Autoencoder

Progress = Callable[[int, int], None]
Motion = Callable[[Tensor], Tensor]


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
        with _evaluating(self.model, self.head):
            features: Tensor = self.head(self.model.encode(images))
            return features


def extract_evidence(
    subject: FeatureModel,
    dataset: Dataset,
    *,
    orbit_images: int = 512,
    batch_size: int = 256,
    device: str | torch.device = "cpu",
    progress: Progress | None = None,
) -> Evidence:
    """All that the evaluators need to know of one model with one head; see :func:`extract_evidences`."""
    return extract_evidences(
        [subject], dataset, orbit_images=orbit_images, batch_size=batch_size, device=device, progress=progress
    )[0]


def extract_evidences(
    subjects: Sequence[FeatureModel],
    dataset: Dataset,
    *,
    orbit_images: int = 512,
    batch_size: int = 256,
    device: str | torch.device = "cpu",
    progress: Progress | None = None,
) -> list[Evidence]:
    """Features of every image for several heads of one model: each image is encoded once, and all heads read V.

    Args:
        subjects: heads of the same ``model`` (and the same ``untrained``); the modules are moved to ``device``.
        dataset: training images are taken as they are; test images as they are and, ``orbit_images`` of them spread
            evenly over the split, in every pose of :func:`eqae.evaluation.poses.conditions`.
        orbit_images: number of images that are turned.
        batch_size: images encoded at a time; the features do not depend on it beyond rounding.
        device: where the networks run.
        progress: called with the number of images encoded so far, and of all that will be.

    Raises:
        ValueError: the subjects do not share one model.
        DataError: the features of an image are not finite; the subject and the image are named.
    """
    first = subjects[0]
    if any(s.model is not first.model or s.untrained is not first.untrained for s in subjects):
        raise ValueError("subjects of one extraction must share one model")
    run = _Extraction(dataset, orbit_images, batch_size, torch.device(device), progress)
    run.expect(first)
    heads = [s.head for s in subjects]
    error = run.reconstruction_error(first.model) if first.model.has_decoder else None
    columns = zip(
        subjects,
        run.upright(first.model, heads, dataset.train),
        run.upright(first.model, heads, dataset.test),
        run.orbits(first.model, heads),
        run.returns(first.model, heads),
        run.orbits(first.untrained, [s.untrained_head or s.head for s in subjects]),
        strict=True,
    )
    return [
        _finite(Evidence(
            model=subject.label, dataset=dataset.name, group=first.model.group.name, seed=subject.seed,
            train=train, test=test, turned=turned, there_and_back=back, untrained=untrained,
            reconstruction_error=error, class_names=dataset.class_names,
        ))
        for subject, train, test, turned, back, untrained in columns
    ]  # fmt: skip


class _Extraction:
    """The passes over one dataset, and how far they are."""

    def __init__(
        self,
        dataset: Dataset,
        orbit_images: int,
        batch_size: int,
        device: torch.device,
        progress: Progress | None,
    ) -> None:
        self.dataset = dataset
        self.batch_size = batch_size
        self.device = device
        self.progress = progress
        self.done = self.total = 0
        # Spread evenly, because a folder's images may be sorted by class.
        count = min(orbit_images, len(dataset.test))
        self.orbit = dataset.test.take(torch.arange(count) * len(dataset.test) // count)
        self.conditions = conditions(*dataset.test.shape[1:])
        self.poses = tuple(dict.fromkeys(pose for poses in self.conditions.values() for pose in poses))
        self.inexact = tuple(pose for pose in self.poses if not pose.is_exact)

    def expect(self, subject: FeatureModel) -> None:
        """Count the images that will be encoded, for the progress display."""
        upright = len(self.dataset.train) + len(self.dataset.test) * (1 + subject.model.has_decoder)
        # The pass there and back encodes the identity too, which stands for every exact pose.
        returns = len(self.inexact) + 1 if self.inexact else 0
        turned = len(self.poses) * (1 if subject.untrained is None else 2) + returns
        self.total = upright + len(self.orbit) * turned

    def upright(self, model: Autoencoder, heads: Sequence[Head], images: Images) -> list[Features]:
        """Features of all images as they are, one entry a head."""
        labels = images.labels.numpy()
        return [
            _features(values, labels, (IDENTITY,)) for values in self._encode(model, heads, images, [IDENTITY.apply])
        ]

    def orbits(self, model: Autoencoder | None, heads: Sequence[Head]) -> list[dict[str, Features]]:
        """Features of the orbit images in every pose, one entry a head, by condition; empty without a model."""
        if model is None:
            return [{} for _ in heads]
        arrays = self._encode(model, heads, self.orbit, [pose.apply for pose in self.poses])
        return [self._by_condition(values, self.poses) for values in arrays]

    def returns(self, model: Autoencoder, heads: Sequence[Head]) -> list[dict[str, Features]]:
        """Features of the orbit images turned and turned back, for the conditions that interpolate."""
        if not self.inexact:
            return [{} for _ in heads]
        columns = (IDENTITY, *self.inexact)
        arrays = self._encode(model, heads, self.orbit, [pose.apply_and_undo for pose in columns])
        return [self._by_condition(values, columns) for values in arrays]

    def reconstruction_error(self, model: Autoencoder) -> FloatArray:
        """Mean squared pixel error of each test image, ``(N,)``."""
        rows = IndexedRows(len(self.dataset.test), 1, 1)
        with _evaluating(model.to(self.device)):
            for block, pixels in self._blocks(self.dataset.test):
                error = (model(pixels).images - pixels).square().flatten(1).mean(1, keepdim=True)
                rows.write(block, 0, error)
        return rows.complete()[:, 0, 0]

    def _encode(
        self, model: Autoencoder, heads: Sequence[Head], images: Images, motions: Sequence[Motion]
    ) -> list[FloatArray]:
        """``(N, len(motions), D)`` for each head."""
        filled = [IndexedRows(len(images), len(motions), head.width) for head in heads]
        with _evaluating(model.to(self.device), *(head.to(self.device) for head in heads)):
            for block, pixels in self._blocks(images, len(motions)):
                for column, motion in enumerate(motions):
                    embedding = model.encode(motion(pixels))
                    for rows, head in zip(filled, heads, strict=True):
                        rows.write(block, column, head(embedding))
        return [rows.complete() for rows in filled]

    def _blocks(self, images: Images, passes: int = 1) -> Iterator[tuple[slice, Tensor]]:
        """Consecutive blocks of the images in order: which rows, and their pixels on the device."""
        for start in range(0, len(images), self.batch_size):
            block = slice(start, min(start + self.batch_size, len(images)))
            yield block, images.batch(block).to(self.device)
            self.done += passes * (block.stop - block.start)
            if self.progress:
                self.progress(self.done, self.total)

    def _by_condition(self, values: FloatArray, columns: Sequence[Pose]) -> dict[str, Features]:
        """Pick each condition's poses; a pose without a column of its own is exact and stands in the first."""
        where = {pose: i for i, pose in enumerate(columns)}
        labels = self.orbit.labels.numpy()
        chosen = {name: [where.get(pose, 0) for pose in poses] for name, poses in self.conditions.items()}
        return {
            name: _features(values[:, indices], labels, self.conditions[name])
            for name, indices in chosen.items()
            if any(indices)
        }


def _features(values: FloatArray, labels: IntArray, poses: Sequence[Pose]) -> Features:
    angles = np.array([pose.degrees for pose in poses], np.float64)
    return Features(values, labels, angles, np.array([pose.mirrored for pose in poses]))


@contextmanager
def _evaluating(*modules: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients; every submodule gets its own mode back afterwards."""
    training = {module: module.training for root in modules for module in root.modules()}
    for root in modules:
        root.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        for module, mode in training.items():
            module.training = mode


def _finite(evidence: Evidence) -> Evidence:
    splits = {"training": evidence.train, "test": evidence.test}
    turned = {f"turned ({condition})": features for condition, features in evidence.turned.items()}
    for name, features in (splits | turned).items():
        finite = np.isfinite(features.values).all(axis=(1, 2))
        if not finite.all():
            raise DataError(
                f"features of {evidence.model!r}", f"NaN or infinity for {name} image {int(finite.argmin())}",
                "finite features", "the weights have diverged: train again with a smaller learning rate",
            )  # fmt: skip
    return evidence
