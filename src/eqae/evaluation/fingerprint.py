"""What features depend on, as one short text: equal texts, equal features."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib.metadata import version

import numpy as np
import torch

from eqae.checkpoint import golden_images
from eqae.data.base import Images
from eqae.evaluation.declaration import NEEDS
from eqae.evaluation.passes import look, outputs_of
from eqae.evaluation.poses import Pose
from eqae.models.base import Autoencoder
from eqae.modes import evaluating

TRANSFORMS = "bicubic 1"
"""Named anew whenever :mod:`eqae.evaluation.poses` turns images in another way."""


def model_fingerprint(model: Autoencoder) -> str | None:
    """Of the weights, and of all that they make of two fixed images; None for one that may look at anything else.

    What the golden images give (V, feature maps, reconstruction, logits) stands for what is not a weight: code,
    library versions, kernels of this machine. The model must be on the device that it will run on.
    """
    if not model.is_reproducible:
        return None
    digest = hashlib.sha256(f"{version('eqae')} {model.group.name} {model.image_shape} {model!r}".encode())
    device = torch.device("cpu")
    for name, tensor in model.state_dict().items():
        device = tensor.device
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(_bytes(tensor))
    with evaluating(model):
        found = look(model, golden_images(model.image_shape).to(device), outputs_of(model, NEEDS))
    for name, answer in found.items():
        digest.update(name.encode())
        digest.update(_bytes(answer))
    return digest.hexdigest()


def _bytes(tensor: torch.Tensor) -> bytes:
    """The tensor's memory; of any type, which numpy may not know."""
    return tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()


def images_fingerprint(images: Images) -> str:
    """Of the pixels, a few thousand images at a time; labels and names do not matter."""
    digest = hashlib.sha256(f"{images.pixels.dtype} {tuple(images.pixels.shape)}".encode())
    for part in images.pixels.split(4096):
        digest.update(np.ascontiguousarray(part.numpy()).tobytes())
    return digest.hexdigest()


def poses_fingerprint(poses: Sequence[Pose], *, undone: bool) -> str:
    """Of the transforms that images are seen under."""
    text = f"{TRANSFORMS} {undone} {[(pose.mirrored, pose.degrees) for pose in poses]}"
    return hashlib.sha256(text.encode()).hexdigest()
