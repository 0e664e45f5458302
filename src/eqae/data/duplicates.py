"""Images that stand in both splits: they make every test figure look better than it is."""

from __future__ import annotations

import hashlib
import warnings

from eqae.data.base import Dataset, Images


def warn_of_shared_images(dataset: Dataset) -> None:
    """Warn, with their number, if images of the test split are also in the training split, pixel for pixel."""
    known = set(content_hashes(dataset.train))
    shared = [i for i, digest in enumerate(content_hashes(dataset.test)) if digest in known]
    if shared:
        first = dataset.test.names[shared[0]] if dataset.test.names else f"test image {shared[0]}"
        warnings.warn(
            f"{dataset.name}: {len(shared)} of {len(dataset.test)} test images are in the training split too "
            f"(the first is {first}); remove the copies, or figures on the test split are too good",
            stacklevel=3,
        )


def content_hashes(images: Images) -> list[bytes]:
    """One digest of its pixels an image."""
    return [hashlib.sha256(image.numpy().tobytes()).digest() for image in images.pixels]
