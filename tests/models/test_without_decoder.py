"""Networks that only encode, and networks that classify: what objectives on features need."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from model_options import tiny

from eqae.checkpoint import ModelSpec, load_checkpoint, save_checkpoint
from eqae.errors import ConfigError
from eqae.models import build_model
from eqae.testing import check_model, randomize

NETWORKS = ["eqae", "eqae_copies", "cnn", "cnn_antialiased"]
every_network = pytest.mark.parametrize("name", NETWORKS)


def parameters(model: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@every_network
def test_an_encoder_alone_keeps_the_contract_and_says_that_it_has_no_decoder(name: str) -> None:
    model = tiny(name, (1, 12, 12), fields=[3, 4], code=8, decoder=False)
    check_model(model)
    assert not model.has_decoder
    assert parameters(model) < parameters(tiny(name, (1, 12, 12), fields=[3, 4], code=8))
    with pytest.raises(NotImplementedError):
        model.decode(model.encode(torch.rand(2, 1, 12, 12)))


def test_leaving_the_decoder_out_leaves_the_encoder_as_it_was() -> None:
    torch.manual_seed(0)
    whole = tiny("eqae", (1, 12, 12)).eval()
    torch.manual_seed(0)
    bare = tiny("eqae", (1, 12, 12), decoder=False).eval()
    images = torch.rand(3, 1, 12, 12)
    with torch.no_grad():
        assert torch.equal(whole.encode(images), bare.encode(images))


def test_a_plain_encoder_matches_an_equivariant_one_in_parameters() -> None:
    options = {"group": "D4", "fields": [8, 16, 24], "code": 64, "decoder": False}
    ours = parameters(build_model("eqae", (1, 28, 28), options))
    for name in ("cnn", "cnn_antialiased"):
        assert parameters(build_model(name, (1, 28, 28), options)) == pytest.approx(ours, rel=0.01)


@every_network
def test_a_classifier_gives_logits_that_do_not_change_when_images_turn(name: str) -> None:
    model = tiny(name, (1, 12, 12), decoder=False, classes=7).double().eval()
    randomize(model)
    images = torch.rand(3, 1, 12, 12, dtype=torch.float64)
    with torch.no_grad():
        logits = model.logits(model.encode(images))
        assert logits.shape == (3, model.classes) == (3, 7)
        for g in model.group.exact_elements:
            turned = model.logits(model.encode(model.group.act(g, images)))
            torch.testing.assert_close(turned, logits, rtol=1e-9, atol=1e-9)


def test_a_model_without_a_classifier_has_no_logits() -> None:
    model = tiny("eqae", (1, 12, 12))
    assert model.classes == 0
    with pytest.raises(NotImplementedError):
        model.logits(model.encode(torch.rand(2, 1, 12, 12)))


def test_a_classifier_is_part_of_the_checkpoint(tmp_path: Path) -> None:
    options = {"fields": [2, 3], "code": 4, "decoder": False, "classes": 5}
    model = build_model("eqae", (1, 12, 12), options).eval()
    spec = ModelSpec(
        model="eqae",
        model_options=options,
        head="max",
        head_options={},
        image_shape=(1, 12, 12),
        dataset="noise",
        seed=0,
    )
    save_checkpoint(tmp_path, model, spec)
    loaded = load_checkpoint(tmp_path).model
    images = torch.rand(2, 1, 12, 12)
    with torch.no_grad():
        torch.testing.assert_close(loaded.logits(loaded.encode(images)), model.logits(model.encode(images)))


def test_attention_without_a_decoder_is_refused() -> None:
    with pytest.raises(ConfigError, match="attention"):
        tiny("eqae", (1, 12, 12), decoder=False, attention=4)
