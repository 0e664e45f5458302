"""Whether attention decides on a pose, and whether that pose turns with the image."""

from __future__ import annotations

from eqae.evaluation.report.markup import Markup, join, tag
from eqae.evaluation.report.standings import Column, conditions
from eqae.evaluation.report.subject import Subject
from eqae.evaluation.report.table import score_table

_HOW_TO_READ = (
    "Models with attention choose a standard pose for each image. Entropy is 0 where the choice is certain; decided "
    "are images with a weight above 0.9, whose code is that of one pose and not of a blend. A pose that turns exactly "
    "as the image does makes the canonical image the same from every side; images that look alike from several sides "
    "have several right poses, and lower the last figure without harm."
)


def attention_section(subject: Subject) -> Markup:
    """Entropy, decided images and consistency of the pose; nothing where no model has attention."""
    measured = conditions(subject.results, "pose_consistency")
    table = score_table(
        subject,
        [
            Column("attention_entropy"),
            Column("attention_peak_share"),
            *(Column("pose_consistency", condition) for condition in measured),
        ],
    )
    return join(tag("p", _HOW_TO_READ), table) if table else Markup()
