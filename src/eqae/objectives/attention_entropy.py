"""Entropy of the attention over rows: low entropy makes inverse attention exact."""

from __future__ import annotations

from torch import Tensor

from eqae.errors import ConfigError
from eqae.objectives.base import Objective
from eqae.objectives.step import Step


class AttentionEntropy(Objective):
    """Mean over images of ``H(w) = −Σ_g w[g] log w[g]`` in nats, 0 to log|G| (Kuzminykh et al. 2018)."""

    needs = frozenset({"decoder"})
    trains = False  # what it looks at stands before the decoder

    def forward(self, step: Step) -> Tensor:
        """A scalar.

        Raises:
            ConfigError: the model has no attention.
        """
        weights = None if step.reconstruction is None else step.reconstruction.attention
        if weights is None:
            raise ConfigError(
                "objective.attention_entropy", "the model has no attention", "a model with model.attention set",
                "set model.attention to a code size, or remove this objective",
            )  # fmt: skip
        return -(weights * weights.clamp_min(1e-12).log()).sum(1).mean()
