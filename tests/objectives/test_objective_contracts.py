"""What every registered objective keeps, for every kind of group, and what each one is at points where it is known."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import entropy
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from eqae.data.transforms import rotate
from eqae.errors import ConfigError
from eqae.groups import D4, get_group
from eqae.models.base import Reconstruction
from eqae.objectives import Objective, Step, Subject, build_objective
from eqae.objectives.alignment import PredictedPose, least_error, orbit, soft_angle
from eqae.objectives.attention_entropy import AttentionEntropy
from eqae.objectives.contrastive import nt_xent
from eqae.objectives.cross_entropy import CrossEntropy
from eqae.objectives.neighbours import Neighbours, nearest
from eqae.objectives.prototypes import balanced_assignment
from eqae.objectives.reconstruction import PixelReconstruction
from eqae.objectives.variational import divergence
from eqae.objectives.vicreg import VICReg, squared_covariances, variance_hinge
from eqae.registry import OBJECTIVES
from eqae.testing import check_objective, randomize

CHANNELS, CLASSES, SIDE = 5, 3, 12
OPTIONS: dict[str, dict[str, Any]] = {
    "aligned_reconstruction": {"code": 4, "fields": [3, 4]},
    "variational": {"code": 4, "fields": [3, 4]},
    "prototypes": {"count": 6},
}
every_objective = pytest.mark.parametrize("name", OBJECTIVES.names())
every_group = pytest.mark.parametrize("group", ["C4", "D4", "D12"])


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def subject(group: str = "D4") -> Subject:
    return Subject(get_group(group), CHANNELS, 2 * CHANNELS, (1, SIDE, SIDE), CLASSES)


def built(name: str, group: str = "D4", **options: Any) -> Objective:
    """In float64, with weights that are no one's initial ones."""
    torch.manual_seed(0)
    objective = build_objective(name, subject(group), OPTIONS.get(name, {}) | options).double()
    randomize(objective)
    return objective


def step_of(images: Tensor, embedding: Tensor, objective: Objective, labels: Tensor | None = None) -> Step:
    """A step whose features, logits, weights and reconstruction are simple functions of V."""
    views = objective.views
    logits = embedding.mean(1)[:, :CLASSES]
    rebuilt = images + 0.1 * embedding.mean((1, 2)).view(-1, 1, 1, 1)
    return Step(
        images, images, embedding, torch.cat([embedding.mean(1), embedding.amax(1)], 1),
        Reconstruction(rebuilt, embedding, embedding.sum(2).softmax(1)), logits,
        torch.arange(len(images)) % CLASSES if labels is None else labels, views,
    )  # fmt: skip


def test_a_loss_of_each_view_by_itself_looks_at_both() -> None:
    of = subject()
    check_objective(build_objective("vicreg", of, {"invariance": 0.0}), of)


@every_objective
@every_group
def test_every_objective_keeps_the_contract(name: str, group: str) -> None:
    of = subject(group)
    torch.manual_seed(0)
    errors = check_objective(build_objective(name, of, OPTIONS.get(name, {})), of)
    assert len(errors) == len(of.group.exact_elements) - 1


class SeesPoses(Objective):
    """The brightness of the upper half: it changes as an image turns."""

    def forward(self, step: Step) -> Tensor:
        return (step.images[:, :, : SIDE // 2].mean((1, 2, 3)) * step.embedding.mean((1, 2))).mean()


class FirstImages(Objective):
    """The first image alone: who it is depends on the order."""

    def forward(self, step: Step) -> Tensor:
        return step.embedding[0].mean()


class Deaf(Objective):
    """Nothing that could be learned from."""

    def forward(self, step: Step) -> Tensor:
        return 0 * step.embedding.sum()


class Elsewhere(Objective):
    """Looks at the images alone."""

    def forward(self, step: Step) -> Tensor:
        return step.images.square().mean()


class Idle(Objective):
    """Learns a matrix that it does not use."""

    def __init__(self) -> None:
        super().__init__()
        self.matrix = torch.nn.Parameter(torch.ones(2, 2))

    def forward(self, step: Step) -> Tensor:
        return step.embedding.mean()


class Spread(Objective):
    """Compares images, and does not say so."""

    def forward(self, step: Step) -> Tensor:
        return step.embedding.mean((1, 2)).var()


class Undeclared(Objective):
    """Reads features that it does not say it needs."""

    def forward(self, step: Step) -> Tensor:
        assert step.features is not None
        return step.features.mean()


class OneView(Objective):
    """Takes halves of the batch for views, which it does not ask for."""

    compares_images = True

    def forward(self, step: Step) -> Tensor:
        first, second = step.embedding.chunk(2)
        return (first - second).square().mean()


class HalfBlind(Objective):
    """Asks for two views and looks at the first."""

    views = 2

    def forward(self, step: Step) -> Tensor:
        return step.embedding.chunk(2)[0].square().mean()


class Crowded(Objective):
    """Needs two images for a variance."""

    compares_images = True

    def forward(self, step: Step) -> Tensor:
        return step.embedding.mean((1, 2)).var() if len(step.embedding) > 1 else step.embedding.sum() / 0


class Kinked(Objective):
    """The root of a distance, whose slope is infinite where views are the same."""

    views = 2

    def forward(self, step: Step) -> Tensor:
        first, second = step.embedding.flatten(1).chunk(2)
        return (first - second).square().sum(1).sqrt().mean()


class Normalized(Objective):
    """Standardises over the batch in training alone, and does not say so."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = torch.nn.BatchNorm1d(CHANNELS)

    def forward(self, step: Step) -> Tensor:
        return self.norm(step.embedding.mean(1)).square().square().mean()


class Number(Objective):
    """Python's own number."""

    def forward(self, step: Step) -> Tensor:
        return step.embedding.sum().item()  # type: ignore[return-value]


class Misspelt(Objective):
    """Needs what no step has."""

    needs = frozenset({"feature"})  # type: ignore[assignment,arg-type]

    def forward(self, step: Step) -> Tensor:
        return step.embedding.mean()


@pytest.mark.parametrize(
    ("objective", "message"),
    [
        (OneView(), "order"),
        (HalfBlind(), "each"),
        (Crowded(), "one image"),
        (Kinked(), "same"),
        (Normalized(), "compares_images"),
        (Number(), "float"),
        (SeesPoses(), "turn 90"),
        (FirstImages(), "order"),
        (Deaf(), "gradient of V is zero"),
        (Elsewhere(), "depends neither on V"),
        (Idle(), "depend on matrix"),
        (Spread(), "compares_images"),
        (Undeclared(), None),
    ],
)
def test_the_contract_tells_a_broken_objective(objective: Objective, message: str | None) -> None:
    with pytest.raises(AssertionError, match=message):
        check_objective(objective, subject())


@pytest.mark.parametrize("name", ["aligned_reconstruction", "variational"])
def test_features_of_one_image_cannot_be_standardised(name: str) -> None:
    objective = built(name)
    objective.check(batch_size=32, images=2)
    with pytest.raises(ConfigError, match=f"objective.{name}: 1 image a step; expected at least 2"):
        objective.check(batch_size=32, images=1)


def test_a_need_that_no_step_has_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"feature'.*decoder, features, classifier, labels"):
        check_objective(Misspelt(), subject())


def test_reconstruction_is_the_mean_squared_error() -> None:
    images, embedding = draw(3, 1, 4, 4), draw(3, 8, 2)
    step = Step(images, images, embedding, reconstruction=Reconstruction(images, embedding))
    assert PixelReconstruction()(step) == 0
    off = step._replace(reconstruction=Reconstruction(images + 0.5, embedding))
    assert PixelReconstruction()(off).item() == pytest.approx(0.25)


def entropy_of(weights: Tensor) -> Tensor:
    images, embedding = draw(len(weights), 1, 2, 2), draw(len(weights), 8, 3)
    value: Tensor = AttentionEntropy()(
        Step(images, images, embedding, reconstruction=Reconstruction(images, embedding, weights))
    )
    return value


def test_attention_entropy_agrees_with_scipy() -> None:
    weights = (4 * draw(20, 8)).softmax(1)
    assert entropy_of(weights).item() == pytest.approx(entropy(weights.numpy(), axis=1).mean())


def test_attention_entropy_has_a_finite_gradient_at_certainty() -> None:
    weights = torch.eye(8, requires_grad=True)
    value = entropy_of(weights)
    value.backward()
    assert value == 0
    assert weights.grad is not None
    assert weights.grad.isfinite().all()


def test_attention_entropy_is_highest_for_uniform_weights() -> None:
    assert entropy_of(torch.full((2, 8), 1 / 8)).item() == pytest.approx(math.log(8), abs=1e-6)


def test_attention_entropy_needs_a_model_with_attention() -> None:
    images, embedding = draw(2, 1, 4, 4), draw(2, 8, 3)
    with pytest.raises(ConfigError, match=r"model\.attention"):
        AttentionEntropy()(Step(images, images, embedding, reconstruction=Reconstruction(images, embedding)))


def test_nt_xent_agrees_with_its_definition() -> None:
    z, temperature = draw(10, 4) - 0.5, 0.3
    unit = (z / z.norm(dim=1, keepdim=True)).numpy()
    scores = np.exp(unit @ unit.T / temperature)
    losses = []
    for i in range(10):
        others = sum(scores[i, k] for k in range(10) if k != i)
        losses.append(-math.log(scores[i, (i + 5) % 10] / others))
    assert nt_xent(z, temperature).item() == pytest.approx(np.mean(losses))


def test_nt_xent_of_views_that_agree_and_images_at_right_angles() -> None:
    z = torch.eye(4, dtype=torch.float64).repeat(2, 1)
    assert nt_xent(z, 0.5).item() == pytest.approx(math.log(1 + 6 * math.exp(-2)))
    assert nt_xent(7 * z, 0.5).item() == pytest.approx(math.log(1 + 6 * math.exp(-2)))


def test_vicreg_terms_agree_with_numpy() -> None:
    z = 3 * draw(20, 4)
    covariance = np.cov(z.numpy().T)
    off = covariance - np.diag(np.diag(covariance))
    assert squared_covariances(z).item() == pytest.approx((off**2).sum() / 4)
    hinge = np.maximum(0, 1 - np.sqrt(np.diag(covariance) + 1e-4)).mean()
    assert variance_hinge(z).item() == pytest.approx(hinge)


def test_vicreg_is_nothing_where_views_agree_and_coordinates_are_independent() -> None:
    signs = torch.tensor([[a, b] for a in (-1.0, 1.0) for b in (-1.0, 1.0)], dtype=torch.float64)
    assert variance_hinge(signs) == 0
    assert squared_covariances(signs) == 0
    objective = built("vicreg", invariance=1.0, variance=0.0, covariance=0.0).eval()
    assert isinstance(objective, VICReg)
    embedding = draw(4, 8, CHANNELS).repeat(2, 1, 1)
    assert objective(step_of(draw(8, 1, SIDE, SIDE), embedding, objective)) == 0


def test_assignments_are_balanced_and_those_of_equal_scores_uniform() -> None:
    assigned = balanced_assignment(draw(60, 4) - 0.5, 0.5)
    torch.testing.assert_close(assigned.sum(1), torch.ones(60, dtype=torch.float64))
    torch.testing.assert_close(assigned.sum(0), torch.full((4,), 15.0, dtype=torch.float64), rtol=0.02, atol=0)
    torch.testing.assert_close(
        balanced_assignment(torch.zeros(8, 4), 0.05), torch.full((8, 4), 0.25), rtol=1e-6, atol=1e-6
    )


def test_assignments_agree_with_the_alternation_on_exponentials() -> None:
    scores = draw(6, 3)
    matrix = np.exp(scores.numpy() / 0.2)
    for _ in range(3):
        matrix *= 2 / matrix.sum(axis=0)
        matrix /= matrix.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(balanced_assignment(scores, 0.2).numpy(), matrix, rtol=1e-9)


def test_assignments_to_prototypes_do_not_all_go_to_one_that_is_nearest_to_all() -> None:
    scores = 0.05 * draw(64, 4)
    scores[:, 0] += 0.9
    assert balanced_assignment(scores, 0.05).argmax(1).bincount(minlength=4).min() > 4


@every_group
def test_the_least_error_over_the_group_is_zero_for_a_turned_copy_and_agrees_with_a_search(group: str) -> None:
    g = get_group(group)
    canonical = draw(4, 1, SIDE, SIDE)
    turned = torch.stack([g.act(g.exact_elements[k % 4], image) for k, image in enumerate(canonical)])
    assert least_error(canonical, turned, g).item() < 1e-20
    others = draw(4, 1, SIDE, SIDE, seed=1)
    found = [
        min(float((g.act(e, x) - y).square().mean()) for e in g.exact_elements)
        for x, y in zip(canonical, others, strict=True)
    ]
    least = least_error(canonical, others, g).item()
    assert least <= np.mean(found) + 1e-12  # other turns may do better
    if g.is_lattice:
        assert least == pytest.approx(np.mean(found))


def test_off_the_lattice_too_it_is_the_least_error_of_the_moved_canonical_image() -> None:
    group = get_group("D12")
    canonical, images = draw(6, 1, SIDE, SIDE).requires_grad_(), draw(6, 1, SIDE, SIDE, seed=1)
    errors = (orbit(canonical, group) - images.unsqueeze(1)).square().mean((2, 3, 4))
    nearest = errors.argmin(1)
    assert set(nearest.tolist()) - set(group.exact_elements)  # or nothing is shown
    least = least_error(canonical, images, group)
    torch.testing.assert_close(least, errors.amin(1).mean())
    (ours,) = torch.autograd.grad(least, canonical, retain_graph=True)
    (theirs,) = torch.autograd.grad(errors.amin(1).mean(), canonical)
    torch.testing.assert_close(ours, theirs)


def test_no_pose_wins_for_its_blur() -> None:
    group = get_group("D12")
    images = draw(200, 1, 28, 28)
    flat = images.mean((2, 3), keepdim=True).expand_as(images)  # which looks the same in every pose
    errors = (orbit(flat, group) - images.unsqueeze(1)).square().mean((2, 3, 4))
    torch.testing.assert_close(errors.amin(1), errors.amax(1))


def test_an_orbit_holds_every_turn() -> None:
    images = draw(2, 1, SIDE, SIDE)
    moved = orbit(images, D4)
    for g in range(D4.order):
        assert torch.equal(moved[:, g], D4.act(g, images))
    twelve = get_group("C12")
    torch.testing.assert_close(orbit(images, twelve)[:, 1], rotate(images, 30.0, mode="bilinear"))


def test_an_angle_has_its_own_gradient_away_from_the_centre_and_a_bounded_one_at_it() -> None:
    far = torch.tensor([[0.6, -0.8], [-3.0, 1.0]], dtype=torch.float64).T.requires_grad_()
    torch.testing.assert_close(soft_angle(*far), torch.atan2(far[1], far[0]), rtol=0, atol=0)
    (soft,) = torch.autograd.grad(soft_angle(*far).sum(), far)
    (hard,) = torch.autograd.grad(torch.atan2(far[1], far[0]).sum(), far)
    torch.testing.assert_close(soft, hard, rtol=1e-3, atol=0)
    near = (1e-9 * (draw(2, 50) - 0.5)).requires_grad_()
    (gradient,) = torch.autograd.grad(soft_angle(*near).sum(), near)
    assert gradient.abs().max() < 1e-4
    at = torch.zeros(2, 1, requires_grad=True)
    (gradient,) = torch.autograd.grad(soft_angle(*at).sum(), at)
    assert not gradient.any()


@every_group
def test_a_predicted_pose_moves_with_the_image(group: str) -> None:
    g = get_group(group)
    pose = PredictedPose(g, CHANNELS).double()
    randomize(pose)
    canonical, embedding = draw(6, 1, SIDE, SIDE), draw(6, g.order, CHANNELS, seed=1)
    placed = pose.place(canonical, embedding)
    for e in g.exact_elements:
        moved = pose.place(canonical, g.permute(e, embedding))
        torch.testing.assert_close(moved, g.act(e, placed), rtol=1e-9, atol=1e-9)


def test_a_predicted_pose_turns_by_the_angle_of_its_group_between_exact_elements() -> None:
    g = get_group("C12")
    pose = PredictedPose(g, CHANNELS).double()
    randomize(pose)
    embedding = draw(6, 12, CHANNELS)
    before, after = pose(embedding)[0], pose(g.permute(1, embedding))[0]
    turned = torch.remainder(after - before, 360)
    torch.testing.assert_close(turned, torch.full_like(turned, 30.0), rtol=1e-6, atol=1e-6)


def test_an_aligned_reconstruction_learns_a_shape_from_its_poses_alone() -> None:
    """One triangle in six poses: no single image is near all of them, a placed one is."""
    shape = torch.zeros(1, 1, SIDE, SIDE, dtype=torch.float64)
    shape[..., 2:5, 3:10] = 1
    shape[..., 5:9, 3:5] = 1
    elements = torch.arange(6)
    images = torch.cat([D4.act(int(e), shape) for e in elements])
    base = draw(1, 8, CHANNELS)
    embedding = torch.cat([D4.permute(int(e), base) for e in elements])
    best_fixed = (images - images.mean(0)).square().mean().item()
    for alignment in ("pose", "minimum"):
        objective = built("aligned_reconstruction", alignment=alignment).train()
        optimiser = torch.optim.Adam(objective.parameters(), 1e-2)
        step = step_of(images, embedding, objective)
        for _ in range(200):
            optimiser.zero_grad()
            loss = objective(step)
            loss.backward()
            optimiser.step()
        assert loss.item() < best_fixed / 10, alignment


def test_the_nearest_of_a_batch_are_those_of_a_search_and_never_the_image_itself() -> None:
    values = draw(9, 4) - 0.5
    unit = values / values.norm(dim=1, keepdim=True)
    found = nearest(unit, 3)
    for i in range(9):
        order = sorted((j for j in range(9) if j != i), key=lambda j: -float(unit[i] @ unit[j]))
        assert found[i].tolist() == order[:3]
    assert nearest(unit, 100).shape == (9, 8)


def test_clusters_of_neighbours_agree_with_their_definition() -> None:
    objective = built("neighbours", clusters=3, neighbours=2, temperature=0.5, balance=2.0).eval()
    assert isinstance(objective, Neighbours)
    embedding = draw(10, 8, CHANNELS)
    step = step_of(draw(10, 1, SIDE, SIDE, seed=1), embedding, objective)
    assert step.features is not None
    features = objective.standardised(step.features).detach().numpy()
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    centres = objective.centres.detach().numpy()
    scores = np.exp(unit @ (centres / np.linalg.norm(centres, axis=1, keepdims=True)).T / 0.5)
    p = scores / scores.sum(axis=1, keepdims=True)
    losses = []
    for i in range(5):
        near = sorted((j for j in range(5) if j != i), key=lambda j: -unit[i] @ unit[j])[:2]
        losses += [-np.log(p[i] @ p[5 + j]) for j in (i, *near)]
    mean = p.mean(axis=0)
    expected = np.mean(losses) + 2.0 * (mean * np.log(mean)).sum()
    assert objective(step).item() == pytest.approx(expected)


def test_sure_and_balanced_clusters_of_views_that_agree_cost_nothing_but_the_entropy() -> None:
    objective = built("neighbours", clusters=2, neighbours=1, temperature=0.01, balance=1.0).eval()
    assert isinstance(objective, Neighbours)
    kinds = torch.tensor([1.0, 1.0, -1.0, -1.0], dtype=torch.float64).repeat(2)
    step = Step(draw(8, 1, 2, 2), draw(8, 1, 2, 2), draw(8, 8, 5), kinds[:, None] * torch.ones(10).double(), views=2)
    objective.standardised = torch.nn.BatchNorm1d(10, affine=False).double().eval()
    objective.centres.data = torch.stack([torch.ones(10), -torch.ones(10)]).double()
    assert objective(step).item() == pytest.approx(-math.log(2))


def test_the_divergence_is_that_of_torch() -> None:
    mean, log_variance = draw(5, 3) - 0.5, 2 * draw(5, 3, seed=1) - 1
    expected = kl_divergence(Normal(mean, (log_variance / 2).exp()), Normal(torch.zeros(()), torch.ones(()))).sum(1)
    torch.testing.assert_close(divergence(mean, log_variance), expected, check_dtype=False)


def test_cross_entropy_leaves_out_images_without_a_label() -> None:
    logits = draw(6, CLASSES)
    step = Step(draw(6, 1, 2, 2), draw(6, 1, 2, 2), draw(6, 8, 3), logits=logits)
    labels = torch.tensor([0, -1, 2, -1, 1, 1])
    known = labels >= 0
    expected = -(logits.log_softmax(1)[known, labels[known]]).mean()
    torch.testing.assert_close(CrossEntropy(CLASSES)(step._replace(labels=labels)), expected)
    assert CrossEntropy(CLASSES)(step._replace(labels=torch.full((6,), -1))) == 0


def test_cross_entropy_refuses_a_classifier_of_other_classes() -> None:
    step = Step(draw(6, 1, 2, 2), draw(6, 1, 2, 2), draw(6, 8, 3), logits=draw(6, 4), labels=torch.zeros(6).long())
    with pytest.raises(ConfigError, match=r"model\.classes"):
        CrossEntropy(CLASSES)(step)


@pytest.mark.parametrize(
    ("name", "batch", "images", "message"),
    [
        ("contrastive", 4, 100, "training.batch_size"),
        ("vicreg", 4, 100, "training.batch_size"),
        ("prototypes", 128, 5, "with 5 images a step"),
        ("neighbours", 12, 100, "at most 6"),
    ],
)
def test_a_training_that_cannot_work_is_refused(name: str, batch: int, images: int, message: str) -> None:
    built(name).check(batch, 1000) if name == "prototypes" else built(name).check(64, 1000)
    with pytest.raises(ConfigError, match=message):
        built(name).check(batch, images)


@pytest.mark.parametrize("group", ["C1", "D2"])
def test_a_pose_needs_turns(group: str) -> None:
    with pytest.raises(ConfigError, match="alignment: minimum"):
        built("aligned_reconstruction", group)
    assert built("aligned_reconstruction", group, alignment="minimum", over="D4") is not None


def test_a_group_for_the_minimum_is_refused_where_the_pose_is_predicted() -> None:
    with pytest.raises(ConfigError, match="over"):
        built("aligned_reconstruction", over="D4")
