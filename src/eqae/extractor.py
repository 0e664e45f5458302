"""A trained checkpoint as a scikit-learn transformer: images in, invariant features out."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from torch import Tensor

from eqae.arrays import Layout, as_array, read_chunk, resolve_layout
from eqae.blocks import BLOCK, filled_up
from eqae.canonical import Poses, standard_poses, standardize
from eqae.checkpoint import Checkpoint, load_checkpoint
from eqae.errors import ConfigError, DataError
from eqae.groups import Group
from eqae.heads import Head, build_head
from eqae.heads.postprocessing import not_fitted
from eqae.models import Autoencoder
from eqae.nn import expanded_once
from eqae.precision import full_precision


def load_extractor(
    path: str | Path, *, head: str | None = None, layout: Layout | None = None, batch_size: int = 256
) -> FeatureExtractor:
    """The features of a run directory, verified and ready.

    Args:
        path: a run directory.
        head: another head than the run's own, e.g. ``"correlation"``; needs no training. The name of the run's own
            stands for that head with its options.
        layout: axes of the images; None infers them where only one reading fits the model.
        batch_size: see :class:`FeatureExtractor`.

    Raises:
        CheckpointError: ``path`` is missing, unfinished, altered or not a run directory.
        ConfigError: no such head, or one that this model cannot carry.

    Example:
        >>> features = eqae.load_extractor("checkpoints/eqae_p4m").transform(images)  # doctest: +SKIP
    """
    extractor = FeatureExtractor(path, head=head, layout=layout, batch_size=batch_size)
    return extractor.fit()


class FeatureExtractor(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """A scikit-learn transformer from images to invariant features ``(N, D)``; nothing is learned in ``fit``.

    The features of an image are the same to the last bit whatever other images come with it, whatever
    ``batch_size`` is, and in every process on one machine. The object can be cloned, pickled (with its weights) and
    put into a ``Pipeline``; the checkpoint is read when first needed.

    Args:
        path: a run directory.
        head: name of the head that gives the features; None for the run's own.
        layout: ``"NHW"``, ``"NCHW"`` or ``"NHWC"``; None infers it where only one fits the model.
        batch_size: images that are converted and checked at a time, rounded up to whole blocks of 32: a bound on
            memory that does not touch the features.
    """

    def __init__(
        self, path: str | Path, *, head: str | None = None, layout: Layout | None = None, batch_size: int = 256
    ) -> None:
        self.path = path
        self.head = head
        self.layout = layout
        self.batch_size = batch_size

    def fit(self, X: object = None, y: object = None) -> FeatureExtractor:
        """Read and verify the checkpoint; the images are not looked at.

        Raises:
            CheckpointError: see :func:`load_extractor`.
            ConfigError: see :func:`load_extractor`.
        """
        self._loaded()
        return self

    def transform(self, X: ArrayLike | Tensor) -> NDArray[np.float32]:
        """Features ``(N, D)`` of images ``X (N, H, W)``, ``(N, C, H, W)`` or ``(N, H, W, C)``, uint8 or float.

        Raises:
            DataError: another size or number of channels than the model's, an ambiguous layout, pixels that are
                NaN or outside [0, 1] (0..255 for uint8), or no images.
        """
        model, head = self._loaded()
        return self._over_images(X, lambda block: head(model.encode(block)))

    def embed(self, images: ArrayLike | Tensor) -> NDArray[np.float32]:
        """V ``(N, |G|, m)``: its rows are permuted when the images are transformed.

        Raises:
            DataError: as for :meth:`transform`.
        """
        model, _ = self._loaded()
        return self._over_images(images, model.encode)

    def decode(self, V: ArrayLike | Tensor) -> NDArray[np.float32]:
        """Images ``(N, C, H, W)`` of embeddings ``V (N, |G|, m)``.

        Raises:
            ConfigError: the model has no decoder.
            DataError: another shape, no rows, or numbers that are not finite.
        """
        model, _ = self._loaded()
        if not model.has_decoder:
            raise ConfigError(str(self.path), "a model without a decoder", "a model that reconstructs images")
        embedding = as_array(V, "V")
        expected = (model.group.order, model.channels)
        if tuple(embedding.shape[1:]) != expected or len(embedding) == 0:
            raise DataError("V", f"shape {tuple(embedding.shape)}", f"(N, {expected[0]}, {expected[1]}), not empty")
        rows = embedding.float().cpu() if isinstance(embedding, Tensor) else torch.from_numpy(np.float32(embedding))
        if not torch.isfinite(rows).all():
            raise DataError("V", "NaN or infinity", "finite numbers")
        with full_precision(), expanded_once(model):
            return _over_blocks(rows, model.decode).numpy()

    def pose(self, images: ArrayLike | Tensor) -> Poses:
        """How each image has to be turned to stand in its standard pose, and how sure the attention is of it.

        The pose of ``gx`` is that of ``x`` after ``g`` is undone, for every ``g`` of the group that moves pixels onto
        pixels. Images with a symmetry of their own have several; see :mod:`eqae.canonical`.

        Raises:
            ConfigError: the model has no attention.
            DataError: as for :meth:`transform`.
        """
        return standard_poses(self.group, self._over_images(images, self._attention))

    def canonical(self, images: ArrayLike | Tensor) -> NDArray[np.float32]:
        """The images in their standard pose, ``(N, C, H, W)`` in [0, 1] whatever their layout was.

        The same picture, to the last bit, for every quarter turn and mirror image where the group consists of such;
        other turns are interpolated once.

        Raises:
            ConfigError: the model has no attention.
            DataError: as for :meth:`transform`.
        """
        group = self.group
        return self._over_images(images, lambda block: standardize(group, self._attention(block), block))

    def get_feature_names_out(self, input_features: object = None) -> NDArray[np.object_]:
        """One name a feature, e.g. ``"gram_0_3"``; ``(D,)``."""
        return np.array(self._loaded()[1].feature_names(), dtype=object)

    @property
    def group(self) -> Group:
        """The group of transforms under which the features do not change."""
        return self._loaded()[0].group

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """``(C, H, W)`` of the images the model was trained on."""
        return self._loaded()[0].image_shape

    @property
    def width(self) -> int:
        """D, the number of features."""
        return self._loaded()[1].width

    def _attention(self, images: Tensor) -> Tensor:
        """Weights ``(B, |G|)`` over the rows of V of images ``(B, C, H, W)``."""
        model, _ = self._loaded()
        weights = model.attention(model.encode(images))
        if weights is None:
            raise ConfigError(
                str(self.path), "the model has no attention, so no standard pose", "a model trained with attention",
                "set model.attention: 64, best with model.attention_mode: hard, and train",
            )  # fmt: skip
        return weights

    def _over_images(self, images: ArrayLike | Tensor, function: Callable[[Tensor], Tensor]) -> NDArray[np.float32]:
        array = as_array(images)
        layout = resolve_layout(tuple(array.shape), self.image_shape, self.layout)
        step = _whole_blocks(self.batch_size)
        with full_precision(), expanded_once(*self._loaded()):
            chunks = [
                _over_blocks(read_chunk(array, start, start + step, layout), function)
                for start in range(0, len(array), step)
            ]
        return torch.cat(chunks).numpy()

    def _loaded(self) -> tuple[Autoencoder, Head]:
        """Model and head, read again when ``path`` or ``head`` were set to something else."""
        wanted = (str(self.path), self.head)
        if getattr(self, "_source", None) != wanted:
            self._model, self._head = _open(load_checkpoint(self.path), self.head)
            self._source = wanted
        return self._model, self._head

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


def _open(checkpoint: Checkpoint, head: str | None) -> tuple[Autoencoder, Head]:
    if head is None or head == checkpoint.spec.head:
        return checkpoint.model, checkpoint.head
    built = build_head(head, checkpoint.model, {})
    if built.needs_fit:
        raise not_fitted(f"head {head!r}")
    return checkpoint.model, built


def _whole_blocks(batch_size: int) -> int:
    if isinstance(batch_size, bool) or not isinstance(batch_size, (int, np.integer)) or batch_size < 1:
        raise ConfigError("batch_size", f"found {batch_size!r}", "a whole number of at least 1")
    return math.ceil(batch_size / BLOCK) * BLOCK


def _over_blocks(rows: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
    """``function`` of all rows, each pass over exactly ``BLOCK`` of them; the last block is filled up with zeros.

    Blocks are laid out afresh in memory: kernels follow the order of the axes, and round differently in another.
    """
    results = []
    for part in rows.split(BLOCK):
        block = filled_up(part, BLOCK).clone(memory_format=torch.contiguous_format)
        results.append(function(block)[: len(part)])
    return torch.cat(results)
