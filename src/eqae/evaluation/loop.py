"""The one loop that judges every model by the same evaluators."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from eqae.errors import ConfigError
from eqae.evaluation.evidence import Evidence, Findings
from eqae.evaluation.projection import project as project_features
from eqae.evaluation.results import Results
from eqae.registry import EVALUATORS


def judge(
    evidences: Iterable[Evidence],
    evaluators: Mapping[str, Mapping[str, Any]],
    announce: Callable[[str], None] | None = None,
    *,
    project: bool = False,
) -> Results:
    """Every evaluator on the evidence of every model.

    Args:
        evidences: one a model and head; may be a generator, so that only one is in memory at a time.
        evaluators: registered names with their options.
        announce: called with what is done next, e.g. ``"eqae_p4m: clustering"``.
        project: add the drawing ``"projection"``: PCA and t-SNE of the test features.

    Raises:
        ConfigError: an unknown evaluator or option, or two models of one label.
    """
    results = Results()
    seen: set[str] = set()
    for evidence in evidences:
        if evidence.model in seen:
            raise ConfigError("models", f"two are called {evidence.model!r}", "one label a model", "rename one of them")
        seen.add(evidence.model)
        for name, options in evaluators.items():
            if announce:
                announce(f"{evidence.model}: {name}")
            findings: Findings = EVALUATORS.build(name, options, f"evaluators.{name}", evidence=evidence)
            for score in findings.scores:
                results.add(evidence, EVALUATORS.canonical(name), score)
            results.drawings |= {(evidence.model, key): drawing for key, drawing in findings.drawings.items()}
        if project:
            _add_projection(results, evidence, announce)
    return results


def _add_projection(results: Results, evidence: Evidence, announce: Callable[[str], None] | None) -> None:
    if announce:
        announce(f"{evidence.model}: projection")
    projection = project_features(evidence.test, evidence.seed)
    if projection is not None:
        results.drawings[evidence.model, "projection"] = projection
