"""Ways to damage a run directory or to lay a trap in it, one after the other and always the same ones."""

from __future__ import annotations

import gzip
import io
import json
import os
import pickle
import random
import shutil
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from eqae.strict_json import SEAL_KEY
from forged_manifest import Document, forge, resealed

WEIGHTS, MANIFEST, CONFIG = "model.safetensors", "manifest.json", "config.yaml"
FILES = (WEIGHTS, MANIFEST, CONFIG)
PAYLOAD = "eqae_payload_of_a_test"
"""A module that can be imported; its import makes the sentinel."""


@dataclass(frozen=True)
class Case:
    """One hostile directory: what was done, to whom the message must point, and how it is done to a good run."""

    label: str
    file: str
    damage: Callable[[Path], object]


def hostile_cases(good: Path, other: Path, sentinel: Path) -> list[Case]:
    """All cases, for copies of ``good``; whatever executes one of them makes ``sentinel``."""
    return [
        *_truncations(good), *_flips(good), *_swaps(other), *_pickles(sentinel), *_bombs(), *_no_plain_files(other),
        *_broken_json(), *_names_of_code(), *_names_of_files(), *_wrong_values(good), *_wrong_tensors(good),
        *_wrong_golden(), *_other_directories(sentinel),
    ]  # fmt: skip


# --- damage ---------------------------------------------------------------------------------------------------


def _truncations(good: Path) -> Iterator[Case]:
    for name in FILES:
        size = (good / name).stat().st_size
        for kept in sorted({0, 1, 7, 8, 9, *(size * i // 10 for i in range(10)), size - 1} & set(range(size))):
            yield Case(f"{name} cut to {kept} bytes", name, partial(_cut, name, kept))


def _cut(name: str, kept: int, run: Path) -> None:
    os.truncate(run / name, kept)


def _flips(good: Path) -> Iterator[Case]:
    chance = random.Random(0)
    weights = (good / WEIGHTS).read_bytes()
    size = int.from_bytes(weights[:8], "little")
    header = json.loads(weights[8 : 8 + size])
    places = [(WEIGHTS, 0), (WEIGHTS, 7), (WEIGHTS, 8), (WEIGHTS, 8 + size // 2)]
    places += [(WEIGHTS, 8 + size + facts["data_offsets"][0] + 1) for facts in header.values() if "dtype" in facts]
    places += [(MANIFEST, chance.randrange((good / MANIFEST).stat().st_size)) for _ in range(40)]
    places += [(CONFIG, place) for place in range((good / CONFIG).stat().st_size)]
    for name, place in places:
        yield Case(f"{name}, one bit of byte {place}", name, partial(_flip, name, place, chance.randrange(8)))


def _flip(name: str, place: int, bit: int, run: Path) -> None:
    content = bytearray((run / name).read_bytes())
    content[place] ^= 1 << bit
    (run / name).write_bytes(content)


def _swaps(other: Path) -> Iterator[Case]:
    blamed = {WEIGHTS: WEIGHTS, CONFIG: CONFIG, MANIFEST: WEIGHTS}
    for name in FILES:
        yield Case(f"{name} of another run", blamed[name], partial(_replace, name, (other / name).read_bytes()))
    for first, second in ((WEIGHTS, CONFIG), (MANIFEST, CONFIG), (WEIGHTS, MANIFEST)):
        blame = MANIFEST if MANIFEST in (first, second) else WEIGHTS
        yield Case(f"{first} and {second} exchanged", blame, partial(_exchange, first, second))
    forged = partial(_replace_and_forge, WEIGHTS, (other / WEIGHTS).read_bytes())
    yield Case("weights of another run under hashes that fit", MANIFEST, forged)


def _replace(name: str, content: bytes, run: Path) -> None:
    (run / name).write_bytes(content)


def _replace_and_forge(name: str, content: bytes, run: Path) -> None:
    (run / name).write_bytes(content)
    forge(run, lambda document: None)


def _exchange(first: str, second: str, run: Path) -> None:
    contents = (run / first).read_bytes(), (run / second).read_bytes()
    (run / second).write_bytes(contents[0])
    (run / first).write_bytes(contents[1])


# --- what runs or swells when it is opened --------------------------------------------------------------------


class Trap:
    """Unpickling it makes the sentinel."""

    def __init__(self, sentinel: Path) -> None:
        self.sentinel = sentinel

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.sentinel),)


def _pickles(sentinel: Path) -> Iterator[Case]:
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        plain = pickle.dumps(Trap(sentinel), protocol)
        for kind, content in (("", plain), (" in a zip archive", _zipped("archive/data.pkl", plain))):
            for name in FILES:
                label = f"{name} is a pickle of protocol {protocol}{kind}"
                yield Case(label, name, partial(_replace, name, content))
            label = f"pickled weights of protocol {protocol}{kind}, under hashes that fit"
            yield Case(label, WEIGHTS, partial(_replace_and_forge, WEIGHTS, content))


def _zipped(name: str, content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, content)
    return file.getvalue()


def zip_bomb(megabytes: int) -> bytes:
    """A zip archive of a kilobyte a megabyte; its one member is written by hand, out of one block many times over."""
    squeezer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = squeezer.compress(bytes(2**20)) + squeezer.flush(zlib.Z_FULL_FLUSH)
    body = block * megabytes + squeezer.flush()
    facts = struct.pack("<HHHHHIIIHH", 20, 0, 8, 0, 0, 0, len(body), megabytes * 2**20, 8, 0)
    local = b"PK\3\4" + facts + b"data.pkl" + body
    central = b"PK\1\2" + struct.pack("<H", 20) + facts + struct.pack("<HHHII", 0, 0, 0, 0, 0) + b"data.pkl"
    return local + central + b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(central), len(local), 0)


def _bombs() -> Iterator[Case]:
    swelling = {"zip": zip_bomb(2100), "gzip": gzip.compress(bytes(2**20)) * 2100}
    for kind, content in swelling.items():
        for name in FILES:
            yield Case(f"{name} is a {kind} bomb", name, partial(_replace, name, content))
        forged = partial(_replace_and_forge, WEIGHTS, content)
        yield Case(f"a {kind} bomb as weights, under hashes that fit", WEIGHTS, forged)
    tall = json.dumps({"w": {"dtype": "F32", "shape": [10**6, 10**6], "data_offsets": [0, 4 * 10**12]}}).encode()
    lies = {"a header of 10^12 bytes": (10**12).to_bytes(8, "little"), "a header of 2^64 bytes": b"\xff" * 8}
    lies |= {"a tensor of 10^12 numbers": len(tall).to_bytes(8, "little") + tall}
    for kind, content in lies.items():
        yield Case(f"weights with {kind}", WEIGHTS, partial(_replace, WEIGHTS, content + b"{}"))
        forged = partial(_replace_and_forge, WEIGHTS, content + b"{}")
        yield Case(f"weights with {kind}, under hashes that fit", WEIGHTS, forged)
    for name, blamed in ((WEIGHTS, MANIFEST), (CONFIG, MANIFEST)):
        yield Case(f"{name} has 10^12 bytes of nothing, as announced", blamed, partial(_hollow, name, True))
        yield Case(f"{name} has 10^12 bytes of nothing", name, partial(_hollow, name, False))
    yield Case("manifest of 10^12 bytes of nothing", MANIFEST, partial(_hollow, MANIFEST, False))


def _hollow(name: str, announced: bool, run: Path) -> None:
    """A file that takes no room on the disk and would fill the memory."""
    if announced:
        forge(run, lambda document: document["files"][name].update(bytes=10**12))
    os.truncate(run / name, 10**12)


# --- what is no plain file ------------------------------------------------------------------------------------


def _no_plain_files(other: Path) -> Iterator[Case]:
    for name in FILES:
        ways: dict[str, Callable[[Path], object]] = {
            "missing": Path.unlink,
            "a directory": partial(_instead, Path.mkdir),
            "a pipe": partial(_instead, os.mkfifo),
            "a link to another run": partial(_instead, lambda path, to=other / name: path.symlink_to(to)),
            "a link to nowhere": partial(_instead, lambda path: path.symlink_to("nowhere")),
            "a link to itself": partial(_instead, lambda path: path.symlink_to(path.name)),
            "a link to a device": partial(_instead, lambda path: path.symlink_to("/dev/zero")),
            "a link to the password file": partial(_instead, lambda path: path.symlink_to("/etc/passwd")),
        }
        for kind, change in ways.items():
            gone = name == MANIFEST and kind in ("missing", "a link to nowhere", "a link to itself")
            blamed = "" if gone else name  # without a manifest the directory is none of ours
            yield Case(f"{name} is {kind}", blamed, lambda run, name=name, change=change: change(run / name))


def _instead(make: Callable[[Path], object], path: Path) -> None:
    path.unlink()
    make(path)


# --- a manifest that is no manifest ---------------------------------------------------------------------------

INSIDE: dict[str, Callable[[str], str]] = {
    "a zero byte": lambda text: text.replace("digits", "\0"),
    "the same key twice": lambda text: text.replace('"group"', '"group": "D4", "group"', 1),
    "the same tensor twice": lambda text: text.replace('"tensors": {', '"tensors": {"a": 1, "a": 2,'),
    "a comment": lambda text: "// a comment\n" + text,
    "single quotes": lambda text: text.replace('"D4"', "'D4'"),
    "a comma too many": lambda text: text.replace('"digits",', '"digits",,'),
    "NaN": lambda text: text.replace('"golden": [[', '"golden": [[NaN, '),
    "a number beyond all": lambda text: text.replace('"golden": [[', '"golden": [[1e999, '),
    "ten thousand digits": lambda text: text.replace('"seed": 0', f'"seed": {"9" * 10_000}'),
    "half a letter": lambda text: text.replace("digits", "\\ud800"),
    "a byte order mark": lambda text: "\ufeff" + text,
}
OUTSIDE: dict[str, Callable[[str], str | bytes]] = {
    "UTF-16": lambda text: text.encode("utf-16"),
    "a Latin-1 letter": lambda text: text.replace("digits", "é").encode("latin-1"),
    "a second document": lambda text: text + text,
    "deep lists": lambda text: "[" * 200_000,
    "deep objects": lambda text: '{"format":' * 200_000,
    "a list": lambda text: "[1]",
    "a word": lambda text: '"manifest"',
    "a number": lambda text: "2",
    "null": lambda text: "null",
    "an empty object": lambda text: "{}",
    "YAML": lambda text: "format: 2\nspec: !!python/object/apply:os.system ['true']\n",
    "a page": lambda text: "<!DOCTYPE html><title>404</title>",
    "eight megabytes": lambda text: text + " " * 8_000_000,
    "no seal": lambda text: text.rpartition(",")[0] + "\n}\n",
    "a line feed more": lambda text: text + "\n",
}


def _broken_json() -> Iterator[Case]:
    for kind, change in (INSIDE | OUTSIDE).items():
        yield Case(f"manifest: {kind}", MANIFEST, partial(_rewrite, change, False))
    for kind, inside in INSIDE.items():
        yield Case(f"manifest, sealed again: {kind}", MANIFEST, partial(_rewrite, inside, True))


def _rewrite(change: Callable[[str], str | bytes], seal: bool, run: Path) -> None:
    changed = change((run / MANIFEST).read_text())
    content = changed.encode() if isinstance(changed, str) else changed
    assert content != (run / MANIFEST).read_bytes()
    (run / MANIFEST).write_bytes(resealed(content) if seal else content)


# --- a manifest that wants too much ---------------------------------------------------------------------------


def _forged(label: str, change: Callable[[Document], object]) -> Case:
    return Case(f"forged manifest: {label}", MANIFEST, lambda run: forge(run, change))


def _at(path: str, value: object) -> Callable[[Document], object]:
    """Set the value at ``path``, keys with dots between them."""

    def change(document: Document) -> None:
        *steps, last = path.split(".")
        for step in steps:
            document = document[step]
        document[last] = value

    return change


def _names_of_code() -> Iterator[Case]:
    call = f"{PAYLOAD}.run"
    nested = {"class_path": call, "init_args": {}}
    names: dict[str, object] = {
        "plugins": [PAYLOAD], "spec.plugins": [PAYLOAD], "spec.model_options.plugins": [PAYLOAD],
        "spec.head_options.plugins": [PAYLOAD], "_target_": call, "spec._target_": call,
        "spec.model_options._target_": call, "spec.head_options._target_": call, "spec.model_options.class_path": call,
        "spec.head_options.class_path": call, "spec.model_options.base": nested, "spec.head_options.post": [nested],
        "spec.model_options.fields": nested, "spec.model_options._instantiator": call, "hyper_parameters": nested,
        "spec.model": call, "spec.head": call, "spec.dataset": f"{PAYLOAD}:run", "spec.model_options.group": call,
        "group": call, "spec.model_options": nested, "spec": nested, "format": nested,
    }  # fmt: skip
    for path, value in names.items():
        yield _forged(f"{path} names code", _at(path, value))
    for name in (
        f"{PAYLOAD}:run",
        "os:system",
        "eqae.models.cnn:build_cnn",
        "builtins.eval",
        "__import__",
        f"../{call}",
    ):
        yield _forged(f"model {name}", _at("spec.model", name))
        yield _forged(f"head {name}", _at("spec.head", name))


def _names_of_files() -> Iterator[Case]:
    facts = {"sha256": "0" * 64, "bytes": 1}
    names = [
        "../secret", "../../etc/passwd", "/etc/passwd", "/dev/zero", "a/b", "a\\b", "C:\\x", "..", ".", "", ".hidden",
        "x\0y", "manifest.json/..", "~root", "file:///etc/passwd", "https://example.org/x", "x" * 300, "x\n", "\x1b[2J",
    ]  # fmt: skip
    for name in names:
        yield _forged(
            f"a file called {name[:30]!r}", lambda document, name=name: document["files"].update({name: facts})
        )
    yield _forged("no file", _at("files", {}))
    yield _forged("no weights", lambda document: document["files"].pop(WEIGHTS))


def _wrong_values(good: Path) -> Iterator[Case]:
    document = json.loads((good / MANIFEST).read_text())
    for key in document.keys() - {SEAL_KEY}:
        yield _forged(f"{key} is left out", lambda document, key=key: document.pop(key))
        for value in (None, [None], "x", -1):
            yield _forged(f"{key} is {value}", _at(key, value))
    for key in document["spec"]:
        yield _forged(f"spec.{key} is left out", lambda document, key=key: document["spec"].pop(key))
        for value in (None, [None], 1.5):
            yield _forged(f"spec.{key} is {value}", _at(f"spec.{key}", value))
    for key in (0, 3, 99, -1, True, 2.0, "2", 10**30):
        yield _forged(f"format is {key!r}", _at("format", key))
    huge: list[object] = [10**12, 10**30, 1e300, -1, 0, [10**12], [4096] * 300, {"a": {"b": {"c": {"d": {"e": 1}}}}}]
    for value in huge:
        for key in ("code", "fields"):
            yield _forged(f"{key} is {str(value)[:30]}", _at(f"spec.model_options.{key}", value))
    for shape in ([1, 10**12, 10**12], [1, 2048, 2048], [10**9, 5, 5], [1, 0, 0], [1, -5, -5], [1, 5], [], [1, 5, 6]):
        yield _forged(f"image shape {shape}", _at("spec.image_shape", shape))


def _wrong_golden() -> Iterator[Case]:
    changes: dict[str, Callable[[list[list[float]]], object]] = {
        "a number moved by a thousandth": lambda golden: golden[0].__setitem__(0, golden[0][0] * 1.001 + 1e-3),
        "rows exchanged": lambda golden: golden.reverse(),
        "a row too few": lambda golden: golden.pop(),
        "a row too many": lambda golden: golden.append(golden[0]),
        "a number too few": lambda golden: golden[1].pop(),
        "zeros": lambda golden: golden.__setitem__(0, [0.0] * len(golden[0])),
        "a word": lambda golden: golden[0].__setitem__(0, "0.5"),  # type: ignore[call-overload]
    }
    for kind, change in changes.items():
        yield _forged(f"golden features: {kind}", lambda document, change=change: change(document["golden"]))
    yield _forged("another head", _at("spec.head", "correlation"))
    yield _forged("another group of this order", lambda document: (
        _at("spec.model_options.group", "D2")(document), _at("group", "D2")(document)
    ))  # fmt: skip


# --- weights under hashes that fit ----------------------------------------------------------------------------


def _wrong_tensors(good: Path) -> Iterator[Case]:
    tensors = safetensors.torch.load((good / WEIGHTS).read_bytes())
    first = next(name for name in tensors if name.startswith("encoder") and tensors[name].dim() > 1)
    for dtype in (torch.float64, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.complex64, torch.bool):
        yield _weights(f"{first} as {dtype}", tensors | {first: tensors[first].to(dtype)})
    for name, tensor in tensors.items():
        yield _weights(f"no {name}", {key: value for key, value in tensors.items() if key != name})
        if tensor.is_floating_point():
            yield _weights(f"{name} not finite", tensors | {name: torch.full_like(tensor, float("nan"))}, WEIGHTS)
        yield _weights(f"{name} with an axis more", tensors | {name: tensor.unsqueeze(0)})
    yield _weights("a tensor more", tensors | {"added": torch.zeros(1)})
    yield _weights("a tensor of a head more", tensors | {"head.mean": torch.zeros(1)})
    yield _weights("a tensor of no numbers", tensors | {first: tensors[first][:0]})
    yield _weights("a changed number", tensors | {first: tensors[first] + 0.5})


def _weights(label: str, tensors: dict[str, torch.Tensor], file: str = MANIFEST) -> Case:
    content = safetensors.torch.save(tensors)
    facts = {name: {"shape": list(t.shape), "dtype": str(t.dtype)[6:]} for name, t in tensors.items()}

    def damage(run: Path) -> None:
        (run / WEIGHTS).write_bytes(content)
        forge(run, lambda document: document.update(tensors=facts))

    return Case(f"forged weights: {label}", file, damage)


# --- what is no run directory ---------------------------------------------------------------------------------


def _other_directories(sentinel: Path) -> Iterator[Case]:
    trap = pickle.dumps(Trap(sentinel))
    contents: dict[str, dict[str, bytes]] = {
        "empty": {},
        "a config alone": {CONFIG: b"name: run\n"},
        "a Lightning checkpoint": {"last.ckpt": _zipped("archive/data.pkl", trap)},
        "pickled weights": {"pytorch_model.bin": trap, "config.json": b"{}"},
        "arrays of objects": {"weights.npz": _zipped("a.npy", trap)},
        "a model of another library": {WEIGHTS: b"{}", "config.json": b"{}"},
        "a plugin beside nothing": {f"{PAYLOAD}.py": b"raise SystemExit\n", "sitecustomize.py": b"raise SystemExit\n"},
    }
    for kind, files in contents.items():
        yield Case(f"directory: {kind}", "", partial(_only, files))
    yield Case("no directory", "", shutil.rmtree)
    yield Case("a pickle instead of the directory", "", lambda run: (shutil.rmtree(run), run.write_bytes(trap)))
    yield Case("a pipe instead of the directory", "", lambda run: (shutil.rmtree(run), os.mkfifo(run)))
    yield Case("a link to itself instead of the directory", "", lambda run: (shutil.rmtree(run), run.symlink_to(run)))


def _only(files: dict[str, bytes], run: Path) -> None:
    shutil.rmtree(run)
    run.mkdir()
    for name, content in files.items():
        (run / name).write_bytes(content)
