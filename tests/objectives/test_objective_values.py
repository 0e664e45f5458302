"""What every objective says of a step whose loss, or whose gradient, is known from its definition by hand."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from eqae.groups import C4, D4, Group
from eqae.models.base import Reconstruction
from eqae.objectives import Objective, Step, Subject, build_objective
from eqae.objectives.aligned_reconstruction import AlignedReconstruction
from eqae.objectives.attention_entropy import AttentionEntropy
from eqae.objectives.canonical_decoder import coder
from eqae.objectives.contrastive import Contrastive
from eqae.objectives.cross_entropy import CrossEntropy
from eqae.objectives.neighbours import Neighbours
from eqae.objectives.projection import Projection
from eqae.objectives.prototypes import Prototypes
from eqae.objectives.reconstruction import PixelReconstruction
from eqae.objectives.variational import Variational, bounded, divergence
from eqae.objectives.vicreg import VICReg
from eqae.testing import randomize

SIDE = 5
PIXELS = SIDE * SIDE
SHAPE = (1, SIDE, SIDE)
SMALL: dict[str, Any] = {"code": 4, "fields": (3,)}
"""Of networks that a test replaces, or that only have to be there."""
Array = np.ndarray[Any, np.dtype[np.float64]]
Compared = TypeVar("Compared", bound=Objective)
Posed = TypeVar("Posed", AlignedReconstruction, Variational)


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def matrix(*rows: Iterable[float]) -> Tensor:
    return torch.tensor([list(row) for row in rows], dtype=torch.float64)


def seen(features: Tensor, images: Tensor | None = None, *, views: int = 1) -> Step:
    """A step of which nothing but features, and perhaps images, is to be read."""
    pixels = torch.full((len(features), *SHAPE), torch.nan).double() if images is None else images
    return Step(pixels, pixels, torch.full((len(features), 8, 1), torch.nan), features, views=views)


def bare(objective: Compared) -> Compared:
    """With nothing between the features and what is compared."""
    objective.projection = nn.Identity()
    return objective


def standardised(values: Array) -> Array:
    """As batch normalisation does in training: by the variance of the batch itself, and its 1e-5."""
    return (values - values.mean(0)) / np.sqrt(values.var(0) + 1e-5)


# What stands between features and losses.


def test_a_projection_standardises_rectifies_between_its_layers_and_ends_in_a_plain_one() -> None:
    projection = Projection(3, (4, 2)).double()
    randomize(projection)
    features = 100 * draw(9, 3) + 7
    first, last = (p.detach().numpy() for p in projection.parameters() if p.ndim == 2)
    scale, shift = [p.detach().numpy() for p in projection.parameters() if p.ndim == 1][:2]
    hidden = np.maximum(standardised(standardised(features.numpy()) @ first.T) * scale + shift, 0)
    np.testing.assert_allclose(projection(features).detach().numpy(), hidden @ last.T, rtol=1e-9)


def test_a_code_is_a_dense_layer_of_standardised_features() -> None:
    layers = coder(3, 2).double()
    randomize(layers)
    features = 100 * draw(9, 3) + 7
    weight, bias = (p.detach().numpy() for p in layers.parameters())
    np.testing.assert_allclose(
        layers(features).detach().numpy(), standardised(features.numpy()) @ weight.T + bias, rtol=1e-9
    )


LEARNING: dict[str, Callable[[], Objective]] = {
    "contrastive": lambda: Contrastive(3, projection=(4, 2)),
    "vicreg": lambda: VICReg(3, projection=(4, 2)),
    "prototypes": lambda: Prototypes(3, count=2, projection=(4, 2)),
    "neighbours": lambda: Neighbours(3, clusters=2, neighbours=1),
    "aligned_reconstruction": lambda: AlignedReconstruction(D4, 1, 3, SHAPE, alignment="minimum", **SMALL),
    "variational": lambda: Variational(D4, 3, SHAPE, **SMALL),
}


@pytest.mark.parametrize("name", LEARNING)
def test_how_large_features_are_and_where_they_lie_does_not_matter(name: str) -> None:
    """Those of a Gram matrix are a hundred times those of a mean: whatever comes first has to take that away."""
    objective = LEARNING[name]().double().train()
    features, images = 1000 * draw(8, 3), draw(8, *SHAPE, seed=1)

    def loss_of(given: Tensor) -> float:
        torch.manual_seed(0)  # the variational one draws
        value: float = objective(seen(given, images, views=objective.views)).item()
        return value

    assert loss_of(100 * features + 7) == pytest.approx(loss_of(features), rel=1e-6)


@pytest.mark.parametrize("name", sorted(LEARNING.keys() - {"prototypes"}))
def test_gradients_are_those_of_the_value_and_stop_nowhere(name: str) -> None:
    """Prototypes stop at the assignment on purpose, and have a test of their own."""
    torch.manual_seed(0)
    objective = LEARNING[name]().double().eval()
    randomize(objective)
    images = draw(6, *SHAPE, seed=1)
    features = draw(6, 3).requires_grad_()
    assert torch.autograd.gradcheck(lambda given: objective(seen(given, images, views=objective.views)), features)


# Reconstruction and attention.


def test_a_reconstruction_is_compared_with_the_target_and_by_its_views_where_it_has_some() -> None:
    images, target, views = torch.zeros(2, *SHAPE), torch.full((2, *SHAPE), 3.0), torch.ones(2, *SHAPE)
    step = Step(torch.full_like(images, 9.0), target, torch.zeros(2, 8, 1))
    objective = PixelReconstruction()
    assert objective(step._replace(reconstruction=Reconstruction(images, step.embedding))) == 9
    assert objective(step._replace(reconstruction=Reconstruction(images, step.embedding, views=views))) == 4


def test_attention_entropy_is_averaged_over_images() -> None:
    weights = matrix([0.5, 0.5, 0, 0], [0.25] * 4, [0, 0, 1, 0])
    images, embedding = torch.zeros(3, *SHAPE), torch.zeros(3, 4, 1)
    step = Step(images, images, embedding, reconstruction=Reconstruction(images, embedding, weights))
    assert AttentionEntropy()(step).item() == pytest.approx((math.log(2) + math.log(4)) / 3)


# Contrast.


@pytest.mark.parametrize("temperature", [0.2, 0.5, 2.0])
def test_contrast_of_equal_views_and_images_at_right_angles(temperature: float) -> None:
    """Of seven others one is at cosine 1 and six are at 0, however long the projections are."""
    objective = bare(Contrastive(4, temperature=temperature))
    expected = math.log(1 + 6 * math.exp(-1 / temperature))
    for length in (1, 7):
        assert objective(seen(length * torch.eye(4).double().repeat(2, 1), views=2)).item() == pytest.approx(expected)


@pytest.mark.parametrize("temperature", [0.2, 0.5, 2.0])
def test_contrast_of_views_that_are_each_like_the_other_image(temperature: float) -> None:
    """The partner is at cosine 0, the other view of the other image at 1, its own at 0."""
    objective = bare(Contrastive(2, temperature=temperature))
    value = objective(seen(torch.cat([torch.eye(2), torch.eye(2).flip(0)]).double(), views=2)).item()
    assert value == pytest.approx(math.log(2 + math.exp(1 / temperature)))


# Variance, invariance, covariance.

ALIKE, APART = 0.5, 0.8


def hand_made() -> tuple[Tensor, Tensor]:
    """Four images twice: two coordinates that are one, of deviation 0.5, and two that are independent, of 0.8."""
    halves, alternating = matrix([1, 1, -1, -1], [1, -1, 1, -1])
    s, t = (math.sqrt(0.75 * (deviation**2 - 1e-4)) for deviation in (ALIKE, APART))
    return s * torch.stack([halves, halves], 1), t * torch.stack([halves, alternating], 1) + 3


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("weights", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (3, 5, 7), (25, 25, 1)])
def test_vicreg_of_a_batch_that_was_made_by_hand(weights: tuple[int, int, int], swapped: bool) -> None:
    keywords: dict[str, Any] = dict(zip(("invariance", "variance", "covariance"), weights, strict=True))
    objective = bare(VICReg(2, **({} if weights == (25, 25, 1) else keywords)))
    s, t = (math.sqrt(0.75 * (deviation**2 - 1e-4)) for deviation in (ALIKE, APART))
    # The second coordinates are independent, so of (s·a − t·b − 3)² the mixed terms vanish on average.
    distance = ((s - t) ** 2 + s**2 + t**2) / 2 + 9
    hinge = ((1 - ALIKE) + (1 - APART)) / 2
    shared = (ALIKE**2 - 1e-4) ** 2  # two equal covariances, over two coordinates; none in the other view
    first, second = reversed(hand_made()) if swapped else hand_made()
    value = objective(seen(torch.cat([first, second]), views=2)).item()
    assert value == pytest.approx(weights[0] * distance + weights[1] * hinge + weights[2] * shared)


def test_vicreg_draws_coordinates_apart_whose_deviation_is_too_small_and_leaves_others_alone() -> None:
    objective = bare(VICReg(1, invariance=0.0, variance=1.0, covariance=0.0))
    features = matrix([0.1], [-0.1], [5.0], [-5.0]).requires_grad_()
    objective(seen(features, views=2)).backward()
    assert features.grad is not None
    assert features.grad[0] < 0 < features.grad[1]  # against which a step is taken
    assert not features.grad[2:].any()


def test_vicreg_of_one_image_is_the_distance_of_its_views() -> None:
    objective = bare(VICReg(2, invariance=3.0))
    assert objective(seen(matrix([1, 2], [3, 6]), views=2)).item() == pytest.approx(3 * (2**2 + 4**2) / 2)


# Prototypes.


@pytest.mark.parametrize(("temperature", "sharpness"), [(0.1, 0.05), (0.5, 0.3), (2.0, 0.3), (0.5, 1.0)])
@pytest.mark.parametrize("agree", [True, False])
def test_prototypes_of_two_images_that_lie_on_one_each(temperature: float, sharpness: float, agree: bool) -> None:
    """Both prototypes have one image: the assignment is balanced as it is, a softmax at the sharpness."""
    objective = bare(Prototypes(2, count=2, temperature=temperature, sharpness=sharpness))
    objective.prototypes.data = 3 * torch.eye(2).double()
    second = torch.eye(2) if agree else torch.eye(2).flip(0)
    assigned, said = (1 / (1 + math.exp(-1 / scale)) for scale in (sharpness, temperature))
    right, wrong = (said, 1 - said) if agree else (1 - said, said)
    expected = -assigned * math.log(right) - (1 - assigned) * math.log(wrong)
    value = objective(seen(7 * torch.cat([torch.eye(2), second]).double(), views=2)).item()
    assert value == pytest.approx(expected, rel=1e-6)


def alternated(scores: Tensor, sharpness: float) -> Tensor:
    """Three rounds on exponentials, whose columns come to B/K and whose rows to 1."""
    table = np.exp(scores.detach().numpy() / sharpness)
    for _ in range(3):
        table *= len(table) / table.shape[1] / table.sum(axis=0)
        table /= table.sum(axis=1, keepdims=True)
    return torch.from_numpy(table)


def test_prototypes_swap_assignments_that_no_gradient_flows_through() -> None:
    objective = bare(Prototypes(4, count=3, temperature=0.5, sharpness=0.3)).double()
    features, prototypes = draw(10, 4).requires_grad_(), draw(3, 4, seed=1).requires_grad_()
    objective.prototypes.data = prototypes.detach()
    scores = nn.functional.normalize(features) @ nn.functional.normalize(prototypes).T
    of_first, of_second = alternated(scores[:5], 0.3), alternated(scores[5:], 0.3)
    expected = -(torch.cat([of_second, of_first]) * (scores / 0.5).log_softmax(1)).sum(1).mean()
    value = objective(seen(features, views=2))
    assert value.item() == pytest.approx(expected.item())
    found = torch.autograd.grad(value, [features, objective.prototypes])
    for gradient, known in zip(found, torch.autograd.grad(expected, [features, prototypes]), strict=True):
        torch.testing.assert_close(gradient, known)


# Neighbours.


@pytest.mark.parametrize("temperature", [0.5, 2.0])
@pytest.mark.parametrize("balance", [0.0, 3.0])
@pytest.mark.parametrize(("neighbours", "strangers", "partners"), [(0, 0, 1), (1, 0, 2), (3, 2, 4)])
def test_neighbours_of_two_kinds_that_lie_on_their_centres(
    temperature: float, balance: float, neighbours: int, strangers: int, partners: int
) -> None:
    """Four images, two of a kind: an image is its own partner, then its like is, then the two of the other kind."""
    objective = Neighbours(2, clusters=2, neighbours=neighbours, temperature=temperature, balance=balance).double()
    objective.centres.data = 5 * matrix([1, 1], [-1, -1])
    kinds = torch.tensor([1.0, -1.0, 1.0, -1.0], dtype=torch.float64)
    features = 100 * kinds.repeat(2)[:, None] * torch.ones(2) + 700  # all on one side until they are standardised
    sure = 1 / (1 + math.exp(-2 / temperature))
    alike, unlike = math.log(sure**2 + (1 - sure) ** 2), math.log(2 * sure * (1 - sure))
    expected = -((partners - strangers) * alike + strangers * unlike) / partners - balance * math.log(2)
    assert objective.train()(seen(features, views=2)).item() == pytest.approx(expected, rel=1e-6)


def test_neighbours_are_those_of_the_first_view_and_partners_are_in_the_second() -> None:
    """Images at angles between two centres, at 0 and 90 degrees; in the second view other ones would be nearest."""
    objective = Neighbours(2, clusters=2, neighbours=1, temperature=0.5, balance=3.0).double().eval()
    objective.centres.data = torch.eye(2).double()
    angles = np.deg2rad([[0, 30, 90], [0, 90, 70]])
    unit = np.stack([np.cos(angles), np.sin(angles)], 2)
    first, second = probable = np.exp(unit / 0.5) / np.exp(unit / 0.5).sum(2, keepdims=True)
    itself, nearest = [(0, 0), (1, 1), (2, 2)], [(0, 1), (1, 0), (2, 1)]
    agreement = np.mean([np.log(first[i] @ second[j]) for i, j in itself + nearest])
    mean = probable.mean((0, 1))
    expected = -agreement + 3 * (mean * np.log(mean)).sum()
    assert objective(seen(torch.from_numpy(unit).flatten(0, 1), views=2)).item() == pytest.approx(expected)


# Cross-entropy.


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_cross_entropy_is_averaged_over_labelled_images_with_the_target_smoothed(smoothing: float) -> None:
    """Said are a half and two quarters: right is ln 2 and ln 4, and spread over all classes is 5/3 ln 2 each time."""
    logits = matrix([2, 1, 1], [0, 9, 0], [2, 1, 1], [9, 0, 0]).log().requires_grad_()
    step = Step(*3 * (torch.zeros(4, *SHAPE),), logits=logits, labels=torch.tensor([0, -1, 1, -1]))
    logits.data.clamp_(min=-50)
    value = CrossEntropy(3, smoothing=smoothing)(step)
    assert value.item() == pytest.approx(((1 - smoothing) * 3 / 2 + smoothing * 5 / 3) * math.log(2))
    value.backward()
    assert logits.grad is not None
    assert not logits.grad[1::2].any(), "images without a label teach nothing"
    target = (1 - smoothing) * matrix([1, 0, 0], [0, 1, 0]) + smoothing / 3
    torch.testing.assert_close(logits.grad[::2], (matrix([0.5, 0.25, 0.25]) - target) / 2)


# Poses: canonical images are read off the features, pixel by pixel.


def decoding_pixels(objective: Posed) -> Posed:
    """Whose code is the features themselves, and whose decoder lays it out as an image."""
    objective.code, objective.decoder = nn.Identity(), nn.Unflatten(1, SHAPE)  # type: ignore[assignment]
    return objective


def moved(image: Tensor, flip: int, turns: int) -> Array:
    """First mirrored, then turned counter-clockwise by quarters: an element as the package numbers it."""
    array: Array = image.numpy()
    return np.rot90(array[..., ::-1] if flip else array, turns, (-2, -1)).copy()


HALF_TURNS = [(0, 0), (0, 2)]
QUARTERS = [(0, turns) for turns in range(4)]
ALL = [(flip, turns) for flip in range(2) for turns in range(4)]
every_minimum = pytest.mark.parametrize(
    ("group", "over", "elements"),
    [(D4, None, ALL), (D4, "C4", QUARTERS), (D4, "C2", HALF_TURNS), (D4, "C1", [(0, 0)]), (C4, None, QUARTERS),
     (C4, "D4", ALL)],
)  # fmt: skip


def searched(canonical: Tensor, images: Tensor, elements: list[tuple[int, int]]) -> float:
    """Mean of the least mean squared errors, one image and one element after the other."""
    return float(
        np.mean(
            [
                min(np.mean((moved(c, *e) - x.numpy()) ** 2) for e in elements)
                for c, x in zip(canonical, images, strict=True)
            ]
        )
    )


def in_every_pose(canonical: Tensor) -> Tensor:
    """Eight images in the eight poses of a square, with noise of a tenth, so that the best pose is known."""
    placed = [moved(image, *element) for image, element in zip(canonical, ALL, strict=True)]
    return torch.from_numpy(np.stack(placed)) + 0.1 * draw(*canonical.shape, seed=1)


@every_minimum
def test_an_image_is_compared_in_the_best_pose_of_the_group_that_was_asked_for(
    group: Group, over: str | None, elements: list[tuple[int, int]]
) -> None:
    objective = decoding_pixels(AlignedReconstruction(group, 1, 4, SHAPE, alignment="minimum", over=over, **SMALL))
    canonical = draw(8, *SHAPE)
    images = in_every_pose(canonical)
    expected = searched(canonical, images, elements)
    assert objective(seen(canonical.flatten(1), images)).item() == pytest.approx(expected)
    assert expected < 0.05 if elements == ALL else expected > 0.3  # or the groups would not be told apart


@every_minimum
def test_the_error_of_a_posterior_is_that_of_the_best_pose_of_the_group_that_was_asked_for(
    group: Group, over: str | None, elements: list[tuple[int, int]]
) -> None:
    objective = decoding_pixels(Variational(group, 4, SHAPE, noise=0.3, over=over, **SMALL)).eval()
    canonical = draw(8, *SHAPE)
    images = in_every_pose(canonical)
    divergence = canonical.square().flatten(1).sum(1).mean().item() / 2  # of unit variance
    expected = searched(canonical, images, elements) + 2 * 0.3**2 * divergence / PIXELS
    features = torch.cat([canonical.flatten(1), torch.zeros(8, PIXELS)], 1)
    assert objective(seen(features, images)).item() == pytest.approx(expected)


def posed(elements: Tensor, lengths: float = 1.0) -> Tensor:
    """V of one channel whose only score, of the given length, stands in the row of an element of D4."""
    return lengths * nn.functional.one_hot(elements, 8).double()[..., None]


def by_pose() -> AlignedReconstruction:
    """The scores of whose poses are V itself."""
    objective = decoding_pixels(AlignedReconstruction(D4, 1, 4, SHAPE, **SMALL))
    assert objective.pose is not None
    objective.pose.double().score = nn.Identity()  # type: ignore[assignment]
    return objective


def test_an_image_is_compared_in_the_pose_that_its_scores_point_to() -> None:
    canonical = draw(8, *SHAPE)
    images = in_every_pose(canonical)
    step = seen(canonical.flatten(1), images)
    right, wrong = posed(torch.arange(8)), posed(torch.zeros(8).long())
    assert by_pose()(step._replace(embedding=right)).item() == pytest.approx(searched(canonical, images, ALL))
    assert by_pose()(step._replace(embedding=wrong)).item() == pytest.approx(searched(canonical, images, [(0, 0)]))


def test_the_mirroring_that_was_not_chosen_is_told_what_it_would_have_been_worth() -> None:
    """Straight-through: the value is that of the longer vector's image, the gradient that of a softmax of lengths."""
    canonical, images = draw(1, *SHAPE), draw(1, *SHAPE, seed=1)
    longer, shorter = 2.0, 1.5
    embedding = (posed(torch.tensor([0]), longer) + posed(torch.tensor([4]), shorter)).requires_grad_()
    value = by_pose()(seen(canonical.flatten(1), images)._replace(embedding=embedding))
    assert value.item() == pytest.approx((canonical - images).square().mean().item())
    value.backward()
    assert embedding.grad is not None
    share = 1 / (1 + math.exp(shorter - longer))
    worth = (2 * (canonical - images) * (canonical - canonical.flip(-1))).mean().item()
    slope = share * (1 - share) * worth
    assert embedding.grad[0, [0, 4], 0].tolist() == pytest.approx([slope, -slope], rel=1e-3)


# A posterior: the first half of a code is its mean, the second the logarithm of its variance.


class Brightness(nn.Module):
    """Images as bright as the first number of a code; what was decoded is kept."""

    def forward(self, code: Tensor) -> Tensor:
        self.decoded = code.detach()
        return code[:, 0].view(-1, 1, 1, 1).expand(-1, *SHAPE)


def bright(noise: float) -> tuple[Variational, Brightness]:
    objective, decoder = Variational(D4, 4, SHAPE, noise=noise, **SMALL), Brightness()
    objective.code, objective.decoder = nn.Identity(), decoder  # type: ignore[assignment]
    return objective, decoder


@pytest.mark.parametrize("noise", [0.1, 0.3, 3.0])
def test_a_posterior_costs_its_error_and_its_divergence_in_units_of_a_pixel(noise: float) -> None:
    mean, log_variance = matrix([0.5, 2], [1, -1]), matrix([0, math.log(4)], [math.log(0.5), 0])
    images = torch.tensor([0.25, 0.0]).double().view(-1, 1, 1, 1).expand(-1, *SHAPE)
    error = (0.25**2 + 1) / 2
    # Half of μ² + σ² − 1 − log σ², coordinate by coordinate.
    first, second = 0.25 / 2 + (4 + 4 - 1 - math.log(4)) / 2, (1 + 0.5 - 1 + math.log(2)) / 2 + 1 / 2
    expected = error + 2 * noise**2 * (first + second) / 2 / PIXELS
    objective, decoder = bright(noise)
    assert objective.eval()(seen(torch.cat([mean, log_variance], 1), images)).item() == pytest.approx(expected)
    assert torch.equal(decoder.decoded, mean)


def test_codes_are_drawn_in_training_with_the_mean_and_deviation_of_the_posterior() -> None:
    torch.manual_seed(0)
    objective, decoder = bright(0.1)
    variance = torch.tensor([0.25, 9.0])
    features = torch.cat([torch.tensor([2.0, -1.0]), variance.log()]).expand(20_000, -1)
    objective.train()(seen(features, torch.zeros(20_000, *SHAPE)))
    torch.testing.assert_close(decoder.decoded.mean(0), torch.tensor([2.0, -1.0]), rtol=0, atol=0.1)
    torch.testing.assert_close(decoder.decoded.std(0), variance.sqrt(), rtol=0.02, atol=0)
    assert abs(torch.corrcoef(decoder.decoded.T)[0, 1]) < 0.03


def test_what_a_draw_costs_reaches_the_mean_and_the_variance_it_was_drawn_with() -> None:
    torch.manual_seed(0)
    objective, decoder = bright(0.5)
    mean, log_variance = draw(6, 1).requires_grad_(), draw(6, 1, seed=1).requires_grad_()
    images = draw(6, 1, 1, 1, seed=2).expand(-1, *SHAPE)
    objective.train()(seen(torch.cat([mean, log_variance], 1), images)).backward()
    missed, prior = 2 * (decoder.decoded - images[:, 0, 0, :1]) / 6, 2 * 0.5**2 / PIXELS / 6
    assert mean.grad is not None
    assert log_variance.grad is not None
    torch.testing.assert_close(mean.grad, missed + prior * mean.detach())
    deviation = (decoder.decoded - mean.detach()) / 2  # by which a draw moves with the logarithm of its variance
    torch.testing.assert_close(log_variance.grad, missed * deviation + prior * (log_variance.detach().exp() - 1) / 2)


def test_variances_are_bounded_where_exponentials_would_overflow() -> None:
    objective, _ = bright(0.1)
    images = torch.zeros(1, *SHAPE).double()
    for bound in (10.0, -10.0):
        beyond, at = (objective.eval()(seen(matrix([0, size * bound]), images)) for size in (90, 1))
        assert beyond == at
        assert at.item() == pytest.approx(2 * 0.1**2 * (math.exp(bound) - 1 - bound) / 2 / PIXELS)


def test_the_prior_pulls_back_a_variance_that_has_left_its_bounds() -> None:
    given = torch.tensor([-12.0, 0.5, 12.0], dtype=torch.float64, requires_grad=True)
    assert torch.equal(bounded(given), torch.tensor([-10.0, 0.5, 10.0]).double())
    divergence(torch.zeros(1, 3).double(), bounded(given)[None]).sum().backward()
    assert given.grad is not None
    assert given.grad.tolist() == pytest.approx([(math.exp(at) - 1) / 2 for at in (-10, 0.5, 10)])


@pytest.mark.parametrize("name", ["contrastive", "vicreg", "prototypes", "neighbours"])
def test_the_spread_is_near_one_where_images_differ_and_nothing_where_they_are_one(name: str) -> None:
    torch.manual_seed(0)
    objective = build_objective(name, Subject(D4, 3, 6, SHAPE, 4), {}).double()
    features = draw(64, 6)
    found, of_one = objective.spread(features), objective.spread(features[:1].expand(64, 6))
    assert found is not None
    assert of_one is not None
    assert 0.1 < found < 2
    assert of_one < 1e-6
    assert Objective().spread(features) is None


def test_the_spread_of_vicreg_is_the_deviation_it_asks_for() -> None:
    objective = bare(VICReg(2))
    assert objective.spread(matrix([3, 0], [-3, 0])) == pytest.approx(1.5)
