"""Entropy of the attention over rows: low entropy makes inverse attention exact."""

from __future__ import annotations

from torch import Tensor

from eqae.errors import ConfigError
from eqae.models.base import Reconstruction


def attention_entropy(output: Reconstruction, images: Tensor) -> Tensor:
    """Mean over images of ``H(w) = −Σ_g w[g] log w[g]`` in nats, 0 to log|G|; a scalar (Kuzminykh et al. 2018).

    Raises:
        ConfigError: the model has no attention.
    """
    if output.attention is None:
        raise ConfigError(
            "objective.attention_entropy", "the model has no attention", "a model with model.attention set",
            "set model.attention to a code size, or remove this objective",
        )  # fmt: skip
    weights = output.attention
    return -(weights * weights.clamp_min(1e-12).log()).sum(1).mean()
