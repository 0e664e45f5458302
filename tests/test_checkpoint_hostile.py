"""Damaged, foreign and malicious run directories: always one CheckpointError, never code that runs."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pickle
import resource
import shutil
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eqae.checkpoint import ModelSpec, load_checkpoint, save_checkpoint
from eqae.errors import CheckpointError
from eqae.manifest import MAX_BYTES
from eqae.models import build_model
from forged_manifest import Document, forge, resealed, sealed_json

SPEC = ModelSpec("eqae", {"group": "D4", "fields": [2], "code": 3}, "gram", {}, (1, 5, 5), "digits", 0)
OTHER = ModelSpec("eqae", {"group": "D4", "fields": [2], "code": 3}, "mean", {}, (1, 5, 5), "digits", 1)
FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def make_run(folder: Path, spec: ModelSpec) -> Path:
    folder.mkdir()
    (folder / "config.yaml").write_text("name: run\n")
    with torch.random.fork_rng():
        torch.manual_seed(spec.seed)
        save_checkpoint(folder, build_model(spec.model, spec.image_shape, spec.model_options), spec)
    return folder


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("good") / "run", SPEC)


@pytest.fixture
def run(good: Path, tmp_path: Path) -> Path:
    """A copy to be damaged."""
    return Path(shutil.copytree(good, tmp_path / "run"))


def refused(path: Path) -> str:
    """The message with which ``path`` is refused."""
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(path)
    return str(caught.value)


def forge_weights(run: Path, tensors: dict[str, torch.Tensor]) -> None:
    (run / "model.safetensors").write_bytes(safetensors.torch.save(tensors))
    facts = {name: {"shape": list(t.shape), "dtype": str(t.dtype)[6:]} for name, t in tensors.items()}
    forge(run, lambda document: document.update(tensors=facts))


def tensors_of(run: Path) -> dict[str, torch.Tensor]:
    loaded: dict[str, torch.Tensor] = safetensors.torch.load((run / "model.safetensors").read_bytes())
    return {name: tensor.clone() for name, tensor in loaded.items()}


# --- damage ---------------------------------------------------------------------------------------------------


def places(content: bytes) -> Iterator[int]:
    """One byte of the length, one of the header, and one of every tensor."""
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    yield from (0, 9)
    for facts in header.values():
        begin, end = facts.get("data_offsets", (0, 0)) if isinstance(facts, dict) else (0, 0)
        yield 8 + size + (begin + end) // 2


def test_one_flipped_bit_in_any_tensor_or_in_the_header_is_found(run: Path) -> None:
    path = run / "model.safetensors"
    content = path.read_bytes()
    for place in places(content):
        flipped = bytearray(content)
        flipped[place] ^= 1
        path.write_bytes(flipped)
        message = refused(run)
        assert str(path) in message
        assert hashlib.sha256(content).hexdigest() in message
        assert hashlib.sha256(flipped).hexdigest() in message
    path.write_bytes(content)
    load_checkpoint(run)


def test_a_change_in_the_config_is_found(run: Path) -> None:
    (run / "config.yaml").write_text("name: rum\n")
    assert "config.yaml: sha256" in refused(run)


@pytest.mark.parametrize("name", ["model.safetensors", "manifest.json", "config.yaml"])
def test_truncation_at_any_place_is_found(run: Path, name: str) -> None:
    path = run / name
    content = path.read_bytes()
    for kept in sorted({len(content) * i // 50 for i in range(50)} | {len(content) - 1}):
        path.write_bytes(content[:kept])
        assert str(path) in refused(run)


@pytest.mark.parametrize("name", ["model.safetensors", "manifest.json", "config.yaml"])
def test_files_of_two_runs_cannot_be_swapped(good: Path, run: Path, tmp_path: Path, name: str) -> None:
    other = make_run(tmp_path / "other", OTHER)
    (other / "config.yaml").write_text("name: nur\n")
    shutil.copy(other / name, run / name)
    assert "expected sha256" in refused(run)


@pytest.mark.parametrize("name", ["model.safetensors", "config.yaml"])
def test_a_missing_file_is_named(run: Path, name: str) -> None:
    (run / name).unlink()
    assert f"{name}: the file is missing" in refused(run)


def test_other_files_in_the_directory_do_not_matter(run: Path) -> None:
    (run / "last.ckpt").write_bytes(pickle.dumps({}))
    load_checkpoint(run)


# --- what is no checkpoint ------------------------------------------------------------------------------------


def test_a_missing_directory_suggests_its_neighbour(run: Path) -> None:
    message = refused(run.parent / "rum")
    assert "no such directory" in message
    assert f"did you mean {str(run)!r}?" in message


def test_a_run_without_weights_says_how_to_continue_it(run: Path) -> None:
    (run / "manifest.json").unlink()
    message = refused(run)
    assert "training has not finished" in message
    assert f"--config {run / 'config.yaml'} --resume" in message


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin", "weights.pt"])
def test_a_checkpoint_of_another_kind_is_called_so(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"{}")
    (tmp_path / "config.json").write_text("{}")
    message = refused(tmp_path)
    assert "a checkpoint of another kind" in message
    assert name in message


def test_an_empty_directory_is_not_a_run(tmp_path: Path) -> None:
    assert "no manifest.json" in refused(tmp_path)


def test_a_file_inside_a_run_points_to_its_directory(run: Path) -> None:
    assert f"give {run} instead" in refused(run / "model.safetensors")


def test_a_lightning_checkpoint_is_refused_unopened(tmp_path: Path) -> None:
    torch.save({"state_dict": {}, "pytorch-lightning_version": "2.6.6"}, tmp_path / "last.ckpt")
    message = refused(tmp_path / "last.ckpt")
    assert "as torch.save and Lightning write" in message
    assert "not opened" in message


def test_a_newer_format_asks_for_an_upgrade(run: Path) -> None:
    forge(run, lambda document: document.update(format=3, novelty=True))
    message = refused(run)
    assert "made by a newer eqae" in message
    assert "upgrade" in message


@pytest.mark.parametrize("content", [b"", b"<!DOCTYPE html><title>404</title>", b"version https://git-lfs"])
def test_a_download_that_went_wrong_is_not_taken_for_weights(run: Path, content: bytes) -> None:
    (run / "model.safetensors").write_bytes(content)
    assert "model.safetensors" in refused(run)
    forge(run, lambda document: None)
    assert "not safetensors" in refused(run)


# --- malice ---------------------------------------------------------------------------------------------------


class Bomb:
    """Unpickling makes a directory and imports a module that nothing else does."""

    def __init__(self, sentinel: Path) -> None:
        self.sentinel = sentinel

    def __reduce__(self) -> tuple[Any, ...]:
        code = f"__import__('this'), __import__('os').mkdir({str(self.sentinel)!r})"
        return eval, (code,)


def as_zip(content: bytes, folder: Path) -> bytes:
    with zipfile.ZipFile(folder / "bomb.zip", "w") as archive:
        archive.writestr("archive/data.pkl", content)
    return (folder / "bomb.zip").read_bytes()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("name", ["model.safetensors", "manifest.json", "config.yaml", "last.ckpt"])
@pytest.mark.parametrize("zipped", [False, True])
def test_a_pickle_in_place_of_any_file_is_never_opened(run: Path, name: str, protocol: int, zipped: bool) -> None:
    sentinel = run.parent / "sentinel"
    bomb = pickle.dumps(Bomb(sentinel), protocol)
    content = as_zip(bomb, run.parent) if zipped else bomb
    (run / name).write_bytes(content)
    modules = set(sys.modules)
    if name == "last.ckpt":
        assert str(run / name) in refused(run / name)
        load_checkpoint(run)
    else:
        assert name in refused(run)
        if name != "manifest.json":
            forge(run, lambda document: None)
        if name == "model.safetensors":
            assert ("zip archive" if zipped else "pickle" if protocol >= 2 else "not safetensors") in refused(run)
    assert not sentinel.exists()
    assert set(sys.modules) == modules


def test_headers_whose_length_looks_like_a_pickle_are_read(tmp_path: Path) -> None:
    # A header of 640 bytes begins with 80 02, the first bytes of pickle protocol 2.
    for padding in range(400, 700):
        content = safetensors.torch.save({"t": torch.zeros(1)}, metadata={"pad": "x" * padding})
        if content[:2] == b"\x80\x02":
            break
    else:
        pytest.fail("no such header")
    run = make_run(tmp_path / "run", SPEC)
    (run / "model.safetensors").write_bytes(content)
    assert "pickle" not in refused(run)


@pytest.mark.parametrize(
    "name", ["../secret", "/etc/passwd", "a/b", "a\\b", "..", ".hidden", "", "x\0y", "manifest.json/.."]
)
def test_a_manifest_cannot_reach_out_of_its_directory(run: Path, name: str) -> None:
    facts = {"sha256": "0" * 64, "bytes": 1}
    forge(run, lambda document: document["files"].update({name: facts}))
    assert "manifest.json, files" in refused(run)


@pytest.mark.parametrize("name", ["model.safetensors", "manifest.json"])
def test_links_are_not_followed_out_of_the_directory(good: Path, run: Path, name: str) -> None:
    (run / name).unlink()
    (run / name).symlink_to(good / name)
    assert "link out of the directory" in refused(run)


def test_a_pipe_does_not_make_loading_wait(run: Path) -> None:
    (run / "model.safetensors").unlink()
    os.mkfifo(run / "model.safetensors")
    assert "no plain file" in refused(run)


@pytest.mark.parametrize(
    ("place", "key", "value"),
    [
        ((), "plugins", ["this"]),
        (("spec",), "plugins", ["this"]),
        (("spec", "model_options"), "plugins", ["this"]),
        (("spec", "model_options"), "_target_", "os.system"),
        (("spec", "model_options"), "class_path", "this.s"),
        (("spec", "head_options"), "_instantiator", "os.system"),
        (("spec",), "model", "os:system"),
        (("spec",), "model", "eqae.models.cnn:build_cnn"),
        (("spec",), "head", "this"),
        (("spec",), "head", "eqae.heads.gram.GramHead"),
        (("spec", "model_options"), "group", "this:s"),
    ],
)
def test_a_manifest_cannot_name_code(run: Path, place: tuple[str, ...], key: str, value: object) -> None:
    def change(document: Document) -> None:
        for step in place:
            document = document[step]
        document[key] = value

    forge(run, change)
    modules = set(sys.modules)
    message = refused(run)
    assert key in message or str(value) in message
    assert set(sys.modules) == modules


def test_plugins_in_a_checkpoint_say_where_they_belong(run: Path) -> None:
    forge(run, lambda document: document["spec"].update(plugins=["mine"]))
    assert "checkpoints never name code" in refused(run)


HUGE: list[tuple[str, object]] = [
    ("code", 10**12),
    ("code", 10**5000),
    ("fields", [10**12]),
    ("fields", [4096] * 2),
    ("fields", [1] * 300),
    ("code", 4096),
    ("code", 1e300),
    ("base", {"base": {"base": {"base": {"base": {}}}}}),
]


@pytest.mark.parametrize(("key", "value"), HUGE, ids=range(len(HUGE)))
def test_absurd_sizes_are_refused_before_memory_is_asked_for(run: Path, key: str, value: object) -> None:
    sys.set_int_max_str_digits(10_000)
    try:
        forge(run, lambda document: document["spec"]["model_options"].update({key: value}))
    finally:
        sys.set_int_max_str_digits(sys.int_info.default_max_str_digits)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused(run)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < 100_000  # kilobytes


@pytest.mark.parametrize("shape", [[1, 10**12, 10**12], [1, 4096, 4096], [10**9, 5, 5], [1, 0, 0], [1, -5, -5], [1, 5]])
def test_absurd_image_shapes_are_refused_before_memory_is_asked_for(run: Path, shape: list[int]) -> None:
    forge(run, lambda document: document["spec"].update(image_shape=shape))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused(run)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < 100_000


def test_a_header_that_lies_about_sizes_is_refused(run: Path) -> None:
    header = json.dumps({"w": {"dtype": "F32", "shape": [10**6, 10**6], "data_offsets": [0, 4 * 10**12]}}).encode()
    (run / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    forge(run, lambda document: None)
    assert "not safetensors" in refused(run)


def test_a_manifest_too_long_to_be_one_is_not_parsed(run: Path) -> None:
    (run / "manifest.json").write_bytes(b"[" * (MAX_BYTES + 1))
    assert f"more than {MAX_BYTES} bytes" in refused(run)


def test_deep_nesting_is_refused(run: Path) -> None:
    (run / "manifest.json").write_bytes(b'{"format":1,"spec":' * 100_000)
    refused(run)


# --- forgeries that hashes cannot find ------------------------------------------------------------------------


def test_a_changed_weight_under_a_forged_hash_is_found_by_the_golden_features(run: Path) -> None:
    original = tensors_of(run)
    for name, tensor in original.items():
        if name.startswith("encoder") and tensor.is_floating_point():
            changed = {key: value.clone() for key, value in original.items()}
            changed[name].flatten()[0] += 0.5
            forge_weights(run, changed)
            assert "golden" in refused(run)


def test_another_group_of_the_same_order_is_found(run: Path) -> None:
    def change(document: Document) -> None:
        document["spec"]["model_options"]["group"] = "D2"
        document["group"] = "D2"

    forge(run, change)
    assert "tensor" in refused(run)


def test_another_head_is_found(run: Path) -> None:
    forge(run, lambda document: document["spec"].update(head="correlation"))
    assert "golden" in refused(run)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_found_even_in_the_decoder(run: Path, value: float) -> None:
    tensors = tensors_of(run)
    name = [name for name in tensors if name.startswith("decoder") and name.endswith("weight")][-1]
    tensors[name].flatten()[0] = value
    forge_weights(run, tensors)
    assert name in refused(run)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.float8_e4m3fn, torch.complex64, torch.bool])
def test_weights_of_another_type_are_refused(run: Path, dtype: torch.dtype) -> None:
    tensors = tensors_of(run)
    name = next(iter(tensors))
    tensors[name] = tensors[name].to(dtype)
    forge_weights(run, tensors)
    assert name in refused(run)


def test_missing_and_additional_tensors_are_named(run: Path) -> None:
    tensors = tensors_of(run)
    lost = tensors.pop(next(iter(tensors)))
    forge_weights(run, tensors)
    assert "no such tensor" in refused(run)
    forge_weights(run, tensors_of(run) | {"added": lost})
    assert "no such tensor" in refused(run)


# --- fuzz -----------------------------------------------------------------------------------------------------


def loads_or_refuses(run: Path, content: bytes) -> None:
    (run / "manifest.json").write_bytes(content)
    with contextlib.suppress(CheckpointError):
        load_checkpoint(run)


@FUZZ
@given(content=st.binary(max_size=200))
def test_no_bytes_as_manifest_give_anything_but_a_checkpoint_error(good: Path, run: Path, content: bytes) -> None:
    (run / "manifest.json").write_bytes(content)
    assert str(run) in refused(run)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from([10**30, -1, "D4"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@FUZZ
@given(data=st.data())
def test_no_value_in_the_manifest_gives_anything_but_a_checkpoint_error(
    good: Path, run: Path, data: st.DataObject
) -> None:
    document = json.loads((good / "manifest.json").read_text())
    branch: Any = document
    key: Any = data.draw(st.sampled_from(sorted(document)))
    while isinstance(branch[key], dict | list) and branch[key] and data.draw(st.booleans()):
        branch = branch[key]
        key = data.draw(st.sampled_from(sorted(branch) if isinstance(branch, dict) else range(len(branch))))
    if data.draw(st.booleans()):
        branch[key] = data.draw(JSON)
    elif isinstance(branch, dict):
        branch[data.draw(st.text(max_size=10))] = branch.pop(key)
    else:
        del branch[key]
    loads_or_refuses(run, sealed_json(document).encode())


@FUZZ
@given(place=st.floats(0, 1, exclude_max=True), mask=st.integers(1, 255))
def test_any_changed_byte_of_the_manifest_is_found(good: Path, run: Path, place: float, mask: int) -> None:
    content = bytearray((good / "manifest.json").read_bytes())
    content[int(place * len(content))] ^= mask
    (run / "manifest.json").write_bytes(content)
    assert "manifest.json" in refused(run)
    loads_or_refuses(run, resealed(bytes(content)))
