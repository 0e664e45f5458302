"""The edge to the shell: exit codes, and help that lists every key."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel
from rich.console import Console

from eqae.config import Choice, Config
from eqae.errors import EqaeError
from eqae.registry import DATASETS, EVALUATORS, HEADS, MODELS, OBJECTIVES, Registry

USER_ERROR = 2
INTERRUPTED = 130


def guarded(action: Callable[[], None]) -> int:
    """Run ``action`` and give the exit code: 0 done, 2 the user's input is wrong (one message, no traceback)."""
    try:
        action()
    except EqaeError as error:
        Console(stderr=True, soft_wrap=True).print(f"error: {error}", markup=False, highlight=False)
        return USER_ERROR
    except KeyboardInterrupt:
        Console(stderr=True).print("interrupted; continue with --resume")
        return INTERRUPTED
    return 0


def key_help() -> str:
    """Every key of the YAML with its default and meaning, then the options of every registered name."""
    lines = ["keys (in the YAML, or as key.sub=value on the command line):", *_section_lines(Config, "")]
    for key, registry in (("data", DATASETS), ("model", MODELS), ("head", HEADS), ("evaluators", EVALUATORS)):
        lines += ["", f"{key}: registered names and their options"]
        lines += [f"  {name:18} {', '.join(_options(registry, name)) or '-'}" for name in registry]
    lines += ["", f"objective: {', '.join(OBJECTIVES)}"]
    return "\n".join(lines)


def _section_lines(section: type[BaseModel], prefix: str) -> Iterator[str]:
    for key, field in section.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _section_lines(kind, f"{prefix}{key}.")
            if issubclass(kind, Choice):
                yield f"  {prefix}{key + '.…':28} options of the chosen {key}, listed below"
        else:
            name = f"{prefix}{key}{'.<label>' if kind is not None and _holds_sections(kind) else ''}"
            default = "" if field.default in ({}, ()) or len(str(field.default)) > 40 else f" [{field.default}]"
            yield f"  {name:28} {field.description or ''}{default}"
            for inner in get_args(kind):
                if isinstance(inner, type) and issubclass(inner, BaseModel) and not issubclass(inner, Choice):
                    yield from _section_lines(inner, f"{name}.")


def _holds_sections(kind: Any) -> bool:
    return any(isinstance(inner, type) and issubclass(inner, BaseModel) for inner in get_args(kind)[1:])


def _options(registry: Registry, name: str) -> list[str]:
    """Keyword-only parameters of what ``name`` stands for, read from its source: importing it would import torch."""
    target = registry.location(name)
    if target is None:
        return []
    module, attribute = target
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        return []
    definition = next(
        (node for node in ast.parse(Path(spec.origin).read_text()).body if getattr(node, "name", None) == attribute),
        None,
    )
    if isinstance(definition, ast.ClassDef):
        definition = next((node for node in definition.body if getattr(node, "name", None) == "__init__"), None)
    if not isinstance(definition, ast.FunctionDef):
        return []
    arguments = zip(definition.args.kwonlyargs, definition.args.kw_defaults, strict=True)
    return [
        f"{argument.arg}={'required' if default is None else ast.unparse(default)}"
        for argument, default in arguments
        if argument.arg != "image_shape"
    ]
