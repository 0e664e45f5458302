"""Anybody's feature extractor, given as a Python function, behind the verbs of a model."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eqae.errors import DataError
from eqae.groups import C1
from eqae.models.base import Autoencoder
from eqae.modes import evaluating

ImageFunction = Callable[[Tensor], "Tensor | NDArray[np.generic]"]


class FunctionModel(Autoencoder):
    """V ``(B, 1, D)`` is what ``function`` returns; with the ``mean`` head the features are exactly that.

    The function is called in evaluation mode, without gradient. One that is a ``torch.nn.Module`` becomes a part of
    the model: it moves to the device and takes the precision that the model is given.

    Args:
        function: images ``(B, C, H, W)``, float in [0, 1], to features ``(B, D)``, a torch tensor or numpy array.
        image_shape: ``(C, H, W)``.
        width: D; None finds it by calling ``function`` on two black images.

    Raises:
        DataError: ``function`` returns anything but real numbers of shape ``(B, D)``, when it is probed or later.
            NaN and infinity pass: the evaluation names the image.

    Example:
        >>> FunctionModel(lambda images: images.mean((2, 3)), (3, 28, 28)).channels
        3
    """

    has_decoder = False
    trained_by = "nothing"
    is_reproducible = False

    def __init__(self, function: ImageFunction, image_shape: tuple[int, int, int], width: int | None = None) -> None:
        super().__init__(C1, width or 0, image_shape)
        self.function = function
        if width is None:
            device = next((tensor.device for tensor in self.state_dict().values()), None)
            with evaluating(self):
                self.channels = self._features(torch.zeros(2, *image_shape, device=device)).shape[1]

    def encode(self, images: Tensor) -> Tensor:
        """``(B, C, H, W)`` to ``(B, 1, D)``.

        Raises:
            DataError: the function returns something else than it should.
        """
        features = self._features(images)
        if features.shape[1] != self.channels:
            raise self._refusal(f"{features.shape[1]} features an image", f"{self.channels}, as before")
        return features.unsqueeze(1)

    def _features(self, images: Tensor) -> Tensor:
        with torch.no_grad():
            returned = self.function(images)
        if not isinstance(returned, Tensor | np.ndarray):
            raise self._refusal(f"a {type(returned).__name__}", "a torch tensor or a numpy array")
        if returned.ndim != 2 or len(returned) != len(images) or returned.shape[1] == 0:
            raise self._refusal(f"shape {tuple(returned.shape)} for {len(images)} images", f"({len(images)}, D)")
        if not _is_real(returned):
            raise self._refusal(f"entries of type {returned.dtype}", "real numbers")
        if isinstance(returned, np.ndarray):  # a copy, because the function may use its buffer again, or forbid that
            returned = torch.from_numpy(np.array(returned, np.float64))
        return returned.detach().to(images)

    def _refusal(self, returned: str, expected: str) -> DataError:
        name = getattr(self.function, "__name__", type(self.function).__name__)
        return DataError(f"function {name!r}", f"it returned {returned}", expected)


def _is_real(values: Tensor | NDArray[np.generic]) -> bool:
    if isinstance(values, Tensor):
        return not values.is_complex()
    return values.dtype.kind in "biuf"
