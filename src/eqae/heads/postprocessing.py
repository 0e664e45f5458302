"""What may follow any head: the signed root, unit length, principal axes, whitening.

The first two are formulas. The last two are fitted, without labels, to the features of training images, and what
they find is stored with the checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Annotated, Literal

import scipy.linalg
import torch
from annotated_types import Ge, Le
from torch import Tensor, nn

from eqae.errors import ConfigError
from eqae.heads.base import Head

Step = Literal["signed_root", "l2", "whiten", "pca"]
FITTED: tuple[Step, Step] = ("whiten", "pca")
Components = Annotated[int, Ge(1), Le(2**12)]
DEFAULT_COMPONENTS = 256
"""Axes that are kept where nothing else is asked for. On the rotated digits the least of 256 deviations is a hundredth
of the largest one, more or less, and whitened features keep five digits; further axes mostly cost them."""
WIDEST = 2**13
"""Features whose covariance is still computed: half a gigabyte in float64, and a few minutes for its axes."""
FLOOR = 1e-6
"""Least variance that is divided by, relative to the largest. Features of one image differ by about 1e-7 of their
length from machine to machine and pose to pose: dividing by a thousandth of the largest deviation makes it 1e-4."""
SOFT = 1e-6
"""How far below the mean size of an image's features the signed root becomes a straight line through zero."""
TINY = 1e-20
FIT_BLOCK = 256
BOTH_FIT = "name it in the config, as head or among heads, and train or evaluate: both fit it"


class SignedRoot(nn.Module):
    """``sign(x)·√|x|``, which evens out the features of degree 2 and 3, whose largest ones hide the others.

    The slope is finite at zero, by ``x / √(|x| + ε)`` with ε a millionth of the image's mean ``|x|``: rounding noise in
    features that vanish would otherwise grow to its own root.
    """

    def forward(self, features: Tensor) -> Tensor:
        """``(B, D)`` to ``(B, D)``."""
        size = features.abs()
        return features * (size + SOFT * size.mean(1, keepdim=True) + TINY).rsqrt()


class UnitLength(nn.Module):
    """Every image's features divided by their Euclidean norm; zeros stay zeros."""

    def forward(self, features: Tensor) -> Tensor:
        """``(B, D)`` to ``(B, D)``."""
        return nn.functional.normalize(features, dim=1)


class PrincipalAxes(nn.Module):
    """Centred features along the axes of their largest variance, each divided by its deviation if ``whiten``.

    Args:
        width: D.
        components: how many axes are kept, K.
        whiten: whether training features get the identity for a covariance.
    """

    mean: Tensor
    axes: Tensor

    def __init__(self, width: int, components: int, *, whiten: bool) -> None:
        super().__init__()
        self.whiten = whiten
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("axes", torch.zeros(components, width))

    def forward(self, features: Tensor) -> Tensor:
        """``(B, D)`` to ``(B, K)``."""
        return (features - self.mean) @ self.axes.T

    def fit(self, blocks: Callable[[], Iterator[Tensor]]) -> None:
        """Mean and axes of features ``(N, D)``, in float64; ``blocks`` gives them anew, a block of rows at a time."""
        count, mean = 0, torch.zeros(self.mean.shape, dtype=torch.float64)
        for block in blocks():
            count += len(block)
            mean += block.double().sum(0)
        mean /= count
        covariance = torch.zeros(*2 * self.mean.shape, dtype=torch.float64)
        for block in blocks():
            centred = block.double() - mean
            covariance.addmm_(centred.T, centred)
        variances, vectors = _largest(covariance / max(count - 1, 1), len(self.axes))
        self.mean.copy_(mean)
        self.axes.copy_(self._scaled(vectors, variances))

    def _scaled(self, axes: Tensor, variances: Tensor) -> Tensor:
        """Axes ``(K, D)`` of length 1, or of one over the deviation, each in the same one of its two directions."""
        axes = axes * axes.gather(1, axes.abs().argmax(1, keepdim=True)).sign()
        if not self.whiten:
            return axes
        floor = float(FLOOR * variances[0])
        if floor <= 0:  # features that never vary: zeros, rather than noise blown up
            return torch.zeros_like(axes)
        return axes * variances.clamp_min(floor).rsqrt()[:, None]


def _largest(covariance: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Its ``count`` largest eigenvalues, falling, and their eigenvectors as rows; a third of the time of all."""
    width = len(covariance)
    values, vectors = scipy.linalg.eigh(covariance.numpy(), subset_by_index=(width - count, width - 1))
    return torch.from_numpy(values).flip(0), torch.from_numpy(vectors).T.flip(0)


class PostProcessed(Head):
    """A head followed by steps.

    Args:
        head: gives the features.
        steps: what follows, in order: signed root, unit length, at most one set of principal axes.
    """

    def __init__(self, head: Head, steps: Mapping[str, nn.Module]) -> None:
        axes = next((step for step in steps.values() if isinstance(step, PrincipalAxes)), None)
        super().__init__(head.group, head.channels, head.width if axes is None else len(axes.axes))
        self.head = head
        self.steps = nn.ModuleDict(dict(steps))
        self.needs_fit = axes is not None
        losses = [head.complete_up_to, *(["the length of the features"] if "l2" in steps else [])]
        if axes is not None and len(axes.axes) < head.width:
            losses.append(f"all but {len(axes.axes)} of their {head.width} principal axes")
        self.complete_up_to = ", ".join(losses)

    def forward(self, embedding: Tensor) -> Tensor:
        """V ``(B, |G|, m)`` to ``(B, D)``.

        Raises:
            ConfigError: the head has not been fitted.
        """
        if self.needs_fit:
            raise not_fitted("head.post")
        features = self.head(embedding)
        for step in self.steps.values():
            features = step(features)
        return features

    def feature_names(self) -> list[str]:
        """The head's own, or ``pca_0`` and ``whiten_0`` along principal axes."""
        for name in FITTED:
            if name in self.steps:
                return [f"{name}_{i}" for i in range(self.width)]
        return self.head.feature_names()

    def fit(self, embedding: Tensor) -> None:
        """Find the principal axes of the features of V ``(N, |G|, m)``, after the steps before."""
        before: list[nn.Module] = [self.head]
        for step in self.steps.values():
            if isinstance(step, PrincipalAxes):
                with torch.no_grad():
                    step.fit(partial(_blocks, tuple(before), embedding))
            before.append(step)
        self.needs_fit = False

    def statistics(self) -> dict[str, Tensor]:
        """``mean`` and ``axes`` of the features, where they are fitted."""
        axes = (step for step in self.steps.values() if isinstance(step, PrincipalAxes))
        return {name: tensor for step in axes for name, tensor in (("mean", step.mean), ("axes", step.axes))}


def post_processed(head: Head, *, post: tuple[Step, ...] = (), components: Components | None = None) -> Head:
    """``head`` followed by the steps of ``post``; the head itself where there are none.

    Args:
        head: gives the features.
        post: steps in order, each at most once: ``signed_root``, ``l2``, and ``whiten`` or ``pca``.
        components: axes that ``whiten`` or ``pca`` keep; None for 256, or all where there are fewer.

    Raises:
        ConfigError: a step twice, ``whiten`` with ``pca``, ``components`` without either or above the number of
            features, or more features than a covariance is computed of.
    """
    fitted = [step for step in post if step in FITTED]
    if len(set(post)) < len(post) or len(fitted) > 1:
        raise ConfigError("head.post", f"found {list(post)}", "each step once, and one of whiten and pca at most")
    if components is not None and not fitted:
        raise ConfigError("head.components", f"{components}", "no value", "add whiten or pca to head.post")
    if fitted and head.width > WIDEST:
        raise ConfigError(
            "head.post", f"{fitted[0]} of {head.width:,} features", f"at most {WIDEST:,}", "choose a narrower head"
        )
    if components is not None and components > head.width:
        raise ConfigError("head.components", f"{components}", f"at most {head.width}, the number of features")
    kept = components or min(DEFAULT_COMPONENTS, head.width)
    return PostProcessed(head, {step: _step(step, head.width, kept) for step in post}) if post else head


def not_fitted(where: str, fix: str = BOTH_FIT) -> ConfigError:
    """What to say of a head whose axes nobody has fitted."""
    expected = "a head that was fitted to training images"
    return ConfigError(where, "this head has not been fitted to any images", expected, fix)


def _step(name: Step, width: int, components: int) -> nn.Module:
    if name == "signed_root":
        return SignedRoot()
    return UnitLength() if name == "l2" else PrincipalAxes(width, components, whiten=name == "whiten")


def _blocks(steps: Sequence[nn.Module], embedding: Tensor) -> Iterator[Tensor]:
    for rows in embedding.split(FIT_BLOCK):
        for step in steps:
            rows = step(rows)
        yield rows
