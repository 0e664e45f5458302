"""Signed root, unit length, principal axes and whitening of any head's features."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from torch import Tensor

from eqae.data.base import Images
from eqae.errors import ConfigError
from eqae.groups import D4
from eqae.heads import Head, build_head
from eqae.heads.fitting import fit_heads
from eqae.heads.postprocessing import FLOOR, PostProcessed
from eqae.models import Autoencoder, build_model
from eqae.registry import HEADS
from eqae.testing import check_head, randomize

every_head = pytest.mark.parametrize("name", HEADS.names())
STEPS = (["signed_root"], ["l2"], ["pca"], ["whiten"], ["signed_root", "l2", "whiten"], ["whiten", "signed_root", "l2"])
every_chain = pytest.mark.parametrize("post", STEPS, ids="-".join)


@pytest.fixture(scope="module")
def model() -> Autoencoder:
    torch.manual_seed(0)
    built = build_model("eqae", (1, 12, 12), {"group": "D4", "fields": [2], "code": 3, "attention": 4})
    return randomize(built).eval()  # type: ignore[return-value]


def v_of(images: int, seed: int = 0) -> Tensor:
    return torch.randn(images, 8, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + 0.3


def fitted(name: str, model: Autoencoder, **options: Any) -> Head:
    head = build_head(name, model, options)
    if head.needs_fit:
        head.fit(v_of(300, seed=1).float())
    return head


# --- the steps ------------------------------------------------------------------------------------------------


def test_the_signed_root_keeps_signs_and_squares_back(model: Autoencoder) -> None:
    v = v_of(20)
    rooted, plain = (fitted("gram", model, **o).double()(v) for o in ({"post": ["signed_root"]}, {}))
    torch.testing.assert_close(rooted.sign() * rooted.square(), plain, rtol=1e-3, atol=1e-5)


def test_unit_length_is_one(model: Autoencoder) -> None:
    for post in (["l2"], ["signed_root", "l2"]):
        features = fitted("correlation", model, post=post).double()(v_of(20))
        torch.testing.assert_close(features.norm(dim=1), torch.ones(20, dtype=torch.float64))


@pytest.mark.parametrize("components", [1, 4, 6])
def test_principal_axes_are_those_of_scikit_learn(model: Autoencoder, components: int) -> None:
    train, test = v_of(300, seed=1).float(), v_of(40)
    head = fitted("gram", model, post=["pca"], components=components).double()
    plain = build_head("gram", model, {})
    reference = PCA(components, svd_solver="full").fit(plain(train).double().numpy())
    np.testing.assert_allclose(head(test).numpy(), reference.transform(plain(test).numpy()), atol=1e-5, rtol=1e-5)


def test_whitened_training_features_are_uncorrelated_and_of_variance_one(model: Autoencoder) -> None:
    head = fitted("correlation", model, post=["whiten"], components=20).double()
    features = head(v_of(300, seed=1).float().double())
    torch.testing.assert_close(features.mean(0), torch.zeros(20, dtype=torch.float64), atol=1e-4, rtol=0)
    torch.testing.assert_close(features.T.cov(), torch.eye(20, dtype=torch.float64), atol=1e-3, rtol=0)


def test_whitening_does_not_blow_up_what_does_not_vary(model: Autoencoder) -> None:
    flat = 1 + 1e-9 * v_of(50)
    head = build_head("mean", model, {"post": ["whiten"]}).double()
    head.fit(torch.ones(50, 8, 3, dtype=torch.float64))
    assert torch.equal(head(flat), torch.zeros(50, 3, dtype=torch.float64))
    narrow = v_of(50)
    narrow[..., 0] = narrow[..., 1] + 1e-9 * narrow[..., 0]  # one axis far below the floor
    head = build_head("mean", model, {"post": ["whiten"]}).double()
    head.fit(narrow)
    deviations = head(narrow).std(0)
    assert deviations[:2].sub(1).abs().max() < 1e-3
    assert deviations[2] < FLOOR**0.5


def test_blocks_do_not_matter_to_the_fit(model: Autoencoder, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = fitted("gram", model, post=["whiten"])
    monkeypatch.setattr("eqae.heads.postprocessing.FIT_BLOCK", 7)
    parts = fitted("gram", model, post=["whiten"])
    torch.testing.assert_close(whole(v_of(9).float()), parts(v_of(9).float()), rtol=1e-4, atol=1e-4)


# --- as heads -------------------------------------------------------------------------------------------------


@every_head
@every_chain
def test_every_head_keeps_the_contract_under_every_step(name: str, post: list[str], model: Autoencoder) -> None:
    components = None if set(post) == {"signed_root"} or post == ["l2"] else 3
    check_head(fitted(name, model, post=post, components=components))


@every_chain
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_dead_embedding_has_finite_features_and_gradients(
    post: list[str], dtype: torch.dtype, model: Autoencoder
) -> None:
    head = fitted("selective_bispectrum", model, post=post).to(dtype)
    v = torch.zeros(3, 8, 3, dtype=dtype, requires_grad=True)
    features = head(v)
    (gradient,) = torch.autograd.grad(features.sum(), v)
    assert features.isfinite().all()
    assert gradient.isfinite().all()


def test_names_and_losses_follow_the_steps(model: Autoencoder) -> None:
    head = fitted("gram", model, post=["signed_root", "l2", "pca"], components=2)
    assert head.feature_names() == ["pca_0", "pca_1"]
    assert head.complete_up_to == (
        "an orthogonal mixing of the rows, the length of the features, all but 2 of their 6 principal axes"
    )
    assert fitted("gram", model, post=["l2"]).feature_names() == build_head("gram", model, {}).feature_names()
    assert not isinstance(build_head("gram", model, {"post": []}), PostProcessed)


def test_components_are_256_or_all_that_there_are(model: Autoencoder) -> None:
    assert build_head("gram", model, {"post": ["whiten"]}).width == 6
    wide = build_model("eqae", (1, 12, 12), {"group": "D4", "fields": [2], "code": 32})
    assert build_head("gram", wide, {"post": ["whiten"]}).width == 256


def test_an_unfitted_head_says_how_to_fit_it(model: Autoencoder) -> None:
    head = build_head("gram", model, {"post": ["pca"]})
    assert head.needs_fit
    with pytest.raises(ConfigError, match=r"not been fitted.*\n.*name it in the config"):
        head(v_of(2).float())


def test_fitting_looks_at_images_block_by_block_and_leaves_the_model_as_it_was(model: Autoencoder) -> None:
    images = Images(torch.rand(70, 1, 12, 12, generator=torch.Generator().manual_seed(0)), torch.zeros(70).long())
    head, plain = (build_head("gram", model, {"post": ["pca"]}), build_head("mean", model, {}))
    before = copy.deepcopy(model.state_dict())
    fit_heads([head, plain], model, images)
    assert not head.needs_fit
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    torch.testing.assert_close(
        head(model.encode(images.pixels)).mean(0), torch.zeros(6), atol=1e-4 * float(head.statistics()["mean"].norm()),
        rtol=0,
    )  # fmt: skip
    assert all(module.training is False for module in model.modules())


class Learned(Head):
    """A user's head whose direction is learned by gradients."""

    def __init__(self, model: Autoencoder) -> None:
        super().__init__(model.group, model.channels, 1)
        self.direction = torch.nn.Parameter(torch.ones(model.channels))
        self.needs_fit = True

    def forward(self, embedding: Tensor) -> Tensor:
        return (embedding.mean(1) @ self.direction)[:, None]

    def fit(self, embedding: Tensor) -> None:
        optimizer = torch.optim.SGD([self.direction], 0.1)
        self(embedding).var().neg().backward()
        optimizer.step()
        self.needs_fit = False


def images_of(count: int) -> Images:
    pixels = torch.rand(count, 1, 12, 12, generator=torch.Generator().manual_seed(0))
    return Images(pixels, torch.zeros(count).long())


def test_a_head_may_learn_by_gradients(model: Autoencoder) -> None:
    head = Learned(model)
    with torch.inference_mode():
        fit_heads([head], model, images_of(40))
    assert not torch.equal(head.direction.detach(), torch.ones(3))
    assert not head.needs_fit


def test_what_a_head_learned_by_gradients_can_be_restored(model: Autoencoder) -> None:
    learned, fresh = Learned(model), Learned(model)
    fit_heads([learned], model, images_of(40))
    for head in (learned, fresh):
        head.statistics = lambda head=head: {"direction": head.direction}  # type: ignore[method-assign, misc]
    fresh.restore(learned.statistics())
    assert torch.equal(fresh.direction, learned.direction)
    assert fresh.direction.requires_grad


@pytest.mark.parametrize("breaks", [False, True])
def test_the_model_comes_back_to_the_cpu_outside_inference_mode(
    model: Autoencoder, monkeypatch: pytest.MonkeyPatch, breaks: bool
) -> None:
    # Parameters that move to another device under inference mode can never be trained again.
    moved: list[bool] = []
    monkeypatch.setattr(model, "to", lambda device: moved.append(torch.is_inference_mode_enabled()) or model)
    monkeypatch.setattr(model, "cpu", lambda: moved.append(torch.is_inference_mode_enabled()) or model)
    head = build_head("gram", model, {"post": ["pca"]})
    if breaks:
        monkeypatch.setattr(model, "encode", lambda images: images.reshape(0))
        with pytest.raises(RuntimeError, match="invalid for input"):
            fit_heads([head], model, images_of(40))
    else:
        fit_heads([head], model, images_of(40))
    assert head.needs_fit == breaks
    assert moved == [False, False]


# --- options --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"post": ["whiten", "pca"]}, r"head\.post: .*one of whiten and pca"),
        ({"post": ["l2", "l2"]}, r"head\.post: .*each step once"),
        ({"post": ["square"]}, r"head\.post: .*'signed_root', 'l2'"),
        ({"post": "l2"}, r"head\.post"),
        ({"post": ["l2"], "components": 3}, r"head\.components: .*\n.*add whiten or pca"),
        ({"components": 3}, r"head\.components"),
        ({"post": ["pca"], "components": 7}, r"head\.components: 7; expected at most 6"),
        ({"post": ["pca"], "components": 0}, r"head\.components"),
        ({"post": ["l2"], "band": 0}, r"head\.band"),
    ],
)
def test_impossible_steps_are_refused(model: Autoencoder, options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        build_head("gram", model, options)


def test_features_too_many_for_a_covariance_are_refused() -> None:
    wide = build_model("eqae", (1, 12, 12), {"group": "D4", "fields": [2], "code": 60})
    with pytest.raises(ConfigError, match=r"whiten of 14,\d+ features; expected at most 8,192"):
        build_head("correlation", wide, {"post": ["whiten"]})


def test_a_bare_head_of_the_same_group_is_not_changed_by_an_empty_list(model: Autoencoder) -> None:
    assert build_head("gram", model, {"post": [], "components": None}).state_dict() == {}
    assert build_head("gram", model, {"post": ["l2"]}).group == D4
