"""The three verbs every model has: encode images to V, decode V, and (by a head) turn V into features."""

from __future__ import annotations

from typing import Literal, NamedTuple

from torch import Tensor, nn

from eqae.groups import Group
from eqae.models.attention import AttentionBottleneck


class Reconstruction(NamedTuple):
    """What one forward pass gives to the objectives.

    Attributes:
        images: reconstruction, ``(B, C, H, W)``.
        embedding: V, ``(B, |G|, m)``.
        attention: weights over the rows of V, ``(B, |G|)``; None where the model has no attention.
        views: reconstruction of :meth:`Autoencoder.views`, of the same shape; None where those are the images.
    """

    images: Tensor
    embedding: Tensor
    attention: Tensor | None = None
    views: Tensor | None = None


class Autoencoder(nn.Module):
    """Base of all models. A transform ``g`` of the image permutes the rows of V and does nothing else.

    Attributes:
        group: the symmetry group; the trivial group C1 for plain baselines.
        channels: m, the number of columns of V.
        image_shape: ``(C, H, W)`` of the images the model was built for.
        has_decoder: whether :meth:`decode` exists; features do not need one.
        trained_by: ``gradient`` descent, ``fit`` in one call, or ``nothing``.
        classes: K of the model's own classifier, which :meth:`logits` applies; 0 where it has none.
        is_reproducible: whether weights and code alone decide what it computes, so that features may be kept; a
            user's function may look at anything.
    """

    has_decoder: bool = True
    trained_by: Literal["gradient", "fit", "nothing"] = "gradient"
    classes: int = 0
    is_reproducible: bool = True

    def __init__(self, group: Group, channels: int, image_shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.group = group
        self.channels = channels
        self.image_shape = image_shape

    @property
    def columns(self) -> dict[str, slice]:
        """The parts of V, by name, which a head may be told to read alone (``of: code``)."""
        return {"code": slice(0, self.channels)}

    def encode(self, images: Tensor) -> Tensor:
        """Images ``(B, C, H, W)``, float in [0, 1], to V of shape ``(B, |G|, m)``."""
        raise NotImplementedError

    def encode_with_maps(self, images: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """V as :meth:`encode` gives it, to the last bit, with what the layers on the way to it say of each position.

        Returns:
            V ``(B, |G|, m)``, and by layer, from shallow to deep (``"stage 1"``, ``"stage 2"``, ...), feature maps
            ``(B, fields, order, H, W)`` with the group-element axis apart: a transform of the image moves positions
            and permutes that axis as :func:`eqae.testing.act_on_fields` does; order is 1 for plain models. Models
            that have no such maps give none.
        """
        return self.encode(images), {}

    def decode(self, embedding: Tensor) -> Tensor:
        """V of shape ``(B, |G|, m)`` to images ``(B, C, H, W)``."""
        raise NotImplementedError

    def logits(self, embedding: Tensor) -> Tensor:
        """V of shape ``(B, |G|, m)`` to the logits ``(B, K)`` of the model's own classifier, K being ``classes``.

        Raises:
            NotImplementedError: the model has no classifier; ``classes`` is 0.
        """
        classifier: nn.Module | None = getattr(self, "classifier", None)
        if classifier is None:
            raise NotImplementedError
        logits: Tensor = classifier(embedding)
        return logits

    def attention(self, embedding: Tensor) -> Tensor | None:
        """Weights ``(B, |G|)`` over the rows of V ``(B, |G|, m)``, which move with them; None without attention.

        They are the softmax also where the model applies the one-hot of its largest entry.
        """
        bottleneck: AttentionBottleneck | None = getattr(self, "bottleneck", None)
        return None if bottleneck is None else bottleneck.attention.weights(embedding)

    def views(self, images: Tensor) -> Tensor:
        """What the decoder is to give back of ``images (B, C, H, W)``: themselves; for a model that looks at K moved
        copies of an image, all of them, ``(B, K·C, H, W)``.
        """
        return images

    def reconstruct(self, embedding: Tensor) -> Reconstruction:
        """From V ``(B, |G|, m)`` on: through the bottleneck, where there is one, and the decoder."""
        return Reconstruction(self.decode(embedding), embedding)

    def forward(self, images: Tensor) -> Reconstruction:
        """Encode and reconstruct."""
        return self.reconstruct(self.encode(images))

    def fit(self, images: Tensor) -> None:
        """Learn in one call, from training images ``(N, C, H, W)``; models not trained by ``fit`` do nothing here."""
