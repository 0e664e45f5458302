"""How the reference reads docstrings: the house writes ``Example:`` and names things by roles.

An extension of griffe, which mkdocstrings loads. ``Example:`` becomes the section that is shown as a session; a role,
``:class:`eqae.groups.Group` ``, becomes a link where the site has its target, and stays code elsewhere.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import griffe

EXAMPLE = re.compile(r"^(\s*)Example:$", re.MULTILINE)
ROLE = re.compile(r":(class|func|meth|mod|data|attr):`~?([.\w]+)`")


class HouseStyle(griffe.Extension):
    """Rewrites every docstring as it is found."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """``obj`` is any module, class, function or attribute."""
        if obj.docstring is not None:
            text = EXAMPLE.sub(r"\1Examples:", obj.docstring.value)
            obj.docstring.value = ROLE.sub(partial(_reference, obj), text)


def _reference(obj: griffe.Object, role: re.Match[str]) -> str:
    """Names without a dot belong to the same class or, for anything but methods, to the same module."""
    kind, target = role.groups()
    home = obj if kind != "meth" or obj.is_class else obj.parent
    if "." not in target and home is not None:
        target = f"{home.path if kind == 'meth' else obj.module.path}.{target}"
    return f'<autoref optional identifier="{target}"><code>{target.rpartition(".")[2]}</code></autoref>'
