"""Columns that describe."""

from __future__ import annotations

from dataclasses import dataclass

from eqae.evaluation.report.standings import Column


@dataclass(frozen=True)
class Aside(Column):
    """A figure that describes a model and does not rank it: no value of it is best."""

    @property
    def is_ranked(self) -> bool:
        """Never."""
        return False
