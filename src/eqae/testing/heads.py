"""The contract of heads."""

from __future__ import annotations

import copy
import pickle

import torch
from torch import Tensor

from eqae.heads.base import Head
from eqae.testing.equivariance import act_on_rows, assert_invariant
from eqae.testing.requirements import relative, require


def check_head(head: Head, *, seed: int = 0) -> dict[str, float]:
    """The contract of heads: what any head registered in :data:`eqae.registry.HEADS` has to keep.

    Declared width and unique names of features; invariance to every permutation of rows by the group (1e-12 in
    float64, 1e-5 in float32, relative to the largest feature); features of an image that do not depend on its
    batch; finite gradients, not all zero; equality after ``deepcopy`` and pickling.

    Returns:
        The float64 error of each group element by its name; empty for the trivial group.
    """
    generator = torch.Generator().manual_seed(seed)
    embedding = 0.5 + torch.randn(5, head.group.order, head.channels, generator=generator, dtype=torch.float64)
    permute = act_on_rows(head.group)
    exact = copy.deepcopy(head).double()
    features = exact(embedding)
    names = head.feature_names()
    require(features.shape == (5, head.width), f"width is {head.width}, features are {tuple(features.shape)}")
    require(len(set(names)) == len(names) == head.width, f"{len(set(names))} different names, width {head.width}")
    errors = assert_invariant(exact, head.group, embedding, in_action=permute, tolerance=1e-12)
    assert_invariant(copy.deepcopy(head).float(), head.group, embedding.float(), in_action=permute, tolerance=1e-5)
    alone = torch.cat([exact(one) for one in embedding.split(1)])
    require(relative(alone, features) < 1e-12, "features of an image depend on the batch it comes in")
    _check_gradient(exact, embedding)
    for twin in (copy.deepcopy(exact), pickle.loads(pickle.dumps(exact))):
        require(torch.equal(twin(embedding), features), "a copy of the head gives other features")
    return errors


def _check_gradient(head: Head, embedding: Tensor) -> None:
    leaf = embedding.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(head(leaf).square().sum(), leaf)
    require(bool(gradient.isfinite().all()), "the gradient is not finite")
    require(bool(gradient.any()), "the gradient is zero everywhere")
