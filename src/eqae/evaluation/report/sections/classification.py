"""How well simple classifiers do on the frozen features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eqae.evaluation.report.figures.confusion import confusion, worst_mistake
from eqae.evaluation.report.markup import Markup, figure, join, tag
from eqae.evaluation.report.standings import Column, conditions
from eqae.evaluation.report.subject import Subject
from eqae.evaluation.report.table import model_label, score_table
from eqae.evaluation.report.vocabulary import FEW_LABELS, condition_wording

_FEW = "Linear probe, labels a class"
_TURNED = "Linear probe, turned"
_HOW_TO_READ = (
    "Labels enter here: classifiers are fitted on features of the training images, which networks learn without them, "
    "unless an objective shows them."
)
_CAPTION = (
    "Confusions of the linear probe on the test images: rows are true classes, columns predictions. Shades are shares "
    "of the row on a square-root scale, so that rare mistakes show."
)


def classification(subject: Subject) -> Markup:
    """Accuracies of the probes and a confusion matrix a model."""
    table, matrices = score_table(subject, _columns(subject)), _matrices(subject)
    return join(tag("p", _how_to_read(subject)), table, matrices) if table or matrices else Markup()


def _how_to_read(subject: Subject) -> str:
    """The paragraph above the table; it says which images a model that turns do not move has two accuracies on."""
    upright, turned = _images_judged(subject, turned=False), _images_judged(subject, turned=True)
    if not turned:
        return _HOW_TO_READ
    on = (
        f"{turned:,} of the {upright:,} images, turned: where turns do not move the features, the difference from the "
        "first column is that of the images"
        if turned < upright
        else "turned ones"
    )
    return f"{_HOW_TO_READ} Turned: the same probe, fitted on images as they are, judged on {on}."


def _images_judged(subject: Subject, *, turned: bool) -> int:
    rows = (row for row in subject.results.rows if row.metric == "linear_probe_accuracy")
    return max((row.n for row in rows if bool(row.condition) == turned), default=0)


def _columns(subject: Subject) -> list[Column]:
    few = {row.metric: int(match[1]) for row in subject.results.rows if (match := FEW_LABELS.fullmatch(row.metric))}
    turned = conditions(subject.results, "linear_probe_accuracy")
    return [
        *(
            Column(metric)
            for metric in (
                "linear_probe_accuracy",
                "linear_probe_balanced_accuracy",
                "mlp_probe_accuracy",
                "knn_accuracy",
                "classifier_accuracy",
            )
        ),
        *(Column(metric, group=_FEW, title=str(few[metric])) for metric in sorted(few, key=few.__getitem__)),
        *(
            Column("linear_probe_accuracy", condition, group=_TURNED, title=condition_wording(condition))
            for condition in turned
            if condition
        ),
    ]


def _matrices(subject: Subject) -> Markup:
    panels = [_panel(subject, model, drawing) for model, drawing in subject.drawings("confusion").items()]
    return figure(tag("div", *panels, class_="panels"), _CAPTION) if panels else Markup()


def _panel(subject: Subject, model: str, drawing: Mapping[str, Any]) -> Markup:
    matrix: NDArray[np.integer] = np.asarray(drawing["matrix"], dtype=np.int64)
    classes = [str(name) for name in drawing["classes"]]
    picture = confusion(matrix, classes, f"Confusion matrix of {model}.")
    return tag("div", model_label(subject, model), picture, tag("small", _mistake(matrix, classes)), class_="panel")


def _mistake(matrix: NDArray[np.integer], classes: Sequence[str]) -> str:
    worst = worst_mistake(matrix)
    if worst is None:
        return "No mistakes."
    true, said, images = worst
    return f"Most often: {classes[true]} taken for {classes[said]}, {images} of {matrix[true].sum()}"
