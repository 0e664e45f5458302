"""What a page is about, looked up once and handed to every section."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from eqae.evaluation.report.colours import model_colours
from eqae.evaluation.report.poses import Poses
from eqae.evaluation.report.standings import trained_models

if TYPE_CHECKING:
    from eqae.data.base import Dataset
    from eqae.evaluation.results import Results


@dataclass(frozen=True)
class Subject:
    """Results with what is needed to show them.

    Attributes:
        results: rows and drawings.
        poses: reconstructions of one image, one entry a model with a decoder.
        facts: provenance, by name.
        descriptions: one line a model, by label.
        images: that were judged, for pictures of them; None leaves these out.
    """

    results: Results
    poses: Sequence[Poses]
    facts: Mapping[str, str]
    descriptions: Mapping[str, str]
    images: Dataset | None = None

    @cached_property
    def models(self) -> tuple[str, ...]:
        """Labels in the order in which the models were judged; the first is the one the page is about."""
        return trained_models(self.results)

    @cached_property
    def colours(self) -> dict[str, str]:
        """The colour of each model, the same in every section."""
        return model_colours(dict.fromkeys([*self.models, *(poses.label for poses in self.poses)]))

    def drawings(self, name: str) -> dict[str, Any]:
        """The drawing called ``name`` of each model that has one, in the models' order."""
        found = {model: self.results.drawings.get((model, name)) for model in self.models}
        return {model: drawing for model, drawing in found.items() if drawing is not None}
