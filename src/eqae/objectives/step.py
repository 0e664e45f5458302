"""What one step of training gives to objectives."""

from __future__ import annotations

from collections.abc import Set
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from eqae.heads.base import Head
from eqae.models.base import Autoencoder, Reconstruction

Need = Literal["decoder", "features", "classifier", "labels"]
"""What an objective reads of a step beyond V: it is computed, or handed over, for objectives that say so alone."""


class Step(NamedTuple):
    """What one step of training gives to the objectives: B images, each seen in K views, view after view.

    Attributes:
        images: what each view shows, before its corruption by noise, ``(K·B, C, H, W)``.
        target: what the decoder is to give: :meth:`eqae.models.base.Autoencoder.views` of ``images``.
        embedding: V, ``(K·B, |G|, m)``.
        features: of the run's head, ``(K·B, D)``; None where nobody needs ``"features"``.
        reconstruction: what the decoder gave; None where nobody needs the ``"decoder"``.
        logits: of the model's own classifier, ``(K·B, classes)``; None where nobody needs the ``"classifier"``.
        labels: ``(K·B,)``, -1 where there is none; None for objectives that do not need ``"labels"``.
        views: K.
    """

    images: Tensor
    target: Tensor
    embedding: Tensor
    features: Tensor | None = None
    reconstruction: Reconstruction | None = None
    logits: Tensor | None = None
    labels: Tensor | None = None
    views: int = 1

    @classmethod
    def of(
        cls,
        given: Tensor | Reconstruction,
        images: Tensor,
        labels: Tensor,
        needs: Set[Need],
        *,
        model: Autoencoder,
        head: Head,
        views: int = 1,
    ) -> Step:
        """What the forward pass gave, in full precision, and of the rest what ``needs`` names.

        Args:
            given: V, or all that the decoder gave.
            images: what each view shows, ``(K·B, C, H, W)``.
            labels: ``(B,)``, one for all views of an image.
            needs: of the objectives that will look at it.
            model: what ``given`` comes from.
            head: of the features.
            views: K.
        """
        reconstruction = None
        if isinstance(given, Reconstruction):
            reconstruction = Reconstruction._make(None if part is None else _at_least_float32(part) for part in given)
            embedding = reconstruction.embedding
        else:
            embedding = _at_least_float32(given)
        return cls(
            images=images,
            target=model.views(images) if reconstruction is not None else images,
            embedding=embedding,
            features=head(embedding) if "features" in needs else None,
            reconstruction=reconstruction,
            logits=model.logits(embedding) if "classifier" in needs else None,
            labels=labels.repeat(views) if "labels" in needs else None,
            views=views,
        )

    def seen_by(self, needs: Set[Need], views: int) -> Step:
        """The step for an objective of those needs: labels are hidden from who does not ask for them, and who compares
        two views or more is given as many; who compares none takes them all for images."""
        step = self if "labels" in needs else self._replace(labels=None)
        return step if views in (1, self.views) else step._first(views)

    def _first(self, views: int) -> Step:
        def cut(part: Tensor) -> Tensor:
            return part[: views * (len(part) // self.views)]

        parts = {name: cut(part) for name, part in self._asdict().items() if isinstance(part, Tensor)}
        rebuilt = self.reconstruction
        if rebuilt is not None:
            rebuilt = Reconstruction._make(None if part is None else cut(part) for part in rebuilt)
        return self._replace(**parts, reconstruction=rebuilt, views=views)


def _at_least_float32(values: Tensor) -> Tensor:
    """Float32 at least; float64 stays what it is."""
    return values.to(torch.promote_types(values.dtype, torch.float32))
