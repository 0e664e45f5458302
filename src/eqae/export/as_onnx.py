"""``.onnx``: a graph for onnxruntime and other runtimes, weights inside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.export import ExportedProgram
from torch.onnx import OnnxExporterError

from eqae.errors import ConfigError
from eqae.export.checking import Function

OPSET = 18
"""Of ONNX's operators; all runtimes of the last years have it."""


def pack(program: ExportedProgram, facts: Mapping[str, str]) -> bytes:
    """The content of the file: input ``images``, output ``features``, facts among its properties.

    Raises:
        ConfigError: an operation that ONNX does not have.
    """
    try:
        exported = torch.onnx.export(
            program, dynamo=True, opset_version=OPSET, output_names=["features"], external_data=False, verbose=False
        )
    except OnnxExporterError as error:
        reason = str(error).splitlines()[0][:150]
        raise ConfigError("--to onnx", reason, "a model of operations that ONNX has", "choose --to torch") from error
    assert exported is not None
    model = exported.model_proto
    _tidy(model.graph)
    for name, fact in facts.items():
        model.metadata_props.add(key=name, value=fact)
    content: bytes = model.SerializeToString()
    return content


def unpack(content: bytes) -> Function:
    """What onnxruntime makes of the file on the CPU."""
    import onnxruntime  # type: ignore[import-untyped]

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])

    def features(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        computed: NDArray[np.float32] = session.run(["features"], {"images": images})[0]
        return computed

    return features


def _tidy(graph: Any) -> None:
    """Call the number of images N, and drop the exporter's notes about its own work."""
    graph.ClearField("value_info")
    for part in (graph, *graph.node, *graph.input, *graph.output):
        part.ClearField("metadata_props")
    for value in (*graph.input, *graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "N"
