"""How decided a model's attention is, and whether the pose it sees turns with the image."""

from __future__ import annotations

import numpy as np
from scipy.special import entr

from eqae.evaluation.declaration import evaluator
from eqae.evaluation.evidence import Attention, Evidence, Findings, NotAvailable, Score
from eqae.evaluation.scores import mean_score, unavailable

PEAK = 0.9
"""A largest weight above it counts as a decision."""
NOT_TURNED = "no images were turned by symmetries of the grid"


@evaluator(needs={"attention", "orbits"}, cost=lambda _: 0.5)
def evaluate_attention(evidence: Evidence) -> Findings:
    """``attention_entropy``, ``attention_peak_share`` and ``pose_consistency``.

    Mean entropy in nats of the weights over the rows of V, 0 for certainty and log |G| for none, and the share of test
    images whose largest weight is above 0.9: how nearly attention picks one standard pose, and so how nearly it can be
    inverted. A model that applies its choice hard is judged by the softmax behind it.

    The consistency is the share of pairs of a turned test image and a symmetry of the pixel grid, which the group of
    the model has, for which the heaviest row moves exactly as that transform moves rows. Rounding decides the pose of
    an image that looks the same from several sides, so such images lower it.

    Raises:
        NotAvailable: the model has no attention.
    """
    attention = evidence.attention
    if attention is None:
        raise NotAvailable("the model has no attention")
    entropy = entr(attention.test.astype(np.float64)).sum(axis=1)
    peaked = attention.test.max(axis=1) > PEAK
    return Findings(
        (
            mean_score("attention_entropy", entropy, seed=evidence.seed, higher_is_better=False),
            mean_score("attention_peak_share", peaked, seed=evidence.seed, higher_is_better=True),
            _pose_consistency(attention, evidence.seed),
        )
    )


def _pose_consistency(attention: Attention, seed: int) -> Score:
    if len(attention.moves) < 2:
        turned = bool(attention.condition)
        why = "no symmetry of the grid moves the rows of V" if turned else NOT_TURNED
        return unavailable("pose_consistency", why, condition=attention.condition)
    row = attention.turned.argmax(axis=2)
    expected = attention.moves[1:, row[:, 0]].T
    agreement = (row[:, 1:] == expected).mean(axis=1)
    return mean_score("pose_consistency", agreement, seed=seed, higher_is_better=True, condition=attention.condition)
