"""What a checkpoint keeps, and that loading gives it back."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

import eqae.checkpoint
from eqae.checkpoint import (
    ModelSpec,
    golden_features,
    golden_images,
    load_checkpoint,
    read_manifest,
    save_checkpoint,
)
from eqae.errors import CheckpointError, ConfigError, TrainingDiverged
from eqae.groups import C1
from eqae.heads import Head, build_head
from eqae.models import Autoencoder, build_model
from eqae.registry import MODELS
from forged_manifest import forge

GOLDEN_SHA256 = "95df7a96da46f341"
TINY = ModelSpec("eqae", {"group": "D4", "fields": [2, 3], "code": 4}, "gram", {}, (1, 9, 9), "digits", 0)
SPECS = {
    "eqae": TINY,
    "c4 colour": replace(TINY, model_options={"group": "C4", "fields": [3], "code": 2}, image_shape=(3, 8, 8)),
    "attention": replace(TINY, model_options=TINY.model_options | {"attention": 5}, head="attention"),
    "banded": replace(TINY, head="gram", head_options={"band": 2}),
    "steerable": replace(TINY, model_options={"group": "C8", "fields": [2, 2], "code": 3}),
    "copies": replace(TINY, model="eqae_copies", model_options={"group": "D6", "fields": [2], "code": 3}),
    "cnn": replace(TINY, model="cnn", head="mean"),
    "orbit_mean": replace(TINY, model="orbit_mean", model_options={"base": {"name": "cnn", "fields": [2], "code": 3}}),
    "pca": replace(TINY, model="pca", model_options={"components": 6}, head="mean"),
    "zernike": replace(TINY, model="zernike", model_options={}, head="mean"),
}


def trained(spec: ModelSpec) -> Autoencoder:
    """A model whose weights and statistics are not those of a fresh one."""
    generator = torch.Generator().manual_seed(1)
    model = build_model(spec.model, spec.image_shape, spec.model_options)
    for tensor in model.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand(tensor.shape, generator=generator) * 0.4 + 0.3)
    return model.eval()


@pytest.fixture(params=SPECS)
def spec(request: pytest.FixtureRequest) -> ModelSpec:
    return SPECS[request.param]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    save_checkpoint(folder, trained(TINY), TINY)
    return folder


def test_a_loaded_model_gives_the_features_of_the_saved_one_to_the_last_bit(tmp_path: Path, spec: ModelSpec) -> None:
    model = trained(spec)
    head = build_head(spec.head, model, spec.head_options)
    save_checkpoint(tmp_path / "run", model, spec)
    loaded = load_checkpoint(tmp_path / "run")
    images = torch.rand(5, *spec.image_shape)
    with torch.no_grad():
        assert torch.equal(loaded.head(loaded.model.encode(images)), head(model.encode(images)))
        if model.has_decoder:
            assert torch.equal(loaded.model(images).images, model(images).images)


@pytest.mark.parametrize("saved_in", ["train", "eval"])
def test_the_mode_in_which_a_model_is_saved_does_not_matter(tmp_path: Path, saved_in: str) -> None:
    model = trained(TINY).train(saved_in == "train")
    save_checkpoint(tmp_path / "run", model, TINY)
    loaded = load_checkpoint(tmp_path / "run").model
    assert model.training == (saved_in == "train")
    assert all(
        torch.equal(a, b) for a, b in zip(loaded.state_dict().values(), model.state_dict().values(), strict=True)
    )


def test_a_loaded_model_is_in_evaluation_mode_and_wants_no_gradients(tiny: Path) -> None:
    loaded = load_checkpoint(tiny)
    assert not any(module.training for module in [*loaded.model.modules(), loaded.head])
    assert not any(parameter.requires_grad for parameter in loaded.model.parameters())
    assert (loaded.spec, loaded.directory) == (TINY, tiny)


def test_saving_and_loading_leave_the_random_state_alone(tmp_path: Path) -> None:
    model = trained(TINY)
    before = torch.get_rng_state()
    save_checkpoint(tmp_path / "run", model, TINY)
    load_checkpoint(tmp_path / "run")
    assert torch.equal(torch.get_rng_state(), before)


def test_weights_are_contiguous_float32_whatever_the_model_was(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "run", trained(TINY).double().to(memory_format=torch.channels_last), TINY)
    tensors = safetensors.torch.load((tmp_path / "run/model.safetensors").read_bytes())
    assert {t.dtype for t in tensors.values()} == {torch.float32, torch.int64}
    load_checkpoint(tmp_path / "run")


def test_the_manifest_holds_the_facts(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("name: x\n")
    model = trained(TINY)
    save_checkpoint(tmp_path, model, TINY, extra_files=["config.yaml", "absent.txt"])
    document = json.loads((tmp_path / "manifest.json").read_text())
    assert document["format"] == 2
    assert document["group"] == "D4"
    assert document["parameters"] == sum(p.numel() for p in model.parameters())
    assert set(document["files"]) == {"config.yaml", "model.safetensors"}
    for name, facts in document["files"].items():
        content = (tmp_path / name).read_bytes()
        assert facts == {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    assert {name: tuple(facts["shape"]) for name, facts in document["tensors"].items()} == {
        name: tuple(tensor.shape) for name, tensor in model.state_dict().items()
    }
    assert set(document["versions"]) == {"eqae", "torch", "numpy", "safetensors", "python"}


def test_golden_features_are_restored_as_the_same_float32_numbers(tiny: Path) -> None:
    loaded = load_checkpoint(tiny)
    stored = np.array(json.loads((tiny / "manifest.json").read_text())["golden"]).astype(np.float32)
    assert np.array_equal(stored, golden_features(loaded.model, loaded.head).numpy())


def test_golden_images_never_change() -> None:
    # Written down once; a change would make every older checkpoint unreadable.
    images = golden_images((1, 5, 5))
    assert images.shape == (2, 1, 5, 5)
    assert hashlib.sha256((images * 255).round().byte().numpy().tobytes()).hexdigest().startswith(GOLDEN_SHA256)
    assert 60 < (golden_images((3, 32, 32)) * 255).std() < 85  # like uniform noise, whose deviation is 74


def test_weights_that_are_not_finite_are_refused_and_the_older_checkpoint_stays(tmp_path: Path) -> None:
    model = trained(TINY)
    save_checkpoint(tmp_path / "run", model, TINY)
    name = next(name for name in model.state_dict() if name.endswith("running_var"))
    model.state_dict()[name][1] = float("nan")
    with pytest.raises(TrainingDiverged, match=name):
        save_checkpoint(tmp_path / "run", model, TINY)
    load_checkpoint(tmp_path / "run")


@pytest.mark.parametrize(
    "wrong",
    [
        replace(TINY, model_options=TINY.model_options | {"code": 5}),
        replace(TINY, model_options=TINY.model_options | {"group": "D2"}),
        replace(TINY, model="pca", model_options={}),
        replace(TINY, model="no such model"),
        replace(TINY, head="attention"),
        replace(TINY, dataset="../data"),
    ],
    ids=lambda spec: f"{spec.model} {spec.head} {spec.dataset}",
)
def test_a_specification_of_another_model_is_refused_before_anything_is_written(
    tmp_path: Path, wrong: ModelSpec
) -> None:
    with pytest.raises(CheckpointError):
        save_checkpoint(tmp_path / "run", trained(TINY), wrong)
    assert not (tmp_path / "run").exists()


def test_a_group_of_the_same_order_is_not_mistaken_for_the_models_own(tmp_path: Path) -> None:
    c4 = replace(TINY, model_options=TINY.model_options | {"group": "C4"})
    d2 = replace(TINY, model_options=TINY.model_options | {"group": "D2"})
    with pytest.raises(CheckpointError, match="group"):
        save_checkpoint(tmp_path / "run", trained(d2), c4)


def test_the_manifest_is_written_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_checkpoint(tmp_path, trained(TINY), TINY)
    (tmp_path / "config.yaml").write_text("name: x\n")
    written: list[str] = []

    def interrupted(path: Path, data: bytes | str) -> None:
        written.append(path.name)
        raise KeyboardInterrupt

    monkeypatch.setattr(eqae.checkpoint, "write_atomically", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(tmp_path, trained(TINY), TINY)
    assert written == ["model.safetensors"]
    with pytest.raises(CheckpointError, match="training has not finished"):
        load_checkpoint(tmp_path)


def test_reduced_matrix_precision_around_it_does_not_make_a_checkpoint_unreadable(tmp_path: Path) -> None:
    wide = replace(SPECS["pca"], image_shape=(1, 20, 20))
    save_checkpoint(tmp_path / "run", trained(wide), wide)
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("medium")
        with torch.autocast("cpu", torch.bfloat16):
            load_checkpoint(tmp_path / "run")
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)


class ReadsValues(Autoencoder):
    """A user's own model that looks at numbers while it is built, and sums them."""

    def __init__(self, image_shape: tuple[int, int, int]) -> None:
        super().__init__(C1, int(torch.ones(3).sum()), image_shape)
        self.layer = nn.Linear(image_shape[1] * image_shape[2], self.channels)

    def encode(self, images: Tensor) -> Tensor:
        encoded: Tensor = self.layer(images.flatten(1)).unsqueeze(1)
        return encoded


def build_reads_values(*, image_shape: tuple[int, int, int]) -> ReadsValues:
    return ReadsValues(image_shape)


@pytest.fixture
def own_model() -> Iterator[ModelSpec]:
    MODELS.add("reads_values", build_reads_values)
    yield replace(TINY, model="reads_values", model_options={}, head="mean")
    del MODELS._targets["reads_values"]


def test_a_users_own_model_is_saved_and_loaded(tmp_path: Path, own_model: ModelSpec) -> None:
    save_checkpoint(tmp_path, trained(own_model), own_model)
    assert load_checkpoint(tmp_path).model.channels == 3


def test_a_users_own_model_that_is_not_registered_is_named(tmp_path: Path, own_model: ModelSpec) -> None:
    save_checkpoint(tmp_path, trained(own_model), own_model)
    target = MODELS._targets.pop("reads_values")
    with pytest.raises(CheckpointError, match="reads_values"):
        load_checkpoint(tmp_path)
    MODELS._targets["reads_values"] = target


def test_reading_the_manifest_alone_needs_no_weights(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_bytes((tiny / "manifest.json").read_bytes())
    assert read_manifest(tmp_path).spec == TINY


BLOCKED = """
import sys
for name in ("escnn", "pytorch_lightning", "lightning", "wandb", "matplotlib", "sklearn", "torchvision", "mahotas"):
    sys.modules[name] = None
import torch
before = len(sys.modules)
from eqae.checkpoint import load_checkpoint
print(load_checkpoint(sys.argv[1]).model.group.name, len(sys.modules) - before < 400)
"""


def test_loading_needs_neither_escnn_nor_what_only_training_uses(tiny: Path) -> None:
    run = subprocess.run([sys.executable, "-c", BLOCKED, str(tiny)], capture_output=True, text=True, check=False)
    # Torch's meta device would bring 900 modules more, which take longer to import than all the rest of loading.
    assert (run.stdout, run.stderr) == ("D4 True\n", "")


# --- heads that were fitted ------------------------------------------------------------------------------------

WHITENED = replace(TINY, head_options={"post": ["signed_root", "whiten"], "components": 4})


def fitted_head(model: Autoencoder, spec: ModelSpec) -> Head:
    head = build_head(spec.head, model, spec.head_options)
    with torch.no_grad():
        head.fit(model.encode(torch.rand(40, *spec.image_shape, generator=torch.Generator().manual_seed(2))))
    return head


@pytest.fixture
def whitened(tmp_path: Path) -> Path:
    model = trained(WHITENED)
    save_checkpoint(tmp_path / "whitened", model, WHITENED, head=fitted_head(model, WHITENED))
    return tmp_path / "whitened"


def test_what_a_head_was_fitted_with_comes_back_to_the_last_bit(whitened: Path) -> None:
    loaded, model = load_checkpoint(whitened), trained(WHITENED)
    head = fitted_head(model, WHITENED)
    images = torch.rand(5, *WHITENED.image_shape)
    assert not loaded.head.needs_fit
    with torch.no_grad():
        assert torch.equal(loaded.head(loaded.model.encode(images)), head(model.encode(images)))
    document = json.loads((whitened / "manifest.json").read_text())
    assert {name for name in document["tensors"] if name.startswith("head.")} == {"head.mean", "head.axes"}
    golden = np.array(document["golden"]).astype(np.float32)
    assert np.array_equal(golden, golden_features(loaded.model, loaded.head).numpy())


def test_a_head_without_anything_fitted_adds_nothing_to_the_file(tmp_path: Path) -> None:
    rooted = replace(TINY, head_options={"post": ["signed_root", "l2"]})
    model = trained(rooted)
    save_checkpoint(tmp_path, model, rooted, head=build_head(rooted.head, model, rooted.head_options))
    assert set(read_manifest(tmp_path).tensors) == set(model.state_dict())
    assert torch.allclose(golden_features(model, load_checkpoint(tmp_path).head).norm(dim=1), torch.ones(2))


def test_a_head_that_was_not_fitted_is_not_saved(tmp_path: Path) -> None:
    model = trained(WHITENED)
    with pytest.raises(ConfigError, match="not been fitted"):
        save_checkpoint(tmp_path / "run", model, WHITENED, head=build_head("gram", model, WHITENED.head_options))
    plain = build_head("gram", model, {})
    for head in (None, plain):
        with pytest.raises(ConfigError, match=r"not been fitted.*\n.*fit_heads.*head="):
            save_checkpoint(tmp_path / "run", model, WHITENED, head=head)
    assert not (tmp_path / "run").exists()


def test_a_tensor_of_the_model_is_never_replaced_by_one_of_the_head(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_head(*, image_shape: tuple[int, int, int]) -> Autoencoder:
        model = build_reads_values(image_shape=image_shape)
        model.head = nn.Module()
        model.head.register_buffer("mean", torch.ones(6))
        return model

    monkeypatch.setitem(MODELS._targets, "with_head", with_head)
    spec = replace(WHITENED, model="with_head", model_options={})
    model = trained(spec)
    with pytest.raises(ConfigError, match=r"tensor 'head\.mean': .*model"):
        save_checkpoint(tmp_path / "run", model, spec, head=fitted_head(model, spec))
    assert not (tmp_path / "run").exists()
    plain = replace(spec, head_options={})
    save_checkpoint(tmp_path / "run", model, plain)
    assert torch.equal(load_checkpoint(tmp_path / "run").model.state_dict()["head.mean"], model.head.mean)


@pytest.mark.parametrize("name", ["head.mean", "head.axes"])
def test_a_changed_or_missing_number_of_a_fitted_head_is_found(whitened: Path, name: str) -> None:
    weights = whitened / "model.safetensors"
    original = safetensors.torch.load(weights.read_bytes())

    def forged(tensors: dict[str, Tensor]) -> str:
        """The message with which these weights are refused, under hashes that fit them."""
        weights.write_bytes(safetensors.torch.save(tensors))
        facts = {key: {"shape": list(t.shape), "dtype": str(t.dtype)[6:]} for key, t in tensors.items()}
        forge(whitened, lambda document: document.update(tensors=facts))
        with pytest.raises(CheckpointError) as caught:
            load_checkpoint(whitened)
        return str(caught.value)

    changed = original[name].clone()
    changed.flatten()[0] += 0.5
    assert "golden" in forged(original | {name: changed})
    assert name in forged({key: tensor for key, tensor in original.items() if key != name})
    assert name in forged(original | {name: original[name].flatten()[:3].clone()})
    assert name in forged(original | {name: torch.full_like(original[name], float("nan"))})
    assert "head.more" in forged(original | {"head.more": torch.zeros(1)})


@pytest.mark.parametrize("name", ["steerable", "copies"])
def test_groups_off_the_lattice_load_without_escnn(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = trained(SPECS[name])
    save_checkpoint(tmp_path, model, SPECS[name])
    monkeypatch.setattr("eqae.nn.basis._kept", lambda *_: pytest.fail("a basis was asked for"))
    images = torch.rand(3, 1, 9, 9)
    assert torch.equal(load_checkpoint(tmp_path).model.encode(images), model.encode(images))
