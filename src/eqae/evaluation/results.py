"""The table that every command ends with, and its files."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from eqae.errors import CheckpointError
from eqae.evaluation.choice import Choice, choices_without_labels
from eqae.evaluation.comparison import Difference, differences_from_best
from eqae.evaluation.evidence import Evidence, Score
from eqae.evaluation.row import COLUMNS, Row
from eqae.files import write_atomically

FORMAT = 1
UNTRAINED = " (untrained)"
"""What the label of a model ends with where the figures belong to its initial weights."""


@dataclass(eq=False)
class Results:
    """Rows of all models, and what the report draws.

    Attributes:
        rows: in the order of judging.
        differences: every model against the best of the same figure, on the same images.
        samples: by ``(model label, metric, condition)``, the value of each image; kept in memory only.
        drawings: by ``(model label, drawing name)``; kept in memory only.
        failures: ``"<model>: <evaluator>"`` of those that stopped with an error of their own.
    """

    rows: list[Row] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    samples: dict[tuple[str, str, str], NDArray[np.float64]] = field(default_factory=dict)
    drawings: dict[tuple[str, str], Any] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def add(self, evidence: Evidence, evaluator: str, score: Score) -> None:
        """Append one score as a row, and keep its samples for comparison."""
        if score.samples is not None and not score.untrained:
            self.samples[evidence.model, score.metric, score.condition] = score.samples
        self.rows.append(
            Row(
                model=evidence.model + UNTRAINED if score.untrained else evidence.model,
                dataset=evidence.dataset,
                evaluator=evaluator,
                metric=score.metric,
                condition=score.condition,
                value=score.value,
                low=score.low,
                high=score.high,
                higher_is_better=score.higher_is_better,
                n=score.n,
                seed=evidence.seed,
                note=score.note,
            )
        )

    def compare(self) -> None:
        """Set :attr:`differences` from the samples of all models."""
        self.differences = differences_from_best(self.rows, self.samples)

    @property
    def choices(self) -> list[Choice]:
        """Which of the trained models each figure that needs no label would have picked; follows from the rows."""
        return choices_without_labels([row for row in self.rows if not row.model.endswith(UNTRAINED)])

    def to_json(self, path: str | Path) -> None:
        """Write ``{"format": 1, "rows": [...], "differences": [...], "choices": [...]}``, whole or not at all; NaN
        becomes null.
        """
        document = {
            "format": FORMAT,
            "rows": [_plain(row) for row in self.rows],
            "differences": [_plain(difference) for difference in self.differences],
            "choices": [_plain(choice) for choice in self.choices],
        }
        write_atomically(path, json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n")

    def to_csv(self, path: str | Path) -> None:
        """Write the rows under a header, whole or not at all; figures that are not finite become empty cells."""
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(map(_plain, self.rows))
        write_atomically(path, text.getvalue())

    @classmethod
    def from_json(cls, path: str | Path) -> Results:
        """Read what :meth:`to_json` wrote; there are no drawings, and choices follow from the rows.

        Raises:
            CheckpointError: the file is missing, is not a table of results, or has a newer format.
        """
        expected = "results written by this package"
        try:
            document = json.loads(Path(path).read_bytes())
            if document["format"] != FORMAT:
                raise CheckpointError(str(path), f"format {document['format']}", f"format {FORMAT}", "upgrade eqae")
            rows = [row | {"value": math.nan} if row["value"] is None else row for row in document["rows"]]
            differences = TypeAdapter(list[Difference]).validate_python(document.get("differences", []))
            return cls(TypeAdapter(list[Row]).validate_python(rows), differences)
        except FileNotFoundError:
            raise CheckpointError(str(path), "no such file", expected, "evaluate the run first") from None
        except (ValueError, KeyError, TypeError, ValidationError) as error:
            reason = str(error).splitlines()[0]
            raise CheckpointError(str(path), reason, expected, "evaluate the run again") from error


def _plain(entry: Row | Difference | Choice) -> dict[str, Any]:
    return {key: _finite(value) for key, value in vars(entry).items()}


def _finite(value: Any) -> Any:
    """JSON knows no NaN and no infinity."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
