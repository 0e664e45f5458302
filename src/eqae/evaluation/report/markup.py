"""HTML that escapes by construction: whatever is not :class:`Markup` already is escaped when it enters a tag."""

from __future__ import annotations

from html import escape

_VOID = frozenset({"br", "img", "meta", "source"})


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def html(text: str) -> Markup:
    """``text`` escaped, unless it is markup."""
    return text if isinstance(text, Markup) else Markup(escape(text))


def join(*parts: str) -> Markup:
    """The parts one after the other, each escaped unless it is markup."""
    return Markup("".join(map(html, parts)))


def tag(name: str, /, *children: str, **attributes: str | int | None) -> Markup:
    """An element with its children; attributes that are None are left out, a trailing ``_`` and inner ``_`` of their
    names become nothing and ``-``.

    Example:
        >>> tag("p", "a < b", class_="note")
        '<p class="note">a &lt; b</p>'
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{name}{written}>" + ("" if name in _VOID else f"{join(*children)}</{name}>"))


def figure(content: Markup, caption: str) -> Markup:
    """A picture or a set of pictures above its caption."""
    return tag("figure", content, tag("figcaption", caption))
