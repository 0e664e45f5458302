"""``.safetensors``: folded weights, and in the file's metadata the list of steps that use them."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch.export import ExportedProgram

from eqae.export.checking import Function
from eqae.export.steps import describe, follow, weights_of

PROGRAM = "program"
"""Key of the metadata that holds the steps, as JSON."""


def pack(program: ExportedProgram, facts: Mapping[str, str]) -> bytes:
    """The content of the file."""
    metadata = {**facts, PROGRAM: json.dumps(describe(program))}
    return safetensors.torch.save(weights_of(program), metadata)


def unpack(content: bytes) -> Function:
    """The steps of the file, followed one after the other with the tensors of the file."""
    (length,) = struct.unpack("<Q", content[:8])
    steps = json.loads(json.loads(content[8 : 8 + length])["__metadata__"][PROGRAM])
    tensors = safetensors.torch.load(content)

    def features(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        with torch.no_grad():
            computed: NDArray[np.float32] = follow(steps, tensors, torch.from_numpy(images)).numpy()
        return computed

    return features
