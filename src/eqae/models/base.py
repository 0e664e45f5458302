"""The three verbs every model has: encode images to V, decode V, and (by a head) turn V into features."""

from __future__ import annotations

from typing import Literal, NamedTuple

from torch import Tensor, nn

from eqae.groups import Group


class Reconstruction(NamedTuple):
    """What one forward pass gives to the objectives.

    Attributes:
        images: reconstruction, ``(B, C, H, W)``.
        embedding: V, ``(B, |G|, m)``.
        attention: weights over the rows of V, ``(B, |G|)``; None where the model has no attention.
    """

    images: Tensor
    embedding: Tensor
    attention: Tensor | None = None


class Autoencoder(nn.Module):
    """Base of all models. A transform ``g`` of the image permutes the rows of V and does nothing else.

    Attributes:
        group: the symmetry group; the trivial group C1 for plain baselines.
        channels: m, the number of columns of V.
        image_shape: ``(C, H, W)`` of the images the model was built for.
        has_decoder: whether :meth:`decode` exists; features do not need one.
        trained_by: ``gradient`` descent, a closed-form ``fit``, or ``nothing``.
    """

    has_decoder: bool = True
    trained_by: Literal["gradient", "fit", "nothing"] = "gradient"

    def __init__(self, group: Group, channels: int, image_shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.group = group
        self.channels = channels
        self.image_shape = image_shape

    def encode(self, images: Tensor) -> Tensor:
        """Images ``(B, C, H, W)``, float in [0, 1], to V of shape ``(B, |G|, m)``."""
        raise NotImplementedError

    def decode(self, embedding: Tensor) -> Tensor:
        """V of shape ``(B, |G|, m)`` to images ``(B, C, H, W)``."""
        raise NotImplementedError

    def forward(self, images: Tensor) -> Reconstruction:
        """Encode and decode."""
        embedding = self.encode(images)
        return Reconstruction(self.decode(embedding), embedding)

    def fit(self, images: Tensor) -> None:
        """Learn in closed form from training images ``(N, C, H, W)``; models trained by gradient do nothing here."""
