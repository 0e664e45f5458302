"""What every registered head keeps, for every group: invariance, width, names, independence of the batch."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from torch import Tensor

from eqae.errors import ConfigError
from eqae.groups import C4, D4, get_group
from eqae.heads import Head, build_head
from eqae.models import Autoencoder, build_model
from eqae.models.attention import AttentionBottleneck
from eqae.registry import GROUPS, HEADS
from eqae.testing import act_on_rows, check_head, randomize

every_head = pytest.mark.parametrize("name", HEADS.names())
OFF_LATTICE = ("C3", "C5", "C8", "C12", "D3", "D6", "D8", "D12")
every_group = pytest.mark.parametrize("group", [name for name in GROUPS if get_group(name).is_lattice])


def model_with(group: str, code: int = 5, attention: int | None = 6) -> Autoencoder:
    torch.manual_seed(0)
    model = build_model("eqae", (1, 12, 12), {"group": group, "fields": [2], "code": code, "attention": attention})
    randomize(model)
    return model


class Carrier(Autoencoder):
    """All that a head needs to know of a model, for any group."""

    def __init__(self, group: str, channels: int) -> None:
        super().__init__(get_group(group), channels, (1, 1, 1))
        self.bottleneck = AttentionBottleneck(self.group, channels, 6)
        randomize(self)


def head_of(name: str, group: str, code: int = 5, **options: Any) -> Head:
    return build_head(name, model_with(group, code), options)


@every_head
@every_group
def test_every_head_keeps_the_contract(name: str, group: str) -> None:
    errors = check_head(head_of(name, group))
    assert len(errors) == get_group(group).order - 1


@every_head
@pytest.mark.parametrize("group", OFF_LATTICE)
def test_every_head_keeps_the_contract_off_the_lattice(name: str, group: str) -> None:
    errors = check_head(build_head(name, Carrier(group, 5), {}))
    assert len(errors) == get_group(group).order - 1


@every_head
def test_every_head_says_what_it_is_complete_up_to(name: str) -> None:
    assert head_of(name, "D4").complete_up_to != Head.complete_up_to


@every_head
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_dead_embedding_has_finite_features_and_gradients(name: str, dtype: torch.dtype) -> None:
    head = head_of(name, "D4").to(dtype)
    for scale in (0, 1e-30, 1e-8):
        v = (scale * torch.randn(3, 8, 5, dtype=dtype)).requires_grad_()
        features = head(v)
        (gradient,) = torch.autograd.grad(features.sum(), v)
        assert features.isfinite().all()
        assert gradient.isfinite().all()


@pytest.mark.parametrize(
    ("name", "channels", "options", "advice"),
    [
        ("gram", 400, {}, "band: 9"),
        ("gram", 2000, {"band": 9}, "mean"),
        ("correlation", 150, {}, "band: 9"),
        ("correlation", 400, {"band": 9}, "selective_bispectrum"),
        ("triple_correlation", 5, {"projections": 5}, None),
        ("triple_correlation", 200, {"projections": 50}, "lower head.projections"),
        ("bispectrum", 200, {"projections": 50}, "selective_bispectrum"),
        ("selective_bispectrum", 2000, {"projections": 5}, "lower head.projections"),
    ],
)
def test_a_head_too_large_for_its_model_says_what_would_fit(
    name: str, channels: int, options: dict[str, Any], advice: str | None
) -> None:
    def build() -> Head:
        return build_head(name, Carrier("D4", channels), options)

    if advice is None:
        assert build().width < 2**16
        return
    with pytest.raises(ConfigError, match=advice) as caught:
        build()
    assert re.search(r"head: .* (features here|numbers for every image); expected at most [\d,]+", str(caught.value))


@every_head
def test_features_of_a_model_do_not_change_when_the_image_is_turned(name: str) -> None:
    model = model_with("D4").double().eval()
    head = build_head(name, model, {})
    images = torch.rand(3, 1, 12, 12, dtype=torch.float64)
    upright = head(model.encode(images))
    assert upright.shape == (3, head.width)
    for g in range(1, 8):
        turned = head(model.encode(D4.act(g, images)))
        assert (turned - upright).norm() < 1e-12 * upright.norm()


@every_head
def test_heads_tell_different_images_apart(name: str) -> None:
    head = head_of(name, "D4")
    a, b = torch.randn(2, 1, 8, 5, generator=torch.Generator().manual_seed(0))
    assert (head(a) - head(b)).norm() > 0.1 * head(a).norm()


FEATURES = {  # (group, m): mean, gram, all distinct correlations, gram band |G|, correlation band |G|
    ("D4", 8): (8, 36, 280, 36, 280),
    ("D4", 16): (16, 136, 1072, 100, 784),
    ("D4", 32): (32, 528, 4192, 228, 1792),
}


@pytest.mark.parametrize(("group", "m"), FEATURES)
def test_numbers_of_features_are_those_of_the_table(group: str, m: int) -> None:
    """The paper's table, less the pairs h, h⁻¹ that its banded figures for all h count twice (32 of 1824)."""
    model = model_with(group, m, attention=None)
    n = get_group(group).order
    widths = (
        build_head("mean", model, {}).width,
        build_head("gram", model, {}).width,
        build_head("correlation", model, {}).width,
        build_head("gram", model, {"band": n}).width,
        build_head("correlation", model, {"band": n}).width,
    )
    assert widths == FEATURES[group, m]
    assert build_head("max", model, {}).width == m


@every_group
@pytest.mark.parametrize("m", [1, 4, 9])
def test_distinct_correlations_are_as_many_as_the_formula_says(group: str, m: int) -> None:
    g = get_group(group)
    involutions = sum(g.inverses[h] == h for h in range(g.order))
    head = head_of("correlation", group, m)
    assert head.width == (g.order * m * m + involutions * m) // 2


@pytest.mark.parametrize("name", ["gram", "correlation"])
@pytest.mark.parametrize("band", [1, 2, 4, 5, 9])
def test_a_band_keeps_the_named_features_and_no_others(name: str, band: int) -> None:
    full, banded = head_of(name, "C4"), head_of(name, "C4", band=band)
    v = torch.randn(3, 4, 5)
    value = dict(zip(full.feature_names(), full(v).unbind(1), strict=True))
    for feature, kept in zip(banded.feature_names(), banded(v).unbind(1), strict=True):
        torch.testing.assert_close(kept, value.pop(feature))
    for feature in value:
        _, i, j, *_ = feature.split("_")
        assert int(j) - int(i) >= band


def test_the_banded_gram_head_keeps_one_diagonal_more_than_the_order_when_columns_are_many() -> None:
    assert head_of("gram_banded", "C4", 9).feature_names() == head_of("gram", "C4", 9, band=5).feature_names()
    assert head_of("gram_banded", "D4", 8).width == head_of("gram", "D4", 8).width == 36


@pytest.mark.parametrize("name", ["gram", "correlation"])
@pytest.mark.parametrize("band", [0, -1, "wide"])
def test_a_band_of_no_diagonals_is_refused(name: str, band: object) -> None:
    with pytest.raises(ConfigError, match=r"head\.band"):
        head_of(name, "C4", band=band)


def test_attention_features_need_a_model_with_attention() -> None:
    with pytest.raises(ConfigError, match=r"model\.attention"):
        build_head("attention", model_with("D4", attention=None), {})


def test_an_attention_head_follows_its_model_through_training_and_casts() -> None:
    model = model_with("D4")
    head, v = build_head("attention", model, {}), torch.randn(2, 8, 5)
    before = head(v)
    randomize(model, seed=3)
    assert not torch.allclose(head(v), before)
    torch.testing.assert_close(head(v), model.bottleneck.code(v))
    assert head.double()(v.double()).dtype == torch.float64


@pytest.mark.parametrize("name", [name for name in HEADS if name != "attention"])
def test_heads_without_weights_leave_no_state_behind(name: str) -> None:
    assert head_of(name, "D4").state_dict() == {}


def test_options_a_head_does_not_have_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"head\.band: unknown option.*\n.*takes no options"):
        head_of("mean", "D4", band=2)


class Broken(Head):
    """Breaks one clause of the contract, by name."""

    def __init__(self, fault: str) -> None:
        super().__init__(C4, 3, 4 if fault == "width" else 3)
        self.fault = fault

    def forward(self, embedding: Tensor) -> Tensor:
        if self.fault == "variant":
            return embedding[:, 0]
        if self.fault == "batch":
            return embedding.mean(1) - embedding.mean((0, 1))
        if self.fault == "gradient":
            return embedding.mean(1).detach() + 0 * embedding.mean(1)
        return embedding.mean(1)

    def feature_names(self) -> list[str]:
        return ["same"] * self.width if self.fault == "names" else super().feature_names()


@pytest.mark.parametrize(
    ("fault", "complaint"),
    [
        ("variant", "turn 90°"),
        ("batch", "batch"),
        ("gradient", "gradient is zero"),
        ("width", "width is 4"),
        ("names", "1 different names"),
    ],
)
def test_the_contract_refuses_a_head_that_breaks_it(fault: str, complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        check_head(Broken(fault))


@pytest.mark.parametrize("name", [name for name in HEADS if name != "attention"])
def test_heads_export_and_compile(name: str) -> None:
    head, v = head_of(name, "D4"), torch.randn(3, 8, 5)
    exported = torch.export.export(head, (v,), strict=False)
    torch.testing.assert_close(exported.module()(v), head(v))
    compiled = torch.compile(head, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(v), head(v))
    torch._dynamo.reset()


def test_permuting_the_rows_by_anything_else_does_change_the_correlation() -> None:
    """The control of all the above: only the group's own permutations are harmless."""
    head, v = head_of("correlation", "D4"), torch.randn(2, 8, 5)
    assert not torch.allclose(head(v[:, [1, 0, 2, 3, 4, 5, 6, 7]]), head(v), atol=1e-2)
    assert torch.allclose(head(act_on_rows(D4)(3, v)), head(v), atol=1e-5)
