"""Principal components of the pixels: the linear floor."""

from __future__ import annotations

import torch
from sklearn.decomposition import PCA
from torch import Tensor

from eqae.errors import ConfigError
from eqae.groups import C1
from eqae.models.base import Autoencoder
from eqae.models.equivariant import Width


class PrincipalComponents(Autoencoder):
    """V ``(B, 1, m)`` is the projection of the centred pixels on their first m principal axes."""

    trained_by = "fit"
    mean: Tensor
    axes: Tensor

    def __init__(self, components: int, image_shape: tuple[int, int, int]) -> None:
        super().__init__(C1, components, image_shape)
        pixels = image_shape[0] * image_shape[1] * image_shape[2]
        if components > pixels:
            raise ConfigError("model.components", f"{components}", f"at most {pixels}, the number of pixels")
        self.register_buffer("mean", torch.zeros(pixels))
        self.register_buffer("axes", torch.eye(components, pixels))

    def encode(self, images: Tensor) -> Tensor:
        """``(B, C, H, W)`` to ``(B, 1, m)``."""
        return ((images.flatten(1) - self.mean) @ self.axes.T).unsqueeze(1)

    def decode(self, embedding: Tensor) -> Tensor:
        """``(B, 1, m)`` to ``(B, C, H, W)``."""
        return (embedding.squeeze(1) @ self.axes + self.mean).unflatten(1, self.image_shape)

    def fit(self, images: Tensor) -> None:
        """Principal axes of the training images ``(N, C, H, W)``.

        Raises:
            ConfigError: more components than training images.
        """
        if self.channels > len(images):
            raise ConfigError("model.components", f"{self.channels}", f"at most {len(images)}, the training images")
        pca = PCA(self.channels, random_state=0).fit(images.flatten(1).cpu().numpy())
        self.mean.copy_(torch.from_numpy(pca.mean_))
        self.axes.copy_(torch.from_numpy(pca.components_))


def build_pca(*, image_shape: tuple[int, int, int], components: Width = 64) -> PrincipalComponents:
    """The registered ``pca`` model."""
    return PrincipalComponents(components, image_shape)
