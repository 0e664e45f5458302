"""One way over a set of images: every image, under every transform, through the encoder once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from eqae.blocks import BLOCK, filled_up
from eqae.data.base import Images
from eqae.evaluation.declaration import Need
from eqae.evaluation.evidence import IntArray
from eqae.evaluation.poses import Pose
from eqae.evaluation.store import RowStore
from eqae.models.base import Autoencoder
from eqae.modes import evaluating
from eqae.nn import expanded_once

HALF_MAX = float(np.finfo(np.float16).max)
Output = Literal["embedding", "error", "logits", "maps"]
Tick = Callable[[int], None]


@dataclass(frozen=True, eq=False)
class Pass:
    """What is looked at, and what is kept of it.

    Attributes:
        images: all of them, in order.
        poses: the transforms that each is seen under.
        undone: whether each transform is undone again before the encoder sees the image.
        wanted: what is kept beside the embedding: the reconstruction's mean squared error, the logits of the model's
            own classifier, its feature maps.
        mapped: ascending indices of the images whose feature maps are kept; None for all.
        block: images of a forward pass.
    """

    images: Images
    poses: tuple[Pose, ...]
    undone: bool = False
    wanted: frozenset[Output] = frozenset({"embedding"})
    mapped: IntArray | None = None
    block: int = BLOCK

    @property
    def blocks(self) -> int:
        """Number of blocks."""
        return -(-len(self.images) // self.block)


def open_stores(task: Pass, model: Autoencoder, folder: Path, device: torch.device) -> dict[str, RowStore]:
    """One store a kept output, by name; feature maps by ``"maps <layer>"``. What is filled already stays filled."""
    block, images = task.block, len(task.images)
    blank = torch.zeros(1, *model.image_shape, device=device)
    stores = {}
    with evaluating(model):
        for name, value in look(model, blank, task.wanted).items():
            shape = (images, len(task.poses), *value.shape[1:])
            if name.startswith("maps"):
                mapped = np.arange(images) if task.mapped is None else task.mapped
                path, shape = folder / f"{name} {len(mapped)}", (len(mapped), *shape[1:])
                stores[name] = RowStore(path, shape, block, dtype=np.float16, members=mapped, images=images)
            else:
                stores[name] = RowStore(folder / name, shape, block)
    return stores


def carry_out(
    task: Pass,
    model: Autoencoder,
    stores: Mapping[str, RowStore],
    device: torch.device,
    tick: Tick = lambda _: None,
    *,
    first: int = 0,
    step: int = 1,
) -> None:
    """Fill ``stores`` with every ``step``-th block from ``first`` on, leaving out what they hold already.

    Every forward pass is over one full block, the last one filled up with zeros: what is stored of an image depends
    on nothing but the image.
    """
    size = task.block
    with evaluating(model), expanded_once(model):
        for block in range(first, task.blocks, step):
            rows = slice(block * size, min((block + 1) * size, len(task.images)))
            missing = [o for o in range(len(task.poses)) if not all(s.has(block, o) for s in stores.values())]
            pixels = task.images.batch(rows).to(device) if missing else None
            for column in missing:
                assert pixels is not None
                pose = task.poses[column]
                seen = pose.apply_and_undo(pixels) if task.undone else pose.apply(pixels)
                found = look(model, filled_up(seen, size), task.wanted)
                for name, store in stores.items():
                    if not store.has(block, column):
                        store.write(block, column, found[name][: len(pixels)])
            tick((rows.stop - rows.start) * len(task.poses))


def look(model: Autoencoder, images: Tensor, wanted: frozenset[Output]) -> dict[str, Tensor]:
    """All outputs of one forward pass, a row an image."""
    maps: dict[str, Tensor] = {}
    if "maps" in wanted:
        embedding, maps = model.encode_with_maps(images)
    else:
        embedding = model.encode(images)
    found = {"embedding": embedding.flatten(1)}
    if "error" in wanted:
        found["error"] = (model.reconstruct(embedding).images - images).square().flatten(1).mean(1, keepdim=True)
    if "logits" in wanted:
        found["logits"] = model.logits(embedding)
    # (B, fields, order, H, W) to (B, positions, fields, order), within what float16 can hold
    held = {layer: m.flatten(3).permute(0, 3, 1, 2).clamp(-HALF_MAX, HALF_MAX) for layer, m in maps.items()}
    return found | {f"maps {layer}": values for layer, values in held.items()}


def outputs_of(model: Autoencoder, needs: frozenset[Need]) -> frozenset[Output]:
    """What a pass keeps beside the embedding, as far as the model has it."""
    wanted: set[Output] = {"embedding"}
    if "reconstruction" in needs and model.has_decoder:
        wanted.add("error")
    if "logits" in needs and model.classes:
        wanted.add("logits")
    if "maps" in needs:
        wanted.add("maps")
    return frozenset(wanted)
