"""From modules to a graph of torch operations, for any number of images."""

from __future__ import annotations

import torch
from torch.export import Dim, ExportedProgram

from eqae.errors import ConfigError
from eqae.export.pixels import PixelFeatures, example

EXPORTED = "eqae, eqae_copies, cnn, cnn_antialiased, orbit_mean of these, pca and backbone can be exported"


def trace(features: PixelFeatures, where: str) -> ExportedProgram:
    """The graph of ``features``, whose input is called ``images``; N >= 1 of them.

    Args:
        features: in evaluation mode, on the CPU.
        where: what is at fault if it cannot be traced.

    Raises:
        ConfigError: the model or its head leaves torch on the way from images to features.
    """
    images = example(features.model, 3)
    try:
        with torch.no_grad():
            program = torch.export.export(features, (images,), dynamic_shapes={"images": {0: Dim("N", min=1)}})
    except Exception as error:  # whatever the code of a model, which may be anyone's, does under the tracer
        reason = f"{type(error).__name__}: {str(error).splitlines()[0][:150]}" if str(error) else type(error).__name__
        raise ConfigError(
            where, f"it cannot be traced ({reason})", "features computed by operations of torch alone", EXPORTED
        ) from error
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # paths of this machine
    return program
