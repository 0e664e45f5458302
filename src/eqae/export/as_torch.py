"""``.pt2``: an ``ExportedProgram``, which torch loads by itself."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch.export import ExportedProgram

from eqae.export.checking import Function

FACTS = "eqae.json"
"""Name of the extra file, in the archive, that says where the features come from."""


def pack(program: ExportedProgram, facts: Mapping[str, str]) -> bytes:
    """The content of the file."""
    buffer = io.BytesIO()
    torch.export.save(program, buffer, extra_files={FACTS: json.dumps(facts)})
    return buffer.getvalue()


def unpack(content: bytes) -> Function:
    """What the file computes, as somebody who loads it would have it."""
    module = torch.export.load(io.BytesIO(content)).module()

    def features(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        with torch.no_grad():
            computed: NDArray[np.float32] = module(torch.from_numpy(images)).numpy()
        return computed

    return features
