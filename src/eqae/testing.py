"""Checks for anyone who adds to this package: errors of equivariance, contracts of models, heads and objectives.

The functions return what they measured, by the name of each group element (``"turn 90°"``, ``"flip, turn 180°"``),
and those called ``assert_*`` or ``check_*`` raise ``AssertionError`` with the element and the figure. In float64 a
correct layer is at 1e-15 to 1e-13 and a broken one above 0.1: a bound of 1e-9 leaves nothing to judgement.

Example:
    >>> from eqae.groups import D4
    >>> from eqae.models import build_model
    >>> check_model(build_model("eqae", (1, 20, 20), {"fields": [2, 2], "code": 3}))["flip"] < 1e-9
    True
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor, nn

from eqae.groups import Group
from eqae.heads.base import Head
from eqae.models.base import Autoencoder, Reconstruction
from eqae.objectives import Objective, Step, Subject

Function = Callable[[Tensor], Tensor]
Action = Callable[[int, Tensor], Tensor]

EXACT = 1e-9
"""Bound on errors relative to the largest output, in float64."""
EXAMPLES = 12
"""Images of the step that objectives are tried on."""


def randomize(module: nn.Module, seed: int = 0) -> nn.Module:
    """Give every parameter and every running statistic of ``module`` random values, in place, and return it.

    Fresh networks hide errors: biases and shifts are 0, scales and variances 1. Filters keep their scale, so that
    activations stay near 1 through deep chains; variances become positive, in 0.5..1.5.
    """
    generator = torch.Generator().manual_seed(seed)

    def draw(tensor: Tensor) -> Tensor:
        return torch.randn(tensor.shape, generator=generator, dtype=torch.float64).to(tensor)

    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.ndim > 1:
                parameter.copy_(draw(parameter) * parameter.float().std(correction=0).clamp_min(1e-3))
            else:
                parameter.copy_(parameter + 0.3 * draw(parameter))
        for name, buffer in module.named_buffers():
            if name.endswith("running_mean"):
                buffer.copy_(0.3 * draw(buffer))
            elif name.endswith("running_var"):
                buffer.copy_(0.5 + draw(buffer).sigmoid())
    return module


def element_name(group: Group, index: int) -> str:
    """``"identity"``, ``"turn 90°"``, ``"flip"``, ``"flip, turn 90°"``: how errors name element ``index``."""
    turn = f"turn {group.angle(index):g}°" if group.elements[index].turns else ""
    return ", ".join(part for part in ("flip" * group.elements[index].flip, turn) if part) or "identity"


def act_on_images(group: Group) -> Action:
    """The action on images ``(B, C, H, W)``: pixels move, channels do not."""
    return group.act


def act_on_fields(group: Group) -> Action:
    """The action on regular fields ``(B, F·|G|, H, W)``: pixels move, and slot h receives what was in slot g⁻¹h."""

    def act(index: int, fields: Tensor) -> Tensor:
        fibres = group.act(index, fields).unflatten(1, (-1, group.order))
        return fibres[:, :, list(group.left_quotient[index])].flatten(1, 2)

    return act


def act_on_rows(group: Group) -> Action:
    """The action on V ``(B, |G|, m)``: rows are permuted."""
    return group.permute


def equivariance_errors(
    function: Function,
    group: Group,
    x: Tensor,
    *,
    in_action: Action | None = None,
    out_action: Action | None = None,
    elements: Iterable[int] | None = None,
) -> dict[str, float]:
    """Largest ``|f(gx) − g f(x)|`` relative to the largest ``|f(x)|``, for every element but the identity.

    Args:
        function: from a batch to a batch.
        group: whose elements are tried; one is not enough, since layers exist that only a transposition passes.
        x: the batch; random, with no symmetry of its own and a mean that is not zero.
        in_action: how an element moves ``x``; by default as images.
        out_action: how it should move ``f(x)``; by default as images.
        elements: which of the group's are tried; by default all. Of groups that leave the pixel lattice only
            ``group.exact_elements`` move images and fields.

    Returns:
        The error of each element by its name.

    Raises:
        AssertionError: the output is zero or not finite (it would pass any test), or changes its shape.
    """
    in_action, out_action = in_action or group.act, out_action or group.act
    with torch.no_grad():
        y = function(x)
        scale = y.abs().amax().item() if y.numel() else 0.0
        if not 0 < scale < float("inf"):
            raise AssertionError(f"the largest output is {scale}: nothing can be concluded from it")
        return {
            element_name(group, g): _distance(function(in_action(g, x)), out_action(g, y)) / scale
            for g in (range(group.order) if elements is None else elements)
            if g != 0
        }


def assert_equivariant(
    function: Function,
    group: Group,
    x: Tensor,
    *,
    in_action: Action | None = None,
    out_action: Action | None = None,
    elements: Iterable[int] | None = None,
    tolerance: float = EXACT,
) -> dict[str, float]:
    """:func:`equivariance_errors`, all of them below ``tolerance``.

    Raises:
        AssertionError: some element's error is larger; all of them are listed, by name.
    """
    errors = equivariance_errors(function, group, x, in_action=in_action, out_action=out_action, elements=elements)
    return _all_below(errors, tolerance)


def assert_invariant(
    function: Function, group: Group, x: Tensor, *, in_action: Action | None = None, tolerance: float = EXACT
) -> dict[str, float]:
    """As :func:`assert_equivariant` for a ``function`` whose output should not change at all.

    Raises:
        AssertionError: some element changes it by more than ``tolerance`` of the largest output.
    """
    return _all_below(equivariance_errors(function, group, x, in_action=in_action, out_action=_stay), tolerance)


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
    _require(features.shape == (5, head.width), f"width is {head.width}, features are {tuple(features.shape)}")
    _require(len(set(names)) == len(names) == head.width, f"{len(set(names))} different names, width {head.width}")
    errors = assert_invariant(exact, head.group, embedding, in_action=permute, tolerance=1e-12)
    assert_invariant(copy.deepcopy(head).float(), head.group, embedding.float(), in_action=permute, tolerance=1e-5)
    alone = torch.cat([exact(one) for one in embedding.split(1)])
    _require(_relative(alone, features) < 1e-12, "features of an image depend on the batch it comes in")
    _check_gradient(exact, embedding)
    for twin in (copy.deepcopy(exact), pickle.loads(pickle.dumps(exact))):
        _require(torch.equal(twin(embedding), features), "a copy of the head gives other features")
    return errors


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
        _require(embedding.shape == shape, f"V is {tuple(embedding.shape)}, not (B, |G|, m) = {shape}")
        alone = torch.cat([exact.encode(one) for one in images.split(1)])
        _require(_relative(alone, embedding) < tolerance, "V of an image depends on the batch it comes in")
        for twin in (copy.deepcopy(exact), pickle.loads(pickle.dumps(exact))):
            _require(torch.equal(twin.encode(images), embedding), "a copy of the model gives another V")
    permute = act_on_rows(model.group)
    exactly = model.group.exact_elements
    errors = assert_equivariant(
        exact.encode, model.group, images, out_action=permute, elements=exactly, tolerance=tolerance
    )
    if model.has_decoder:
        _check_decoder(exact, images, tolerance)
    return errors


def check_objective(objective: Objective, subject: Subject, *, seed: int = 0) -> dict[str, float]:
    """The contract of objectives: what any registered in :data:`eqae.registry.OBJECTIVES` has to keep.

    A finite scalar; finite gradients that reach V and every matrix the objective learns; a value that depends neither
    on the order of the images nor, image by image, on their orientation, and is the mean over them unless the objective
    ``compares_images``; equality after ``deepcopy``; all in float64, on a made-up step in which features, logits and
    reconstruction are simple functions of V. Only what the objective says it needs is in that step.

    Args:
        objective: built for ``subject``; it is left as it was.
        subject: see :func:`eqae.objectives.build_objective`.
        seed: of the step.

    Returns:
        The relative change of the loss under each group element that moves pixels onto pixels, by its name; empty for
        the trivial group.
    """
    exact = copy.deepcopy(objective).double()
    randomize(exact, seed)
    images, embedding = _made_up(subject, EXAMPLES * objective.views, seed)
    _check_learning(exact.train(), subject, images, embedding)
    exact.eval()
    with torch.no_grad():
        loss = exact(_step(exact, subject, images, embedding))
        _require(torch.equal(copy.deepcopy(exact)(_step(exact, subject, images, embedding)), loss), "a copy differs")
        shuffled = torch.arange(EXAMPLES).roll(1)
        order = torch.cat([shuffled + view * EXAMPLES for view in range(objective.views)])
        moved = exact(_step(exact, subject, images[order], embedding[order], shuffled))
        _require(_relative(moved, loss) < EXACT, "the loss depends on the order of the images")
        if not objective.compares_images:
            halves = [exact(_step(exact, subject, images[at], embedding[at], which)) for at, which in _halves(exact)]
            alone = torch.stack(halves).mean()
            _require(_relative(alone, loss) < EXACT, "it compares images, and compares_images does not say so")
        errors = {
            element_name(subject.group, g): _relative(exact(_turned(exact, subject, g, images, embedding)), loss)
            for g in subject.group.exact_elements
            if g != 0
        }
    return _all_below(errors, EXACT)


def _halves(objective: Objective) -> Iterator[tuple[Tensor, Tensor]]:
    """Places of one half of the images, in every view, and which images these are."""
    for half in torch.arange(EXAMPLES).chunk(2):
        yield torch.cat([half + view * EXAMPLES for view in range(objective.views)]), half


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


def _turned(objective: Objective, subject: Subject, element: int, images: Tensor, embedding: Tensor) -> Step:
    """The step of every other image turned by an element: pixels move, and rows with them."""
    turned, rows = images.clone(), embedding.clone()
    turned[::2], rows[::2] = subject.group.act(element, images[::2]), subject.group.permute(element, embedding[::2])
    return _step(objective, subject, turned, rows)


def _columns(moments: Tensor, count: int) -> Tensor:
    """``count`` different mixtures of the columns of ``(B, k)``."""
    mixing = torch.cos(torch.outer(torch.arange(moments.shape[1]) + 1.0, torch.arange(count) + 0.5))
    return moments @ mixing.to(moments)


def _check_learning(objective: Objective, subject: Subject, images: Tensor, embedding: Tensor) -> None:
    leaf = embedding.clone().requires_grad_()
    loss = objective(_step(objective, subject, images, leaf))
    _require(loss.shape == () and bool(loss.isfinite()), f"the loss is {loss}, not a finite scalar")
    _require(loss.requires_grad, "the loss depends neither on V nor on what the objective learns")
    learned = {name: values for name, values in objective.named_parameters() if values.requires_grad}
    gradients = torch.autograd.grad(loss, [leaf, *learned.values()], allow_unused=True)
    for name, gradient in zip(["V", *learned], gradients, strict=True):
        _require(gradient is not None, f"the loss does not depend on {name}")
        _require(bool(gradient.isfinite().all()), f"the gradient of {name} is not finite")
        # A bias before batch normalisation has none.
        _require(gradient.ndim == 1 or bool(gradient.any()), f"the gradient of {name} is zero everywhere")


def _check_decoder(model: Autoencoder, images: Tensor, tolerance: float) -> None:
    with torch.no_grad():
        output = model(images)
        decoded = model.decode(output.embedding)
    for name, reconstructed in (("forward", output.images), ("decode", decoded)):
        _require(reconstructed.shape == images.shape, f"{name} gives images of shape {tuple(reconstructed.shape)}")
    permute, exactly = act_on_rows(model.group), model.group.exact_elements
    assert_equivariant(
        model.decode, model.group, output.embedding, in_action=permute, elements=exactly, tolerance=tolerance
    )
    assert_equivariant(lambda x: model(x).images, model.group, images, elements=exactly, tolerance=tolerance)


def _check_gradient(head: Head, embedding: Tensor) -> None:
    leaf = embedding.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(head(leaf).square().sum(), leaf)
    _require(bool(gradient.isfinite().all()), "the gradient is not finite")
    _require(bool(gradient.any()), "the gradient is zero everywhere")


def _stay(_: int, y: Tensor) -> Tensor:
    return y


def _distance(a: Tensor, b: Tensor) -> float:
    _require(a.shape == b.shape, f"shape {tuple(a.shape)} after the action, {tuple(b.shape)} before")
    return (a - b).abs().amax().item()


def _relative(a: Tensor, b: Tensor) -> float:
    return _distance(a, b) / max(b.abs().amax().item(), 1e-30)


def _all_below(errors: dict[str, float], tolerance: float) -> dict[str, float]:
    wrong = {name: error for name, error in errors.items() if not error < tolerance}
    listed = "; ".join(f"{name}: {error:.3g}" for name, error in wrong.items())
    _require(not wrong, f"relative error above {tolerance:g} for {len(wrong)} of {len(errors)} elements: {listed}")
    return errors


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)
