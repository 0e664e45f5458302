"""Reading and writing YAML: safe, size-capped, with line numbers, and deaf to none of YAML's traps.

A key that is written twice is an error here; PyYAML would let the second win in silence.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from eqae.errors import ConfigError, EqaeError

LARGEST = 1 << 20
"""Bytes; no config comes near it, a bomb does."""


class _StrictLoader(yaml.SafeLoader):
    """SafeLoader that refuses repeated keys and aliases."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark
            raise yaml.MarkedYAMLError(problem="an alias (*name): write the value out", problem_mark=mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable) and key in seen:
                raise yaml.MarkedYAMLError(problem=f"key {key!r} is written twice", problem_mark=key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path, kind: type[EqaeError] = ConfigError) -> dict[str, Any]:
    """The mapping in a YAML file.

    Raises:
        ConfigError (or ``kind``): no such file, too large, not YAML, a repeated key, not a mapping.
    """
    if not path.is_file():
        beside = sorted(str(p) for p in path.parent.glob("*.y*ml")) if path.parent.is_dir() else []
        fix = f"there are: {', '.join(beside)}" if beside else "give the path of a YAML file"
        raise kind(str(path), "no such file", "a YAML file", fix)
    if path.stat().st_size > LARGEST:
        raise kind(str(path), f"{path.stat().st_size} bytes", f"at most {LARGEST}")
    try:
        loaded = yaml.load(path.read_text(encoding="utf-8"), _StrictLoader)
    except (yaml.YAMLError, OSError, ValueError, RecursionError) as error:
        raise kind(_place(path, error), f"not readable as YAML: {_reason(error)}", "YAML in UTF-8") from None
    if loaded is None:
        return {}
    if not isinstance(loaded, dict) or not all(isinstance(key, str) for key in loaded):
        raise kind(str(path), f"a {type(loaded).__name__}", "key: value lines")
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


def _copy(value: Any) -> Any:
    return {key: _copy(inner) for key, inner in value.items()} if isinstance(value, Mapping) else value


def _place(path: Path, error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    return f"{path}:{mark.line + 1}" if mark is not None else str(path)


def _reason(error: Exception) -> str:
    return str(getattr(error, "problem", None) or error).splitlines()[0]
