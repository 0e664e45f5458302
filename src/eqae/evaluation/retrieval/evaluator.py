"""Retrieval by class, by orbit, and of copies."""

from __future__ import annotations

from eqae.evaluation.declaration import Scale, evaluator
from eqae.evaluation.evidence import Evidence, Findings, Score
from eqae.evaluation.feature_space import feature_space
from eqae.evaluation.retrieval.by_class import class_scores
from eqae.evaluation.retrieval.copies import copy_scores
from eqae.evaluation.retrieval.orbits import orbit_distances, orbit_scores
from eqae.evaluation.scores import unavailable


def _seconds(scale: Scale) -> float:
    return 0.5 + 2e-11 * scale.width * (1_000 * scale.test + 56 * scale.turned**2) + 3e-7 * 56 * scale.turned**2


@evaluator(needs={"orbits"}, cost=_seconds)
def evaluate_retrieval(evidence: Evidence) -> Findings:
    """Who is near whom, by cosine of standardised features.

    By class, on the test images: :func:`~eqae.evaluation.retrieval.by_class.class_scores`. By orbit, one row a
    condition: :func:`~eqae.evaluation.retrieval.orbits.orbit_scores` and
    :func:`~eqae.evaluation.retrieval.copies.copy_scores`. Exactly invariant features that tell all images apart have
    recall, mAP and AUC 1 and a separation ratio of 0 by orbit.

    Raises:
        NotAvailable: the features are constant.
    """
    space = feature_space(evidence)
    scores: list[Score] = class_scores(evidence.test, space, evidence.seed)
    if not evidence.turned:
        scores.append(unavailable("orbit_recall_at_1", "no images were turned"))
    for condition, turned in evidence.turned.items():
        if len(turned.labels) < 2:
            scores.append(unavailable("orbit_recall_at_1", "a single image was turned", n=1, condition=condition))
            continue
        distances = orbit_distances(turned, space)
        scores += orbit_scores(distances, condition, evidence.seed)
        scores += copy_scores(distances, turned, evidence.test, space, condition, evidence.seed)
    return Findings(tuple(scores))
