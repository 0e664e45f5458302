"""The model card: the ``README.md`` of a run directory, for whoever finds the checkpoint next year."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from eqae.files import write_atomically
from eqae.groups import Group, get_group
from eqae.manifest import Manifest, ModelSpec
from eqae.verification import read_manifest

CARD = "README.md"


def write_card(
    directory: str | Path, spec: ModelSpec, results_rows: Sequence[Mapping[str, Any]] | None, facts: Mapping[str, str]
) -> None:
    """Write ``README.md``: what the model is, how to load it, its figures, how it was trained, and its limits.

    Args:
        directory: a run directory that :func:`eqae.checkpoint.save_checkpoint` has completed.
        spec: of the model.
        results_rows: rows as in ``results.json``; None where nothing was judged.
        facts: what was done, in the words of whoever did it.

    Raises:
        CheckpointError: there is no checkpoint in ``directory``.
    """
    folder = Path(directory)
    manifest = read_manifest(folder)
    sections = [
        _introduction(folder.resolve().name, spec, manifest),
        _loading(folder, spec, manifest),
        _figures(results_rows),
        _training(spec, manifest, facts),
        _limits(spec, get_group(manifest.group)),
    ]
    write_atomically(folder / CARD, "\n\n".join(sections) + "\n")


def _introduction(name: str, spec: ModelSpec, manifest: Manifest) -> str:
    channels, height, width = spec.image_shape
    colour = "grey" if channels == 1 else f"{channels}-channel"
    return (
        f"# {name}\n\n"
        f"Turns {colour} images of {height}x{width} pixels into {_width(manifest)} features each. The model is "
        f"`{spec.model}` with the group {manifest.group} and {manifest.parameters:,} parameters, made for the data "
        f"`{spec.dataset}`; the head `{spec.head}` draws the features from its embedding."
    )


def _loading(folder: Path, spec: ModelSpec, manifest: Manifest) -> str:
    axes = ", ".join(map(str, spec.image_shape[1:] if spec.image_shape[0] == 1 else spec.image_shape))
    return (
        "## Load\n\n```python\nimport eqae\n\n"
        f'extractor = eqae.load_extractor("{folder.as_posix()}")\n'
        f"features = extractor.transform(images)  # (N, {axes}), uint8 or float in [0, 1] -> (N, {_width(manifest)})\n"
        "```\n\n"
        "It is a scikit-learn transformer. Weights are safetensors; loading verifies their hash and the features of "
        "two fixed images, and executes nothing from this folder."
    )


def _figures(rows: Sequence[Mapping[str, Any]] | None) -> str:
    if not rows:
        return "## Figures\n\nNot judged yet: `uv run evaluate.py` with this folder."
    header = ("model", "data", "metric", "condition", "value", "95 % interval", "better", "images")
    lines = [
        (
            row["model"], row["dataset"], row["metric"], row["condition"], _number(row["value"]),
            _interval(row["low"], row["high"]), "higher" if row["higher_is_better"] else "lower", row["n"],
        )
        for row in rows
    ]  # fmt: skip
    return f"## Figures\n\n{_table(header, lines)}"


def _training(spec: ModelSpec, manifest: Manifest, facts: Mapping[str, str]) -> str:
    known = {
        "data": spec.dataset,
        "seed": str(spec.seed),
        "libraries": ", ".join(f"{name} {number}" for name, number in manifest.versions.items()),
    }
    return f"## How it was made\n\n{_table(('', ''), list((known | dict(facts)).items()))}"


def _limits(spec: ModelSpec, group: Group) -> str:
    _, height, width = spec.image_shape
    return "\n".join(
        [
            "## Limits",
            "",
            *_invariance(group),
            "- Shifted images: nothing is guaranteed. Centre the object first.",
            f"- Other sizes than {height}x{width} are refused: resize, and expect other figures than those above.",
            f"- Images unlike those of `{spec.dataset}` get features too; whether they mean anything is untested.",
            "- Scale, contrast and brightness: whatever training made of them.",
        ]
    )


def _invariance(group: Group) -> list[str]:
    if group.order == 1:
        return [
            "- Turned or mirrored images: the network has no symmetry, so nothing is exact. "
            "Features change by as much as the invariance figures say."
        ]
    handedness = (
        "- Mirror images have equal features: what only handedness tells apart cannot be told apart."
        if group.reflections
        else "- Mirror images have different features: handedness is seen."
    )
    exact = _symmetries(group.lattice) or "nothing but the identity"
    steps = "" if group.is_lattice else f"; nearly so by {360 / group.rotations:g} degrees, whose turns are built in"
    return [
        f"- Exact, up to float rounding: {exact} of the image.",
        f"- Approximate: turns by other angles, which interpolate pixels and lose the corners{steps}.",
        handedness,
    ]


def _symmetries(group: Group) -> str:
    turns = f"turns by multiples of {360 // group.rotations} degrees" if group.rotations > 1 else ""
    mirrors = ("mirror reflections" if turns else "left-right mirror reflections") if group.reflections else ""
    return " and ".join(filter(None, [turns, mirrors]))


def _table(header: Sequence[str], lines: Sequence[Sequence[Any]]) -> str:
    rows = [header, ["---"] * len(header), *lines]
    return "\n".join("| " + " | ".join(_cell(value) for value in row) + " |" for row in rows)


def _cell(value: Any) -> str:
    return " ".join(str(value).split()).replace("|", "\\|")


def _number(value: float | None) -> str:
    return "not defined" if value is None or math.isnan(value) else f"{value:.4g}"


def _interval(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"{_number(low)} to {_number(high)}"


def _width(manifest: Manifest) -> int:
    return len(manifest.golden[0])
