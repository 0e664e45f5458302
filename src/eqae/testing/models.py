"""The contract of models."""

from __future__ import annotations

import copy
import pickle

import torch
from torch import Tensor

from eqae.models.base import Autoencoder
from eqae.testing.equivariance import EXACT, act_on_rows, assert_equivariant
from eqae.testing.requirements import relative, require
from eqae.testing.weights import randomize


def check_model(model: Autoencoder, *, seed: int = 0, tolerance: float = EXACT) -> dict[str, float]:
    """The contract of models: what any model registered in :data:`eqae.registry.MODELS` has to keep.

    The three verbs and their shapes; the row rule ``V(gx) = permute(g, V(x))`` and its counterpart for the decoder,
    for every g that moves pixels onto pixels, in float64, with all weights and statistics random; embeddings that do
    not depend on the batch in evaluation mode; equality after ``deepcopy`` and pickling. The model itself is left as
    it was.

    Returns:
        The error of the row rule for each group element by its name; empty for the trivial group.
    """
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(3, *model.image_shape, generator=generator, dtype=torch.float64)
    exact = copy.deepcopy(model).double().eval()
    if model.trained_by == "gradient":
        randomize(exact, seed)
    with torch.no_grad():
        embedding = exact.encode(images)
        shape = (3, model.group.order, model.channels)
        require(embedding.shape == shape, f"V is {tuple(embedding.shape)}, not (B, |G|, m) = {shape}")
        alone = torch.cat([exact.encode(one) for one in images.split(1)])
        require(relative(alone, embedding) < tolerance, "V of an image depends on the batch it comes in")
        for twin in (copy.deepcopy(exact), pickle.loads(pickle.dumps(exact))):
            require(torch.equal(twin.encode(images), embedding), "a copy of the model gives another V")
    permute = act_on_rows(model.group)
    exactly = model.group.exact_elements
    errors = assert_equivariant(
        exact.encode, model.group, images, out_action=permute, elements=exactly, tolerance=tolerance
    )
    if model.has_decoder:
        _check_decoder(exact, images, tolerance)
    return errors


def _check_decoder(model: Autoencoder, images: Tensor, tolerance: float) -> None:
    with torch.no_grad():
        output = model(images)
        decoded = model.decode(output.embedding)
    for name, reconstructed in (("forward", output.images), ("decode", decoded)):
        require(reconstructed.shape == images.shape, f"{name} gives images of shape {tuple(reconstructed.shape)}")
    permute, exactly = act_on_rows(model.group), model.group.exact_elements
    assert_equivariant(
        model.decode, model.group, output.embedding, in_action=permute, elements=exactly, tolerance=tolerance
    )
    assert_equivariant(lambda x: model(x).images, model.group, images, elements=exactly, tolerance=tolerance)
