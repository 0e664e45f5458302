"""Exported files, opened where neither this package nor escnn can be imported."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from run_factory import make_run, pictures, spec
from safetensors import safe_open

import eqae
from eqae.checkpoint import load_checkpoint
from eqae.export import as_onnx, as_safetensors, as_torch
from eqae.export.pixels import plain_features
from eqae.export.tracing import trace
from eqae.extractor import load_extractor
from eqae.groups import D4

PAGE = Path(__file__).parents[2] / "docs" / "export.md"
FACTS = {"model": "eqae", "weights_sha256": "0" * 64}
CASES = {
    "gram": replace(spec(), head_options={"post": ["signed_root", "l2"]}),
    "hard attention over copies": spec(
        "attention", group="D6", construction="copies", attention=5, attention_mode="hard", channels=3
    ),
}
COUNTS = (1, 3, 33)

ALONE = '''
import json, operator, sys
from functools import reduce
for name in ("eqae", "escnn"):
    sys.modules[name] = None  # importing it fails
import numpy as np
import torch

def rebuilt(path):
    """The list of steps in a safetensors file, followed by torch functions with the tensors of the file."""
    from safetensors import safe_open
    with safe_open(path, "pt") as file:
        program = json.loads(file.metadata()["program"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    def decoded(value, known):
        if isinstance(value, list):
            return [decoded(item, known) for item in value]
        if isinstance(value, dict):
            return known[value["ref"]] if "ref" in value else getattr(torch, value["dtype"])
        return value
    def features(images):
        known = {**tensors, program["input"]["name"]: torch.from_numpy(images)}
        for step in program["steps"]:
            space, *path = step["operation"].split(".")
            arguments = {key: decoded(value, known) for key, value in step["arguments"].items()}
            if space == "operator":
                known[step["name"]] = reduce(getattr, path, operator)(*arguments.values())
            else:
                known[step["name"]] = reduce(getattr, path, torch.ops.aten)(**arguments)
        return known[program["output"]["name"]].numpy()
    return features

def by_torch(path):
    module = torch.export.load(path).module()
    return lambda images: module(torch.from_numpy(images)).numpy()

def by_onnx(path):
    import onnxruntime
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda images: session.run(None, {"images": images})[0]

openers = {"pt2": by_torch, "onnx": by_onnx, "safetensors": rebuilt}
for folder in sys.argv[1:]:
    images = dict(np.load(f"{folder}/images.npz"))
    found = {}
    for suffix in openers:
        function = openers[suffix](f"{folder}/features.{suffix}")
        found |= {f"{suffix}-{count}": function(array) for count, array in images.items()}
    np.savez(f"{folder}/found.npz", **found)
assert not [name for name in sys.modules if name.split(".")[0] in ("eqae", "escnn") and sys.modules[name]]
'''
WRITERS = {"pt2": as_torch, "onnx": as_onnx, "safetensors": as_safetensors}


@dataclass(frozen=True)
class Exported:
    """A folder with the three files of a run and the images they are tried on, and the run's features of those."""

    folder: Path
    expected: dict[int, NDArray[np.float32]]

    @property
    def found(self) -> dict[str, NDArray[np.float32]]:
        """Features by file and count of images, once :data:`ALONE` has run."""
        return dict(np.load(self.folder / "found.npz"))


def exported(name: str, folder: Path) -> Exported:
    checkpoint = load_checkpoint(make_run(folder / "run", CASES[name]))
    program = trace(plain_features(checkpoint.model, checkpoint.head), "test")
    for suffix, writer in WRITERS.items():
        (folder / f"features.{suffix}").write_bytes(writer.pack(program, FACTS))
    images = {count: pictures(CASES[name], count) for count in COUNTS}
    np.savez(folder / "images.npz", **{str(count): array for count, array in images.items()})
    extractor = load_extractor(folder / "run", layout="NCHW")
    return Exported(folder, {count: extractor.transform(array) for count, array in images.items()})


@pytest.fixture(scope="module")
def all_cases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Exported]:
    cases = {name: exported(name, tmp_path_factory.mktemp("exported")) for name in CASES}
    folders = [str(case.folder) for case in cases.values()]
    alone = subprocess.run([sys.executable, "-c", ALONE, *folders], capture_output=True, text=True)
    assert alone.returncode == 0, alone.stderr
    return cases


@pytest.fixture(params=CASES)
def any_case(request: pytest.FixtureRequest, all_cases: dict[str, Exported]) -> Exported:
    return all_cases[request.param]


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_file_gives_the_features_of_its_run_where_the_package_is_not_installed(
    any_case: Exported, suffix: str
) -> None:
    every = any_case.found
    for count, expected in any_case.expected.items():
        found = every[f"{suffix}-{count}"]
        assert found.dtype == np.float32
        error = np.linalg.norm(found - expected, axis=1) / np.linalg.norm(expected, axis=1)
        assert found.shape == expected.shape
        assert error.max() < 1e-5


def test_features_of_a_file_do_not_change_when_the_image_is_turned(all_cases: dict[str, Exported]) -> None:
    folder = all_cases["gram"].folder
    images = torch.from_numpy(np.load(folder / "images.npz")["33"])
    function = as_onnx.unpack((folder / "features.onnx").read_bytes())
    upright = function(images.numpy())
    for g in range(1, D4.order):
        turned = function(D4.act(g, images).contiguous().numpy())
        assert (np.linalg.norm(turned - upright, axis=1) / np.linalg.norm(upright, axis=1)).max() < 1e-5


def test_the_code_on_the_page_about_exporting_opens_the_files(
    all_cases: dict[str, Exported], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each block that ends in features, on the files and images of a case."""
    case, opened = all_cases["gram"], 0
    monkeypatch.chdir(case.folder)
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        if "features = " in block:
            namespace = {"images": np.load("images.npz")["3"]}
            exec(compile(block, PAGE.name, "exec"), namespace)
            np.testing.assert_allclose(namespace["features"], case.expected[3], rtol=1e-4, atol=1e-5)
            opened += 1
    assert opened == len(WRITERS)


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_file_says_where_it_comes_from_and_nothing_of_this_machine(any_case: Exported, suffix: str) -> None:
    file = any_case.folder / f"features.{suffix}"
    if suffix == "pt2":
        with zipfile.ZipFile(file) as archive:
            (name,) = [name for name in archive.namelist() if name.endswith(as_torch.FACTS)]
            facts = json.loads(archive.read(name))
    elif suffix == "onnx":
        facts = {entry.key: entry.value for entry in onnx.load(file).metadata_props}
    else:
        with safe_open(file, "pt") as content:
            facts = content.metadata()
    assert {name: facts[name] for name in FACTS} == FACTS
    for place in (Path(eqae.__file__).parent, Path(torch.__file__).parent, Path.home(), any_case.folder):
        assert str(place).encode() not in file.read_bytes()


def test_the_onnx_graph_is_valid_with_named_ends_and_nothing_left_to_normalise(any_case: Exported) -> None:
    model = onnx.load(any_case.folder / "features.onnx")
    onnx.checker.check_model(model, full_check=True)
    (taken,), (given) = model.graph.input, model.graph.output[0]
    sides = [side.dim_param or side.dim_value for side in taken.type.tensor_type.shape.dim]
    assert (taken.name, given.name, sides[0], sides[2:]) == ("images", "features", "N", [16, 16])
    assert given.type.tensor_type.shape.dim[0].dim_param == "N"
    assert "BatchNormalization" not in {node.op_type for node in model.graph.node}
    assert not any(node.metadata_props for node in model.graph.node)


def test_images_of_another_type_or_size_are_refused_by_the_files_themselves(any_case: Exported) -> None:
    right = np.load(any_case.folder / "images.npz")["3"]
    for writer, suffix in ((as_torch, "pt2"), (as_onnx, "onnx")):
        function = writer.unpack((any_case.folder / f"features.{suffix}").read_bytes())
        assert function(right).shape == any_case.expected[3].shape
        for wrong in (right.astype(np.float32) / 255, right[..., :-1, :-1].copy()):
            with pytest.raises(Exception, match=r"mismatch|Guard failed|data type|dimensions"):
                function(wrong)


def test_the_steps_of_a_chain_read_like_its_layers(tmp_path: Path) -> None:
    checkpoint = load_checkpoint(make_run(tmp_path, spec("mean")))
    content = as_safetensors.pack(trace(plain_features(checkpoint.model, checkpoint.head), "test"), FACTS)
    (tmp_path / "features.safetensors").write_bytes(content)
    with safe_open(tmp_path / "features.safetensors", "pt") as file:
        program, names = json.loads(file.metadata()[as_safetensors.PROGRAM]), set(file.keys())
    assert program["input"] == {"name": "images", "dtype": "uint8", "shape": ["N", 1, 16, 16]}
    assert program["output"]["shape"] == ["N", 6]
    convolutions = [step for step in program["steps"] if step["operation"] == "aten.conv2d.default"]
    assert [step["shape"] for step in convolutions] == [
        ["N", 16, 8, 8], ["N", 16, 8, 8], ["N", 24, 4, 4], ["N", 24, 4, 4], ["N", 48, 1, 1]
    ]  # fmt: skip
    assert convolutions[0]["arguments"] == {
        "input": {"ref": "div"}, "weight": {"ref": "model.encoder.0.weight"}, "bias": {"ref": "model.encoder.0.bias"},
        "stride": [2, 2], "padding": [1, 1], "dilation": [1, 1], "groups": 1,
    }  # fmt: skip
    used = {value["ref"] for step in convolutions for value in step["arguments"].values() if isinstance(value, dict)}
    assert names == {name for name in used if name.startswith("model.")}
