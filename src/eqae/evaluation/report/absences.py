"""What could not be measured, and why: said where a reader looks for the figure."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from eqae.evaluation.results import Results


def absences(results: Results, evaluators: Collection[str] | None = None) -> list[str]:
    """One sentence a reason, e.g. ``"zernike, pca: semantic not available: the model has no feature maps"``.

    Args:
        results: of the evaluation.
        evaluators: those whose rows count; None for all.
    """
    reasons: dict[str, tuple[list[str], list[str]]] = {}
    for row in results.rows:
        if row.note and (evaluators is None or row.evaluator in evaluators):
            models, figures = reasons.setdefault(row.note, ([], []))
            models += [row.model] if row.model not in models else []
            figures += [row.metric] if row.metric not in figures else []
    return [f"{', '.join(models)}: {_named(figures)} {note}" for note, (models, figures) in reasons.items()]


def _named(figures: list[str]) -> str:
    """The first three; the rest is counted."""
    more = f" and {len(figures) - 3} more" if len(figures) > 3 else ""
    return ", ".join(figures[:3]) + more
