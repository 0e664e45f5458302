"""Reading a run directory's files without trusting them: sizes, hashes, links, and what is no checkpoint at all.

Nothing is opened with pickle, here or anywhere in loading; files that announce one are named and refused.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NoReturn

from eqae.errors import CheckpointError, suggest
from eqae.manifest import ALTERED, MANIFEST, MAX_BYTES, WEIGHTS, FileFacts, Manifest, parse_manifest

FOREIGN = (".safetensors", ".ckpt", ".pt", ".pth", ".bin", ".pkl", ".npz")
ZIP_MAGIC = b"PK\3\4"


def read_manifest(directory: str | Path) -> Manifest:
    """The manifest of a run directory; none of the other files is read.

    Raises:
        CheckpointError: the directory is missing, unfinished or of another kind, or its manifest is altered or newer.
    """
    folder = Path(directory)
    try:
        if not folder.is_dir():
            _refuse_path(folder)
        if not (folder / MANIFEST).exists():
            _refuse_without_manifest(folder)
    except OSError as error:  # a name that is too long, a folder that may not be entered
        reason = f"cannot be looked into ({error.strerror})"
        raise CheckpointError(str(folder)[:200], reason, "a run directory that you may read") from error
    return check_manifest(_read(folder, MANIFEST, MAX_BYTES + 1), folder / MANIFEST)


def check_manifest(data: bytes, path: Path) -> Manifest:
    """The manifest that ``data`` holds; ``path`` is for messages.

    Raises:
        CheckpointError: too long, a pickle, or refused by :func:`eqae.manifest.parse_manifest`.
    """
    if len(data) > MAX_BYTES:
        raise CheckpointError(
            str(path), f"more than {MAX_BYTES} bytes", "a manifest", "choose a head with fewer features"
        )
    _refuse_pickle(path, data)
    return parse_manifest(data, path)


def verified_weights(directory: Path, manifest: Manifest) -> bytes:
    """The content of the weights file, after every file in the manifest proved to have its size and hash.

    The content is returned rather than read again, so that nothing can change between the check and the use.

    Raises:
        CheckpointError: a file is missing, a pickle, a link out of the directory, or has another size or hash.
    """
    contents = {name: _verified(directory, name, facts) for name, facts in manifest.files.items()}
    return contents[WEIGHTS]


def file_facts(content: bytes) -> FileFacts:
    """Hash and size of a file with this content."""
    return FileFacts(sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))


def _verified(folder: Path, name: str, facts: FileFacts) -> bytes:
    path = folder / name
    if name == WEIGHTS and path.is_file():
        _refuse_pickle(path, _read(folder, name, 16))
    content = _read(folder, name, facts.bytes + 1)  # no more memory than the manifest announces
    if len(content) != facts.bytes:
        size = path.stat().st_size
        kind = "an empty file" if size == 0 else f"{size} bytes"
        raise CheckpointError(str(path), kind, f"{facts.bytes} bytes", ALTERED)
    found = file_facts(content).sha256
    if found != facts.sha256:
        raise CheckpointError(str(path), f"sha256 {found}", f"sha256 {facts.sha256}", ALTERED)
    return content


def _read(folder: Path, name: str, limit: int) -> bytes:
    """At most the first ``limit`` bytes of a plain file that lies in ``folder``."""
    path = folder / name
    try:
        if not path.exists():
            raise CheckpointError(str(path), "the file is missing", "the whole run directory", ALTERED)
        if not path.resolve().is_relative_to(folder.resolve()) or not path.is_file():
            raise CheckpointError(
                str(path), "no plain file, or a link out of the directory", "a plain file", "copy the file itself here"
            )
        with path.open("rb") as file:
            return file.read(limit)
    except OSError as error:
        raise CheckpointError(str(path), f"cannot be read ({error.strerror})", "a readable file") from error


def _refuse_path(path: Path) -> NoReturn:
    """Say what stands where a run directory should."""
    if path.is_file():
        _refuse_pickle(path, _read(path.parent, path.name, 16))
        raise CheckpointError(str(path), "a file", "the run directory that holds it", f"give {path.parent} instead")
    runs = [str(manifest.parent) for manifest in path.parent.glob(f"*/{MANIFEST}")]
    raise CheckpointError(
        str(path), "no such directory", "a run directory",
        suggest(str(path), runs) if runs else "train a run first, or give its path from the current directory",
    )  # fmt: skip


def _refuse_without_manifest(folder: Path) -> NoReturn:
    config = folder / "config.yaml"
    if config.is_file():
        raise CheckpointError(
            str(folder), "a run without weights: its training has not finished", f"{WEIGHTS} and {MANIFEST}",
            f"continue it: uv run train.py --config {config} --resume",
        )  # fmt: skip
    foreign = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(FOREIGN))
    found = f"{foreign[0]} without {MANIFEST}: a checkpoint of another kind" if foreign else f"no {MANIFEST}"
    raise CheckpointError(str(folder), found, "a run directory", "give a directory that train.py made")


def _refuse_pickle(path: Path, content: bytes) -> None:
    if content[8:9] == b"{":  # a safetensors header; its length before it may look like either magic number
        return
    if content[:1] == b"\x80" and content[1:2] in (b"\2", b"\3", b"\4", b"\5"):
        kind = "a pickle"
    elif content[:4] == ZIP_MAGIC:
        kind = "a zip archive, as torch.save and Lightning write them around a pickle"
    else:
        return
    raise CheckpointError(
        str(path), kind, f"a run directory with {WEIGHTS} and {MANIFEST}",
        "it was not opened, because a pickle can run any code; give the directory that train.py made",
    )  # fmt: skip
