"""Heads that read one part of V: the same features as a model of that part alone would give."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from eqae.errors import ConfigError
from eqae.heads import build_head
from eqae.models import Autoencoder, build_model
from eqae.registry import HEADS
from eqae.testing import check_head

NEEDS_ATTENTION = {"attention"}
of_any_model = pytest.mark.parametrize("name", [name for name in HEADS.names() if name not in NEEDS_ATTENTION])


@pytest.fixture(scope="module")
def model() -> Autoencoder:
    torch.manual_seed(0)
    options = {"group": "D4", "fields": [2], "code": 3, "stage_statistics": True}
    return build_model("eqae", (1, 12, 12), options).eval()


def v_of(images: int, columns: int) -> Tensor:
    return torch.randn(images, 8, columns, generator=torch.Generator().manual_seed(0)) + 0.3


@of_any_model
@pytest.mark.parametrize("post", [[], ["whiten"]], ids=["plain", "whitened"])
def test_a_part_is_read_as_if_it_were_all(name: str, post: list[str], model: Autoencoder) -> None:
    plain = build_model("eqae", (1, 12, 12), {"group": "D4", "fields": [2], "code": 3})
    part, alone = build_head(name, model, {"of": "code", "post": post}), build_head(name, plain, {"post": post})
    embedding = v_of(50, 7)
    for head, given in ((part, embedding), (alone, embedding[..., :3])):
        if head.needs_fit:
            head.fit(given)
    torch.testing.assert_close(part(embedding), alone(embedding[..., :3]))
    assert part.width == alone.width
    if not post:
        assert part.feature_names() == [f"code_{name}" for name in alone.feature_names()]
    assert "of 'code' alone" in part.complete_up_to


@of_any_model
@pytest.mark.parametrize("post", [[], ["signed_root", "l2"]], ids=["plain", "root"])
def test_the_contract_holds_with_what_may_follow(name: str, post: list[str], model: Autoencoder) -> None:
    head = build_head(name, model, {"of": "stages", "post": post})
    if head.needs_fit:
        head.fit(v_of(200, 7))
    check_head(head)


def test_a_part_that_is_not_there_is_named_with_what_is(model: Autoencoder) -> None:
    plain = build_model("eqae", (1, 12, 12), {"group": "D4", "fields": [2], "code": 3})
    with pytest.raises(ConfigError, match=r"head\.of.*'stages'.*'code'.*stage_statistics: true"):
        build_head("gram", plain, {"of": "stages"})
    with pytest.raises(ConfigError, match=r"head\.of.*'cod'.*'code', 'stages'"):
        build_head("gram", model, {"of": "cod"})
