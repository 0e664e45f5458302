"""The shape of the code: a thermometer of function lengths, and a few walls between rooms."""

from __future__ import annotations

import ast
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest

import eqae.errors

PACKAGE = Path(eqae.errors.__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.py"))
LONGEST = 60
LIBRARY = ("nn", "models", "heads", "objectives")
FOREIGN = ("eqae.config", "eqae.training", "pytorch_lightning", "lightning", "wandb")
Function = ast.FunctionDef | ast.AsyncFunctionDef


def parsed() -> Iterator[tuple[str, ast.Module]]:
    for source in SOURCES:
        yield str(source.relative_to(PACKAGE)), ast.parse(source.read_text())


def lines_of(function: Function) -> int:
    """Lines from ``def`` to the end, without the docstring."""
    length = (function.end_lineno or function.lineno) - function.lineno + 1
    if ast.get_docstring(function) is None:
        return length
    docstring = function.body[0]
    return length - ((docstring.end_lineno or docstring.lineno) - docstring.lineno + 1)


def public_names(body: list[ast.stmt], prefix: str) -> Iterator[tuple[str, ast.ClassDef | Function]]:
    """Classes and functions that a user may call, with the methods of the classes."""
    for node in body:
        if isinstance(node, ast.ClassDef | Function) and not node.name.startswith("_"):
            yield f"{prefix}.{node.name}", node
            if isinstance(node, ast.ClassDef):
                yield from public_names(node.body, f"{prefix}.{node.name}")


def imported(module: ast.Module) -> Iterator[str]:
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_no_function_is_too_long_to_read_in_one_look() -> None:
    lengths = sorted(
        (
            (lines_of(node), f"{path}:{node.lineno} {node.name}")
            for path, module in parsed()
            for node in ast.walk(module)
            if isinstance(node, Function)
        ),
        reverse=True,
    )
    counts = [length for length, _ in lengths]
    print(
        f"\n{len(counts)} functions in {len(SOURCES)} files: median {statistics.median(counts):g} lines, "
        f"90 % within {statistics.quantiles(counts, n=10)[-1]:g}, longest {counts[0]}"
    )
    print("\n".join(f"{length:4d}  {name}" for length, name in lengths[:10]))
    assert [name for length, name in lengths if length > LONGEST] == []


def test_every_public_name_has_a_docstring() -> None:
    silent = [path for path, module in parsed() if module.body and ast.get_docstring(module) is None]
    silent += [
        name
        for path, module in parsed()
        for name, node in public_names(module.body, path.removesuffix(".py").replace("/", "."))
        if ast.get_docstring(node) is None
    ]
    assert silent == []


@pytest.mark.parametrize("room", LIBRARY)
def test_library_code_knows_nothing_of_config_lightning_or_tracking(room: str) -> None:
    offences = [
        f"{path} imports {name}"
        for path, module in parsed()
        if path.startswith(f"{room}/")
        for name in imported(module)
        if any(name == foreign or name.startswith(f"{foreign}.") for foreign in FOREIGN)
    ]
    assert offences == []
