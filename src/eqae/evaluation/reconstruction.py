"""How well images are given back."""

from __future__ import annotations

import numpy as np

from eqae.evaluation.declaration import evaluator
from eqae.evaluation.evidence import Evidence, Findings, NotAvailable
from eqae.evaluation.scores import mean_score


@evaluator(needs={"reconstruction"}, cost=lambda _: 0.1)
def evaluate_reconstruction(evidence: Evidence) -> Findings:
    """``reconstruction_mse`` over the test images, pixels in [0, 1]; not available without a decoder."""
    error = evidence.reconstruction_error
    if error is None:
        raise NotAvailable("the model has no decoder")
    sound = np.isfinite(error)
    if not sound.all():
        raise NotAvailable(f"the reconstruction of test image {int(sound.argmin())} is NaN or infinite")
    return Findings((mean_score("reconstruction_mse", error, seed=evidence.seed, higher_is_better=False),))
