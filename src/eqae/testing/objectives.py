"""The contract of objectives."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from eqae.models.base import Reconstruction
from eqae.objectives import Objective, Step, Subject, check_needs
from eqae.testing.equivariance import EXACT, element_name
from eqae.testing.requirements import all_below, relative, require
from eqae.testing.weights import randomize

EXAMPLES = 12
"""Images of the step that objectives are tried on."""


def check_objective(objective: Objective, subject: Subject, *, seed: int = 0) -> dict[str, float]:
    """The contract of objectives: what any registered in :data:`eqae.registry.OBJECTIVES` has to keep.

    A finite scalar, of one image too, since a last batch may hold no more; finite gradients that reach V and every
    matrix the objective learns, and are finite where all views are the same; a value that every view counts in, that
    depends neither on the order of the images nor, image by image, on their orientation, and is the mean over them
    unless the objective ``compares_images``; equality after ``deepcopy``. All in float64, on a made-up step in which
    features, logits and reconstruction are simple functions of V. Only what the objective says it needs is in it.

    Args:
        objective: built for ``subject``; it is left as it was.
        subject: see :func:`eqae.objectives.build_objective`.
        seed: of the step.

    Returns:
        The relative change of the loss under each group element that moves pixels onto pixels, by its name; empty for
        the trivial group.

    Raises:
        AssertionError: the first of these that does not hold.
        ConfigError: it ``needs`` what no step has.
    """
    check_needs(type(objective).__name__, objective)
    exact = copy.deepcopy(objective).double()
    randomize(exact, seed)
    images, embedding = _made_up(subject, EXAMPLES * objective.views, seed)
    _check_learning(exact.train(), subject, images, embedding)
    exact.eval()
    with torch.no_grad():
        loss = exact(_step(exact, subject, images, embedding))
        require(torch.equal(copy.deepcopy(exact)(_step(exact, subject, images, embedding)), loss), "a copy differs")
        shuffled = torch.randperm(EXAMPLES, generator=torch.Generator().manual_seed(seed))
        moved = exact(_some(exact, subject, images, embedding, shuffled))
        require(relative(moved, loss) < EXACT, "the loss depends on the order of the images")
        if not objective.compares_images:
            _check_mean(exact, subject, images, embedding)
            _check_mean(copy.deepcopy(exact).train(), subject, images, embedding)
        alone = exact(_some(exact, subject, images, embedding, torch.tensor([0])))
        require(bool(alone.isfinite()), f"the loss of one image is {alone}; a last batch may hold no more")
        _check_views(exact, subject, images, embedding, loss)
        errors = {
            element_name(subject.group, g): relative(exact(_turned(exact, subject, g, images, embedding)), loss)
            for g in subject.group.exact_elements
            if g != 0
        }
    return all_below(errors, EXACT)


def _check_learning(objective: Objective, subject: Subject, images: Tensor, embedding: Tensor) -> None:
    leaf = embedding.clone().requires_grad_()
    loss = objective(_step(objective, subject, images, leaf))
    require(isinstance(loss, Tensor), f"the loss is a {type(loss).__name__}, not a scalar tensor")
    require(loss.shape == () and bool(loss.isfinite()), f"the loss is {loss}, not a finite scalar")
    require(loss.requires_grad, "the loss depends neither on V nor on what the objective learns")
    learned = {name: values for name, values in objective.named_parameters() if values.requires_grad}
    gradients = torch.autograd.grad(loss, [leaf, *learned.values()], allow_unused=True)
    for name, gradient in zip(["V", *learned], gradients, strict=True):
        require(gradient is not None, f"the loss does not depend on {name}")
        require(bool(gradient.isfinite().all()), f"the gradient of {name} is not finite")
        # A bias before batch normalisation has none.
        require(gradient.ndim == 1 or bool(gradient.any()), f"the gradient of {name} is zero everywhere")
    same = embedding[:EXAMPLES].repeat(objective.views, 1, 1).requires_grad_()
    views = images[:EXAMPLES].repeat(objective.views, 1, 1, 1)
    (gradient,) = torch.autograd.grad(objective(_step(objective, subject, views, same)), same)
    require(bool(gradient.isfinite().all()), "the gradient of V is not finite where all views of an image are the same")


def _check_mean(objective: Objective, subject: Subject, images: Tensor, embedding: Tensor) -> None:
    """What images give together is the mean of what they give apart; not asked of one that draws at random."""

    def loss_of(which: Tensor) -> Tensor:
        return objective(_some(objective, subject, images, embedding, which))

    everyone = torch.arange(EXAMPLES)
    together = loss_of(everyone)
    if torch.equal(loss_of(everyone), together):
        apart = torch.stack([loss_of(half) for half in everyone.chunk(2)]).mean()
        require(relative(apart, together) < EXACT, "it compares images, and compares_images does not say so")


def _check_views(objective: Objective, subject: Subject, images: Tensor, embedding: Tensor, loss: Tensor) -> None:
    """Every view that the objective asks for counts: show one in negative, and the loss is another."""
    for view in range(objective.views if objective.views > 1 else 0):
        pixels, embedded = images.clone(), embedding.clone()
        at = slice(view * EXAMPLES, (view + 1) * EXAMPLES)
        pixels[at], embedded[at] = 1 - images[at], 1 - embedding[at]
        changed = objective(_step(objective, subject, pixels, embedded))
        require(relative(changed, loss) > EXACT, f"it asks for {objective.views} views and does not look at each")


def _made_up(subject: Subject, count: int, seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shape = (count, subject.group.order, subject.channels)
    images = torch.rand(count, *subject.image_shape, generator=generator, dtype=torch.float64)
    return images, torch.rand(shape, generator=generator, dtype=torch.float64)


def _step(
    objective: Objective, subject: Subject, images: Tensor, embedding: Tensor, order: Tensor | None = None
) -> Step:
    """A step with what ``objective`` needs, the images of a batch being in the given order."""
    moments = torch.cat([embedding.mean(1), embedding.amax(1)], 1)
    rebuilt = images + 0.1 * embedding.mean((1, 2)).view(-1, 1, 1, 1)
    labels = (torch.arange(EXAMPLES) if order is None else order) % max(subject.classes, 1)
    needs = objective.needs
    return Step(
        images, images, embedding,
        features=_columns(moments, subject.width) if "features" in needs else None,
        reconstruction=Reconstruction(rebuilt, embedding, embedding.sum(2).softmax(1)) if "decoder" in needs else None,
        logits=_columns(moments, subject.classes) if "classifier" in needs else None,
        labels=labels.repeat(objective.views) if "labels" in needs else None, views=objective.views,
    )  # fmt: skip


def _some(objective: Objective, subject: Subject, images: Tensor, embedding: Tensor, which: Tensor) -> Step:
    """The step of some of the images, in an order, the same in every view."""
    at = torch.cat([which + view * EXAMPLES for view in range(objective.views)])
    return _step(objective, subject, images[at], embedding[at], which)


def _turned(objective: Objective, subject: Subject, element: int, images: Tensor, embedding: Tensor) -> Step:
    """The step of every other image turned by an element: pixels move, and rows with them."""
    turned, rows = images.clone(), embedding.clone()
    turned[::2], rows[::2] = subject.group.act(element, images[::2]), subject.group.permute(element, embedding[::2])
    return _step(objective, subject, turned, rows)


def _columns(moments: Tensor, count: int) -> Tensor:
    """``count`` different mixtures of the columns of ``(B, k)``."""
    mixing = torch.cos(torch.outer(torch.arange(moments.shape[1]) + 1.0, torch.arange(count) + 0.5))
    return moments @ mixing.to(moments)
