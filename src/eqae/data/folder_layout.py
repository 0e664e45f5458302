"""Which files of a folder are images, of which class, and in which split."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from eqae.data.picture import EXTENSIONS
from eqae.errors import DataError

_SPLITS = {"train", "test"}
_SPLIT_WORDS = _SPLITS | {"val", "valid", "validation"}


@dataclass(frozen=True)
class ImageFile:
    """An image file.

    Attributes:
        name: path relative to the root, with forward slashes.
        class_name: name of its class folder; None where there are none.
        split: ``"train"`` or ``"test"``, where folders of these names say so; None where nothing does.
    """

    name: str
    class_name: str | None = None
    split: str | None = None


def find_images(root: Path) -> list[ImageFile]:
    """The images under ``root`` that belong to a dataset, sorted by the bytes of their names.

    With the sub-folders ``train`` and ``test`` these hold them; images elsewhere are not read, which a warning says.

    Raises:
        DataError: no images; images both beside and inside sub-folders; one of ``train`` and ``test`` without the
            other; one of them without images.
    """
    folders = {folder.name for folder in _subfolders(root)}
    if folders >= _SPLITS:
        _warn_of_unread(root, folders - _SPLITS)
        return [file for split in ("test", "train") for file in _scan(root, root / split, split)]
    if folders & _SPLITS and folders <= _SPLIT_WORDS:
        missing = (_SPLITS - folders).pop()
        raise DataError(str(root), f"sub-folders {', '.join(byte_sorted(folders))}", f"{missing!r} too, or class names")
    return _scan(root, root)


def all_images(root: Path) -> list[ImageFile]:
    """Every image in ``root`` and below it, whatever its folder means, sorted by the bytes of their names.

    Raises:
        DataError: there is none.
    """
    found = [path.relative_to(root).as_posix() for path in root.rglob("*") if _is_image(path, root)]
    if not found:
        raise _no_images(root, "correct the path")
    return [ImageFile(name) for name in byte_sorted(found)]


def split_files(files: Sequence[ImageFile], test_fraction: float) -> tuple[list[ImageFile], list[ImageFile]]:
    """Training and test files, each in the order given; without folders that say it, :func:`in_test` does."""
    if any(file.split for file in files):
        judged = {file.name for file in files if file.split == "test"}
    else:
        judged = _judged(files, test_fraction)
    return [file for file in files if file.name not in judged], [file for file in files if file.name in judged]


def in_test(names: Sequence[str], fraction: float) -> set[str]:
    """The names, among those of one class, whose images judge.

    A name judges when its sha256, read as a number in [0, 1), is below ``fraction``; so files that join or leave do
    not move the others. Only where this would leave a class of two or more without training or without test images,
    the nearest name changes sides; a single one trains.
    """
    place = {name: _unit_interval(name) for name in names}
    judged = {name for name, value in place.items() if value < fraction}
    if len(place) < 2:
        return set()
    if not judged:
        return {min(place, key=place.__getitem__)}
    return judged - {max(place, key=place.__getitem__)} if len(judged) == len(place) else judged


def byte_sorted(names: Iterable[str]) -> list[str]:
    """In the order of their bytes, whatever the language of the system."""
    return sorted(names, key=os.fsencode)


def _judged(files: Sequence[ImageFile], fraction: float) -> set[str]:
    classes: dict[str | None, list[str]] = {}
    for file in files:
        classes.setdefault(file.class_name, []).append(file.name)
    judged = set().union(*(in_test(names, fraction) for names in classes.values()))
    # With one image a class nothing would judge: then the classes are split as if they were one.
    return judged or in_test([file.name for file in files], fraction)


def _scan(root: Path, folder: Path, split: str | None = None) -> list[ImageFile]:
    """The images of one split, of classes or flat."""
    flat = [path for path in folder.iterdir() if _is_image(path)]
    inside = {path: sub.name for sub in _subfolders(folder) for path in sub.rglob("*") if _is_image(path, sub)}
    if flat and inside:
        raise DataError(
            str(folder), f"images beside the sub-folders (such as {min(path.name for path in flat)!r}) and inside them",
            "one or the other", "move the loose images out of this folder",
        )  # fmt: skip
    if not flat and not inside:
        raise _no_images(folder, "correct data.root")
    classes: dict[Path, str | None] = dict.fromkeys(flat) | inside
    named = {path.relative_to(root).as_posix(): class_name for path, class_name in classes.items()}
    return [ImageFile(name, named[name], split) for name in byte_sorted(named)]


def _warn_of_unread(root: Path, folders: Iterable[str]) -> None:
    """Say what lies beside the splits and is in neither."""
    unread = [name for name in byte_sorted(folders) if any(_is_image(path, root) for path in (root / name).rglob("*"))]
    loose = ["loose in the folder"] if any(_is_image(path) for path in root.iterdir()) else []
    if unread or loose:
        warnings.warn(
            f"{root}: images outside 'train' and 'test' are not read: {', '.join(unread + loose)}",
            stacklevel=4,
        )


def _no_images(folder: Path, fix: str) -> DataError:
    return DataError(str(folder), "no images", f"files that end in {', '.join(sorted(EXTENSIONS))}", fix)


def _subfolders(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")]


def _is_image(path: Path, base: Path | None = None) -> bool:
    parts = path.relative_to(base or path.parent).parts
    return path.suffix.lower() in EXTENSIONS and not any(part.startswith(".") for part in parts) and path.is_file()


def _unit_interval(name: str) -> float:
    digest = hashlib.sha256(os.fsencode(name)).digest()
    return int.from_bytes(digest[:6], "big") / 2**48
