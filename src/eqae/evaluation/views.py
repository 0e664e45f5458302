"""The passes over one dataset that a set of needs asks for, and where their outcome lies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray

from eqae.blocks import BLOCK
from eqae.data.base import Dataset
from eqae.errors import DataError
from eqae.evaluation.cache import workplace
from eqae.evaluation.declaration import NEEDS, Need
from eqae.evaluation.fingerprint import images_fingerprint, model_fingerprint, poses_fingerprint
from eqae.evaluation.passes import Pass, carry_out, open_stores, outputs_of
from eqae.evaluation.poses import IDENTITY, conditions
from eqae.evaluation.sampling import spread_evenly
from eqae.evaluation.store import RowStore
from eqae.evaluation.workers import carry_out_together
from eqae.models.base import Autoencoder

UNTRAINED_IMAGES = 256
Progress = Callable[[int, int], None]
Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Extraction:
    """How much is extracted, and how.

    Attributes:
        needs: evidence beyond the features of both splits; the rest is left out.
        orbit_images: test images that are turned, spread evenly over the split.
        map_images: test images whose feature maps are kept, spread evenly over the split.
        conditions: which of :func:`eqae.evaluation.poses.conditions`; None for all.
        device: where the networks run.
        block: images of a forward pass.
        processes: how many share the work on a CPU; no number depends on it.
        cache: folder that keeps embeddings between evaluations; None for none.
        progress: called with the number of images encoded so far, and of all that will be.
    """

    needs: frozenset[Need] = NEEDS
    orbit_images: int = 512
    map_images: int = 500
    conditions: tuple[str, ...] | None = None
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    block: int = BLOCK
    processes: int = 1
    cache: Path | None = None
    progress: Progress | None = None


class Views:
    """Every pass over a dataset for one model: which images, under which transforms, and how far they are.

    Attributes:
        conditions: poses by condition.
        poses: all of them, each once.
        inexact: the identity, then the poses that interpolate: the columns of the pass there and back.
        orbit: indices of the test images that are turned.
        untrained_orbit: those that the initial weights see turned; a few suffice to say what training changed.
        mapped: indices of the test images whose feature maps are kept.
    """

    def __init__(self, dataset: Dataset, extraction: Extraction) -> None:
        self.dataset, self.extraction = dataset, extraction
        self.done = self.total = 0
        self._fingerprints: dict[int, str | None] = {}
        known = conditions(*dataset.test.shape[1:])
        wanted = extraction.conditions
        self.conditions = {name: poses for name, poses in known.items() if wanted is None or name in wanted}
        self.poses = tuple(dict.fromkeys(pose for poses in self.conditions.values() for pose in poses))
        self.inexact = (IDENTITY, *(pose for pose in self.poses if not pose.is_exact))
        self.orbit = spread_evenly(len(dataset.test), extraction.orbit_images)
        self.untrained_orbit = spread_evenly(len(dataset.test), min(extraction.orbit_images, UNTRAINED_IMAGES))
        self.mapped = spread_evenly(len(dataset.test), extraction.map_images)

    def look(self, model: Autoencoder, untrained: Autoencoder | None, stack: ExitStack) -> dict[str, Arrays]:
        """Carry out the passes that the needs ask for.

        Args:
            model: on the device.
            untrained: the same network at its initial weights, on the device.
            stack: closes what holds the arrays, which lie on disk.

        Returns:
            Arrays by output (``"embedding"``, ``"error"``, ``"logits"``, ``"maps <layer>"``), by pass: ``"train"``,
            ``"test"``, and as far as they were asked for ``"turned"``, ``"returned"`` (turned and turned back) and
            ``"untrained"``.
        """
        tasks = self._tasks(model, untrained)
        self.total = sum(len(task.images) * len(task.poses) for _, task in tasks.values())
        return {name: self._carry_out(owner, task, stack) for name, (owner, task) in tasks.items()}

    def _tasks(self, model: Autoencoder, untrained: Autoencoder | None) -> dict[str, tuple[Autoencoder, Pass]]:
        needs, test, block = self.extraction.needs, self.dataset.test, self.extraction.block
        orbit = test.take(torch.from_numpy(self.orbit))
        tasks = {
            "train": (model, Pass(self.dataset.train, (IDENTITY,), block=block)),
            "test": (model, Pass(test, (IDENTITY,), wanted=outputs_of(model, needs), mapped=self.mapped, block=block)),
        }
        if "orbits" in needs and self.poses:
            tasks["turned"] = (model, Pass(orbit, self.poses, block=block))
            if len(self.inexact) > 1:
                tasks["returned"] = (model, Pass(orbit, self.inexact, undone=True, block=block))
        if "untrained" in needs and self.poses and untrained is not None:
            some = test.take(torch.from_numpy(self.untrained_orbit))
            tasks["untrained"] = (untrained, Pass(some, self.poses, block=block))
        return tasks

    def _carry_out(self, model: Autoencoder, task: Pass, stack: ExitStack) -> Arrays:
        device, processes = self.extraction.device, self.extraction.processes
        stores, folder = self._stores(model, task, stack)
        if processes > 1 and device.type == "cpu":
            carry_out_together(task, model, stores, folder, processes, self._tick)
        else:
            carry_out(task, model, stores, device, self._tick)
        return {name: store.complete() for name, store in stores.items()}

    def _stores(self, model: Autoencoder, task: Pass, stack: ExitStack) -> tuple[dict[str, RowStore], Path]:
        """In the cache; in a temporary folder where there is no cache, or no room for it."""
        cache, device = self.extraction.cache, self.extraction.device
        if cache is not None:
            seen = f"{images_fingerprint(task.images)} {poses_fingerprint(task.poses, undone=task.undone)} {task.block}"
            folder = stack.enter_context(workplace(cache, self._fingerprint(model), seen))
            with suppress(OSError):
                return open_stores(task, model, folder, device), folder
        folder = stack.enter_context(workplace(None))
        try:
            return open_stores(task, model, folder, device), folder
        except OSError as error:
            raise DataError(
                str(folder), f"no room for the embeddings of {len(task.images):,} images ({error.strerror})",
                "free space in the temporary folder", "set TMPDIR to a larger disk, or lower evaluation.orbit_images",
            ) from error  # fmt: skip

    def _fingerprint(self, model: Autoencoder) -> str | None:
        """Of each model once: hashing the weights takes as long as encoding a few blocks."""
        if id(model) not in self._fingerprints:
            self._fingerprints[id(model)] = model_fingerprint(model)
        return self._fingerprints[id(model)]

    def _tick(self, images: int) -> None:
        self.done += images
        if self.extraction.progress and images:
            self.extraction.progress(self.done, self.total)
