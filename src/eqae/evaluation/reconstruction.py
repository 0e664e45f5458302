"""How well images are given back."""

from __future__ import annotations

from eqae.evaluation.bootstrap import bootstrap_mean
from eqae.evaluation.evidence import Evidence, Findings, Score


def evaluate_reconstruction(evidence: Evidence) -> Findings:
    """``reconstruction_mse`` over the test images, pixels in [0, 1]; nothing for a model without a decoder."""
    error = evidence.reconstruction_error
    if error is None:
        return Findings(())
    low, high = bootstrap_mean(error, evidence.seed)
    value = float(error.mean(dtype="float64"))
    return Findings((Score("reconstruction_mse", value, low, high, False, len(error)),))
