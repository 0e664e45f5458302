"""The edge to the shell: exit codes, and help that lists every key."""

from __future__ import annotations

import ast
import signal
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from rich.console import Console

from eqae.commands.threads import wait_briefly
from eqae.config import Choice, Config
from eqae.errors import EqaeError
from eqae.processes import speaks
from eqae.registry import DATASETS, EVALUATORS, GROUPS, HEADS, LARGEST_ORDER, MODELS, OBJECTIVES

USER_ERROR = 2
INTERRUPTED = 130
TERMINATED = 143


class Terminated(SystemExit):
    """SIGTERM, raised where the command was; nobody has to catch it, for it carries the exit code."""

    def __init__(self) -> None:
        super().__init__(TERMINATED)


def guarded(action: Callable[[], None], then: str = "") -> int:
    """Run ``action`` and give the exit code: 0 done, 2 the user's input is wrong (one message, no traceback).

    Ctrl-C gives 130 and SIGTERM 143, as shells have it, each with one line.

    Args:
        action: what is done; whatever it writes must be whole at any moment.
        then: what to do after either of the two, such as ``continue with --resume``.
    """
    wait_briefly()
    with _plain_warnings(), _listening() as sigterm:
        try:
            action()
        except BaseException as error:
            # What breaks on the way out, such as loader processes that were stopped too, is no news.
            code = TERMINATED if sigterm.received else _exit_code(error)
            _say(code, error, f"; {then}" if then else "")
            return code
    return 0


def _exit_code(error: BaseException) -> int:
    match error:
        case EqaeError():
            return USER_ERROR
        case KeyboardInterrupt():
            return INTERRUPTED
    raise error


def _say(code: int, error: BaseException, then: str) -> None:
    if not speaks():
        return
    line = {USER_ERROR: f"error: {error}", INTERRUPTED: f"interrupted{then}", TERMINATED: f"stopped{then}"}[code]
    Console(stderr=True, soft_wrap=True).print(line, markup=False, highlight=False)


class _Sigterm:
    """A handler that raises :class:`Terminated` and remembers that it did."""

    received = False

    def __call__(self, *_: object) -> None:
        self.received = True
        raise Terminated


@contextmanager
def _listening() -> Iterator[_Sigterm]:
    """Listen to SIGTERM, in the main thread, where alone Python lets one."""
    handler = _Sigterm()
    if threading.current_thread() is not threading.main_thread():
        yield handler
        return
    before = signal.signal(signal.SIGTERM, handler)
    try:
        yield handler
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _plain_warnings() -> Iterator[None]:
    """Print warnings without the line of code that gives them."""
    usual, warnings.formatwarning = warnings.formatwarning, _plain_warning
    try:
        yield
    finally:
        warnings.formatwarning = usual


def _plain_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    """What a warning says to whoever runs the command."""
    return f"warning: {message}\n"


WITH_OPTIONS = (
    ("data", DATASETS), ("model", MODELS), ("head", HEADS), ("objective", OBJECTIVES), ("evaluators", EVALUATORS),
)  # fmt: skip
ANY_HEAD = (("eqae.heads.columns", "chosen_columns"), ("eqae.heads.postprocessing", "post_processed"))
"""Hold the options that every head has."""


def key_help() -> str:
    """Every key of the YAML with its default and meaning, then the options of every registered name."""
    lines = ["keys (in the YAML, or as key.sub=value on the command line):", *_section_lines(Config, "")]
    for key, registry in WITH_OPTIONS:
        lines += ["", f"{key}: registered names and their options"]
        lines += [f"  {name:20} {', '.join(_options(registry.location(name))) or '-'}" for name in registry]
        if registry is HEADS:
            shared = [option for place in ANY_HEAD for option in _options(place)]
            lines.append(f"  {'and any of them':20} {', '.join(shared)}")
    lines += ["", f"group: C1 ... C{LARGEST_ORDER}, D1 ... D{LARGEST_ORDER // 2}, or {', '.join(GROUPS.aliases())}"]
    return "\n".join(lines)


def _section_lines(section: type[BaseModel], prefix: str, default: BaseModel | None = None) -> Iterator[str]:
    """A section's keys; ``default`` is the section where it is left out, if its own defaults are not those."""
    for key, field in section.model_fields.items():
        kind, name = field.annotation, f"{prefix}{key}"
        held = field.default if default is None else getattr(default, key)
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _section_lines(kind, f"{name}.", held if isinstance(held, BaseModel) else None)
            if issubclass(kind, Choice):
                yield _line(f"{name}.…", f"options of the chosen {key}, listed below")
            continue
        inner = [part for part in get_args(kind) if isinstance(part, type) and issubclass(part, BaseModel)]
        labelled = get_origin(kind) is dict and bool(inner)
        yield _line(name, _meaning(field, held))
        for part in inner:
            if labelled:
                yield from _section_lines(part, f"{name}.<label>.")


def _line(name: str, meaning: str) -> str:
    return f"  {name:43} {meaning}"


def _meaning(field: FieldInfo, held: object) -> str:
    choices = " | ".join(str(word) for word in get_args(field.annotation)) if _is_literal(field) else ""
    default = "" if held in ({}, (), None) or len(str(held)) > 40 else f" [{held}]"
    return f"{field.description or ''}{f': {choices}' if choices else ''}{default}"


def _is_literal(field: FieldInfo) -> bool:
    return get_origin(field.annotation) is Literal


def _options(target: tuple[str, str] | None) -> list[str]:
    """Keyword-only parameters of ``(module, attribute)``, read from the source: importing it would import torch."""
    if target is None:
        return []
    module, attribute = target
    source = Path(__file__).parents[2].joinpath(*module.split(".")).with_suffix(".py")
    body = ast.parse(source.read_text(encoding="utf-8")).body
    definition = _named(body, attribute)
    if isinstance(definition, ast.ClassDef):
        definition = _named(definition.body, "__init__")
    if not isinstance(definition, ast.FunctionDef):
        return []
    arguments = zip(definition.args.kwonlyargs, definition.args.kw_defaults, strict=True)
    return [
        f"{argument.arg}={'required' if default is None else ast.unparse(default)}"
        for argument, default in arguments
        if argument.arg != "image_shape"
    ]


def _named(body: Sequence[ast.stmt], name: str) -> ast.stmt | None:
    return next((node for node in body if getattr(node, "name", None) == name), None)
