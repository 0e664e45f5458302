"""The idx files of the MNIST family, packed or not. Nothing is written, so the folder may be read-only."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import torch
from torch import Tensor

from eqae.errors import DataError

_UNSIGNED_BYTE = 8


def read_idx(path: Path) -> Tensor:
    """The array in an idx file of unsigned bytes (``.gz`` is unpacked in memory), as a uint8 tensor.

    Raises:
        DataError: the file is unreadable, truncated, longer than its header says, or not such a file.
    """
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise _damaged(path, f"cannot be read ({error})") from None
    if len(content) < 4 or content[:3] != bytes([0, 0, _UNSIGNED_BYTE]):
        raise _damaged(path, "is not an idx file of unsigned bytes")
    start = 4 + 4 * content[3]
    shape = struct.unpack_from(f">{content[3]}I", content, 4) if len(content) >= start else (0,)
    if len(content) != start + math.prod(shape):
        raise _damaged(path, f"holds {len(content)} bytes where its header announces {start + math.prod(shape)}")
    return torch.frombuffer(bytearray(content), dtype=torch.uint8, offset=start).view(shape)


def _damaged(path: Path, found: str) -> DataError:
    return DataError(str(path), found, "a complete idx file", "delete the file and fetch it again")
