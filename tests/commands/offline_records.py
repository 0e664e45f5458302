"""What W&B wrote for a run that it recorded offline, read back.

Of the installed package only the message types are used: its reader is a program that uploads. A ``.wandb`` file is a
log of LevelDB's format: blocks of 32 KiB of chunks ``(checksum, length, kind)``, with a header of 7 bytes before all.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from wandb.proto.wandb_internal_pb2 import Record

BLOCK = 2**15
FILE_HEADER = CHUNK_HEADER = 7
WHOLE, FIRST, LAST = 1, 2, 4


def read_records(path: Path) -> Iterator[Record]:
    """Every record of a ``.wandb`` file."""
    content, at, parts = path.read_bytes(), FILE_HEADER, b""
    assert content.startswith(b":W&B")
    while at + CHUNK_HEADER <= len(content):
        if BLOCK - at % BLOCK < CHUNK_HEADER:  # too little of the block is left for another chunk
            at += BLOCK - at % BLOCK
            continue
        _, length, kind = struct.unpack_from("<IHB", content, at)
        chunk = content[at + CHUNK_HEADER : at + CHUNK_HEADER + length]
        parts = chunk if kind in (WHOLE, FIRST) else parts + chunk
        at += CHUNK_HEADER + length
        if kind in (WHOLE, LAST):
            yield Record.FromString(parts)


class Recording:
    """One offline folder of a run, in terms of the dashboard."""

    def __init__(self, path: Path) -> None:
        self.folder = path.parent
        self.records = list(read_records(path))
        self.run = next(record.run for record in self.records if record.HasField("run"))

    @property
    def config(self) -> dict[str, Any]:
        """The settings it began with."""
        return _values(self.run.config.update)

    @property
    def history(self) -> list[dict[str, Any]]:
        """Rows, in the order written."""
        return [_values(record.history.item) for record in self.records if record.HasField("history")]

    @property
    def summary(self) -> dict[str, Any]:
        """Figures as they stood at the end."""
        updates = (record.summary.update for record in self.records if record.HasField("summary"))
        return {key: value for items in updates for key, value in _values(items).items()}

    @property
    def artifacts(self) -> dict[str, Any]:
        """Records of artifacts by their type."""
        return {record.artifact.type: record.artifact for record in self.records if record.HasField("artifact")}

    @property
    def exit_codes(self) -> list[int]:
        """Of the ends that were written: none where the process was killed."""
        return [record.exit.exit_code for record in self.records if record.HasField("exit")]


def recordings(run: Path) -> dict[str, list[Recording]]:
    """All recordings of a run directory by the model's label, oldest first."""
    found: dict[str, list[Recording]] = {}
    for path in sorted((run / "wandb").glob("offline-run-*/*.wandb")):
        recording = Recording(path)
        found.setdefault(recording.run.display_name, []).append(recording)
    return found


def _values(items: Iterable[Any]) -> dict[str, Any]:
    return {item.key or ".".join(item.nested_key): json.loads(item.value_json) for item in items}
