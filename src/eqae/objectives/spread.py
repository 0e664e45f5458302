"""How much images still differ in what is made of them: nothing is learned of images that are all the same."""

from __future__ import annotations

import torch
from torch import Tensor


def relative_spread(features: Tensor) -> float:
    """Root mean square distance of features ``(B, D)`` to their mean, relative to their root mean square length."""
    exact = features.detach().cpu().double()  # not every device has float64
    size = exact.square().sum(1).mean().clamp_min(torch.finfo(torch.float64).tiny)
    return float(((exact - exact.mean(0)).square().sum(1).mean() / size).sqrt())


def mean_deviation(values: Tensor) -> float:
    """Mean over the d coordinates of ``(B, d)`` of their standard deviation."""
    return float(values.detach().cpu().double().std(0, correction=0).mean())
