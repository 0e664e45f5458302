"""What a forger does: change a manifest and make hashes and seal agree with it again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from eqae.strict_json import SEAL_KEY, sealed

Document = dict[str, Any]


def forge(run: Path, change: Callable[[Document], object]) -> None:
    """Change the manifest of ``run``, after its hashes were made to agree with the files."""
    path = run / "manifest.json"
    document = json.loads(path.read_text())
    for name in document["files"]:
        content = (run / name).read_bytes()
        document["files"][name] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    change(document)
    path.write_text(sealed_json(document))


def sealed_json(document: Document) -> str:
    """``document`` with the seal that fits it."""
    body = json.dumps({key: value for key, value in document.items() if key != SEAL_KEY}).removesuffix("}")
    return sealed(f"{body},\n" if body != "{" else body)


def resealed(data: bytes) -> bytes:
    """The bytes of a sealed document, changed in any place, with the seal that fits them."""
    body, mark, _ = data.rpartition(f'  "{SEAL_KEY}"'.encode())
    return body + mark + f': "{hashlib.sha256(body).hexdigest()}"\n}}\n'.encode()
