"""The manifest of a checkpoint: names, shapes, hashes and golden features, in strict JSON.

The reader trusts nothing: sizes are capped before parsing, unknown keys are errors, names hold no separators, and
numbers are bounded before anything is built from them. Format 1 had no seal: a changed digit that no other check looks
at, of the seed say, went unseen in it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    JsonValue,
    StringConstraints,
    ValidationError,
)

from eqae.errors import CheckpointError, Problem
from eqae.strict_json import SEAL_KEY, check_seal, read_json, sealed

FORMAT: Final = 2
SEALED: Final = 2
"""The first format whose documents are sealed."""
MANIFEST = "manifest.json"
WEIGHTS = "model.safetensors"
MAX_BYTES = 8_000_000
"""Largest manifest that is read; golden features of two images and 250,000 features still fit."""
MAX_NUMBER = 2**20
MAX_DEPTH = 4
MAX_ITEMS = 256
MAX_FILE = 2**30
"""Bytes of any file beside the manifest; its claims decide how much memory is asked for."""
MAX_SIDE = 2048
"""A kernel that covers more than half of this needs index tables of half a gigabyte."""
ALTERED = "the file was altered or damaged: copy the run directory again, or train it again"


def _bounded(value: JsonValue, depth: int = 0) -> JsonValue:
    """Refuse numbers and nestings that only an attack or an accident holds."""
    if isinstance(value, (int, float)) and not abs(value) <= MAX_NUMBER:  # so written, NaN is refused too
        raise ValueError(f"numbers up to {MAX_NUMBER}")
    if isinstance(value, (list, dict)):
        if depth == MAX_DEPTH or len(value) > MAX_ITEMS:
            raise ValueError(f"at most {MAX_DEPTH} levels and {MAX_ITEMS} items in one place")
        for item in value.values() if isinstance(value, dict) else value:
            _bounded(item, depth + 1)
    return value


STRICT = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")]
"""A registered name or a plain file name: no separators, no leading dot, nothing that could be a path or a module."""
RegisteredName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$")]
Options = Annotated[dict[str, JsonValue], AfterValidator(_bounded)]
Side = Annotated[int, Field(ge=1, le=MAX_SIDE)]


@dataclass(frozen=True)
class ModelSpec:
    """All that is needed to build a model and its head again; plain JSON values only.

    Attributes:
        model: registered name, e.g. ``"eqae"``.
        model_options: its options, as in YAML.
        head: registered name of the head that gives the features.
        head_options: its options.
        image_shape: ``(C, H, W)``.
        dataset: registered name of the data it was trained on.
        seed: seed of the run.
    """

    model: RegisteredName
    model_options: Options
    head: RegisteredName
    head_options: Options
    image_shape: tuple[Annotated[int, Field(ge=1, le=3)], Side, Side]
    dataset: Name
    seed: Annotated[int, Field(ge=-(2**63), lt=2**64)]

    __pydantic_config__ = STRICT


class TensorFacts(BaseModel):
    """Shape and type (``"float32"``) of one tensor."""

    model_config = STRICT

    shape: tuple[int, ...]
    dtype: str


class FileFacts(BaseModel):
    """What a file must hash to, and how long it is."""

    model_config = STRICT

    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    bytes: Annotated[int, Field(ge=0, le=MAX_FILE)]


class Manifest(BaseModel):
    """``manifest.json`` of the newest format.

    Attributes:
        format: version of this schema.
        spec: rebuilds the model and its head.
        group: name of the model's group.
        parameters: number of learnable numbers.
        tensors: shape and type of everything in ``model.safetensors``, by name; ``head.`` stands before what the head
            was fitted with.
        files: hash and size of every file that is verified before it is used, by name.
        versions: of the libraries that wrote the checkpoint; for people.
        golden: features of the fixed golden images, one row an image; float32 numbers, restored exactly.
    """

    model_config = STRICT

    format: Literal[2]
    spec: ModelSpec
    group: str
    parameters: Annotated[int, Field(ge=0)]
    tensors: dict[str, TensorFacts]
    files: dict[Name, FileFacts]
    versions: dict[str, str]
    golden: tuple[tuple[FiniteFloat, ...], ...]

    def to_json(self) -> str:
        """Indented for people, with one line a tensor and one for all golden features; the last line is the seal."""
        document = self.model_dump(mode="json", warnings=False)  # tuples become lists without a word
        golden = json.dumps(document.pop("golden"), allow_nan=False)
        lines = [f"    {json.dumps(name)}: {json.dumps(facts)}" for name, facts in document.pop("tensors").items()]
        tensors = "{\n" + ",\n".join(lines) + "\n  }"
        head = json.dumps(document, indent=2, allow_nan=False).removesuffix("\n}")
        return sealed(f'{head},\n  "tensors": {tensors},\n  "golden": {golden},\n')


Document = dict[str, Any]
MIGRATIONS: dict[int, Callable[[Document], Document]] = {
    1: lambda document: document | {"format": 2},
}
"""From a document of each older format to the same of the next. An entry is never removed."""


def parse_manifest(data: bytes, path: str | Path) -> Manifest:
    """The manifest that ``data``, the content of ``path``, holds; older formats are brought to the newest.

    Raises:
        CheckpointError: not JSON, damaged, made by a newer version, or not exactly the shape of :class:`Manifest`.
    """
    try:
        text = json.dumps(_newest(read_json(data), data, path))
    except (ValueError, RecursionError) as error:
        raise CheckpointError(str(path), f"not JSON ({error})", "the manifest of a checkpoint", ALTERED) from None
    try:
        manifest = Manifest.model_validate_json(text)
    except ValidationError as error:
        raise CheckpointError.of(_problems(path, error)) from None
    if WEIGHTS not in manifest.files:
        raise CheckpointError(f"{path}, files", f"no {WEIGHTS!r}", "the hash of the weights", ALTERED)
    return manifest


def _newest(document: Any, data: bytes, path: str | Path) -> Any:
    """The document in the newest format, its seal verified and taken off; what is no manifest comes back as it is."""
    version = document.get("format") if isinstance(document, dict) else None
    if type(version) is not int:  # True is an int to isinstance
        return document
    if version > FORMAT:
        raise CheckpointError(
            str(path), f"format {_short(version)}, made by a newer eqae", f"format {FORMAT} or older", "upgrade eqae"
        )
    if version >= SEALED:
        check_seal(data, path, ALTERED)
        document = {key: value for key, value in document.items() if key != SEAL_KEY}
    while version in MIGRATIONS:
        document, version = MIGRATIONS[version](document), version + 1
    return document


def _problems(path: str | Path, error: ValidationError) -> list[Problem]:
    return [
        _problem(path, item["type"], item["loc"], item["input"], item["msg"])
        for item in error.errors(include_url=False)[:5]
    ]


def _problem(path: str | Path, kind: str, place: tuple[int | str, ...], value: Any, message: str) -> Problem:
    where = ", ".join(filter(None, [str(path), ".".join(_plain(part) for part in place)]))
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):  # of a model, of a dataclass
        plugins = "checkpoints never name code; put plugins into the config that you pass to a command"
        return Problem(where, "unknown key", "", plugins if place[-1] == "plugins" else ALTERED)
    if kind == "missing":
        return Problem(where, "missing", "", ALTERED)
    expected = message.removeprefix("Input should be ").removeprefix("Value error, ")
    return Problem(where, f"found {_short(value)}", expected, ALTERED)


def _plain(part: int | str) -> str:
    """A key from a file, cut, and without the control characters that a terminal would obey."""
    return "".join(letter if letter.isprintable() else "?" for letter in str(part)[:60])


def _short(value: Any) -> str:
    """``repr`` of a value from a file, cut to fit a line; a huge integer has no decimal form to cut."""
    if isinstance(value, int) and value.bit_length() > 200:
        return f"an integer of {value.bit_length()} bits"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
