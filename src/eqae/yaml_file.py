"""Reading and writing YAML: safe, size-capped, with line numbers, and deaf to none of YAML's traps.

A key that is written twice is an error here; PyYAML would let the second win in silence.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn

import yaml

from eqae.errors import ConfigError, EqaeError

LARGEST = 1 << 20
"""Bytes; no config comes near it, a bomb does."""


class _StrictLoader(yaml.SafeLoader):
    """SafeLoader that refuses repeated keys, keys that are no words, aliases, and numbers in base 8 or 60.

    What YAML 1.1 takes for a date stays text, so that a run may be called ``2026-01-31``; so do yes, no, on and off,
    which are booleans only where the schema wants one.
    """

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise _marked("an alias (*name): write the value out", self.peek_event())
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise _marked(f"a key that is {_kind(key)}: put it in quotes", key_node)
            if key in seen:
                raise _marked(f"key {key!r} is written twice", key_node)
            seen.add(key)
        return super().construct_mapping(node, deep)

    def construct_number(self, node: yaml.ScalarNode) -> int | float:
        text = str(node.value)
        if ":" in text or re.fullmatch(r"[-+]?0[0-9_]+", text):
            raise _marked(f"{text} would be read in base {60 if ':' in text else 8}: write it another way", node)
        try:
            whole = node.tag == "tag:yaml.org,2002:int"
            return super().construct_yaml_int(node) if whole else super().construct_yaml_float(node)
        except ValueError as error:
            raise _marked(f"{text[:20]}... is no number that can be held ({error})", node) from None


_PLAIN = ("null", "bool", "int", "float", "str", "seq", "map")
_StrictLoader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern)
        for tag, pattern in resolvers
        if tag.rpartition(":")[2] in _PLAIN and not (tag.endswith(":bool") and first in "yYnNoO")
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_StrictLoader.yaml_constructors = {
    tag: make for tag, make in yaml.SafeLoader.yaml_constructors.items() if (tag or "").rpartition(":")[2] in _PLAIN
} | {
    None: yaml.SafeLoader.construct_undefined,
    "tag:yaml.org,2002:int": _StrictLoader.construct_number,
    "tag:yaml.org,2002:float": _StrictLoader.construct_number,
}


def read_yaml(path: Path, kind: type[EqaeError] = ConfigError) -> dict[str, Any]:
    """The mapping in a YAML file.

    Raises:
        ConfigError (or ``kind``): no such file, too large, not YAML, a repeated key, nothing in it, not a mapping.
    """
    try:
        if not path.is_file():
            _refuse_path(path, kind)
        if path.stat().st_size > LARGEST:
            raise kind(str(path), f"{path.stat().st_size} bytes", f"at most {LARGEST}")
        loaded = yaml.load(path.read_text(encoding="utf-8"), _StrictLoader)
    except (yaml.YAMLError, OSError, ValueError, RecursionError) as error:
        raise kind(_place(path, error), f"not readable as YAML: {_reason(error)}", "YAML in UTF-8") from None
    if not isinstance(loaded, dict):
        raise kind(str(path), _kind(loaded), "key: value lines", "write {} for a file that changes nothing")
    return loaded


def apply_overrides(raw: Mapping[str, Any], overrides: Iterable[str]) -> dict[str, Any]:
    """``raw`` with each ``key.sub=value`` written into it; values are read as YAML.

    Raises:
        ConfigError: not of the form ``key=value``, or a path through something that is not a section.
    """
    merged = _copy(raw)
    for override in overrides:
        path, equals, text = override.partition("=")
        keys = path.split(".")
        if not equals or not all(keys):
            raise ConfigError(f"argument {override!r}", "not of the form key.sub=value", "e.g. training.epochs=3")
        try:
            value = yaml.load(text, _StrictLoader)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise ConfigError(f"argument {override!r}", f"the value is not YAML: {_reason(error)}") from None
        section = merged
        for key in keys[:-1]:
            inner = section.setdefault(key, {})
            if isinstance(inner, str):  # `head: gram` is short for `head: {name: gram}`
                inner = section[key] = {"name": inner}
            if not isinstance(inner, dict):
                raise ConfigError(f"argument {override!r}", f"{key!r} holds {inner!r}", "a section with keys")
            section = inner
        section[keys[-1]] = value
    return merged


def dump_yaml(values: Mapping[str, Any]) -> str:
    """Plain values as block-style YAML, keys in the order given."""
    return yaml.safe_dump(dict(values), sort_keys=False, allow_unicode=True, default_flow_style=None, width=100)


def _refuse_path(path: Path, kind: type[EqaeError]) -> NoReturn:
    beside = sorted(str(p) for p in path.parent.glob("*.y*ml")) if path.parent.is_dir() else []
    fix = f"there are: {', '.join(beside)}" if beside else "give the path of a YAML file"
    raise kind(str(path), "no such file", "a YAML file", fix)


def _kind(value: Any) -> str:
    number = f"the number {value}"
    kinds = {bool: f"{value}", int: number, float: number, str: "a word", list: "a list", dict: "a section"}
    return kinds.get(type(value), "nothing")


def _marked(problem: str, where: Any) -> yaml.MarkedYAMLError:
    """The error for a node or an event, which know their place in the file."""
    return yaml.MarkedYAMLError(problem=problem, problem_mark=where.start_mark)


def _copy(value: Any) -> Any:
    return {key: _copy(inner) for key, inner in value.items()} if isinstance(value, Mapping) else value


def _place(path: Path, error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    return f"{path}:{mark.line + 1}" if mark is not None else str(path)


def _reason(error: Exception) -> str:
    return str(getattr(error, "problem", None) or error).splitlines()[0]
