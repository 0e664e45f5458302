"""Random weights, which hide no error that initial ones would."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def randomize(module: nn.Module, seed: int = 0) -> nn.Module:
    """Give every parameter and every running statistic of ``module`` random values, in place, and return it.

    Fresh networks hide errors: biases and shifts are 0, scales and variances 1. Filters keep their scale, so that
    activations stay near 1 through deep chains; variances become positive, in 0.5..1.5.
    """
    generator = torch.Generator().manual_seed(seed)

    def draw(tensor: Tensor) -> Tensor:
        return torch.randn(tensor.shape, generator=generator, dtype=torch.float64).to(tensor)

    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.ndim > 1:
                parameter.copy_(draw(parameter) * parameter.float().std(correction=0).clamp_min(1e-3))
            else:
                parameter.copy_(parameter + 0.3 * draw(parameter))
        for name, buffer in module.named_buffers():
            if name.endswith("running_mean"):
                buffer.copy_(0.3 * draw(buffer))
            elif name.endswith("running_var"):
                buffer.copy_(0.5 + draw(buffer).sigmoid())
    return module
