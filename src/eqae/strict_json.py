"""JSON as a manifest may hold it: UTF-8 without a byte order mark, no key twice, no NaN or infinity, and sealed.

A seal is a hash of all bytes above it, in the last lines of the same document. It proves that nothing was damaged,
not who wrote it.
"""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Any

from eqae.errors import CheckpointError

SEAL_KEY = "sha256"


def read_json(data: bytes) -> Any:
    """The value that ``data`` holds.

    Raises:
        ValueError: not UTF-8, not JSON, a key that is written twice, NaN, infinity, or an integer of thousands of
            digits.
        RecursionError: nested a thousand levels deep.
    """
    return json.loads(
        data.decode(), object_pairs_hook=_without_repeats, parse_constant=_refuse_constant, parse_float=_finite
    )


def sealed(body: str) -> str:
    """``body``, an object that wants one more key to be complete, with the seal as this key."""
    return body + _seal(body.encode())


def check_seal(data: bytes, path: str | Path, fix: str) -> None:
    """Compare a document with its seal.

    Raises:
        CheckpointError: any byte is another than when :func:`sealed` wrote it.
    """
    length = len(_seal(b""))
    body, found = data[:-length], data[-length:]
    if found != _seal(body).encode():
        expected = f"{_seal(body).split()[1]}, the sha256 of all above it"
        raise CheckpointError(f"{path}, last lines", f"found {found!r}", expected, fix)


def _seal(body: bytes) -> str:
    return f'  "{SEAL_KEY}": "{hashlib.sha256(body).hexdigest()}"\n}}\n'


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"key {next(key for key in keys if keys.count(key) > 1)[:60]!r} is written twice")
    return found


def _refuse_constant(word: str) -> Any:
    raise ValueError(f"{word} is no JSON")


def _finite(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):  # 1e999
        raise ValueError(f"{digits[:30]} is no number that can be held")
    return value
