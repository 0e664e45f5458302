"""One image in every pose, and what each decoder makes of it."""

from __future__ import annotations

import torch

from eqae.evaluation.report.figures.pose_strip import pose_strip
from eqae.evaluation.report.markup import Markup, figure, tag
from eqae.evaluation.report.number_text import number_text
from eqae.evaluation.report.poses import Poses, equivariance_gap
from eqae.evaluation.report.subject import Subject
from eqae.evaluation.report.table import model_label

_CAPTION = (
    "One test image turned and mirrored by moving pixels, and its reconstructions. Gap: the largest difference "
    "between the reconstructions once each is turned back, where 1 is black against white; an equivariant "
    "autoencoder leaves rounding alone."
)


def reconstructions(subject: Subject) -> Markup:
    """A strip of inputs and, below it, one strip a model."""
    rows: list[Markup] = []
    shown: Poses | None = None
    for poses in subject.poses:
        if shown is None or not torch.equal(shown.inputs, poses.inputs):
            rows.append(_inputs(poses))
            shown = poses
        rows.append(_outputs(subject, poses))
    return figure(tag("div", *rows, class_="strips"), _CAPTION) if rows else Markup()


def _inputs(poses: Poses) -> Markup:
    group = poses.group
    headings = [
        tag("span", f"{'⇋ ' if group.elements[index].flip else ''}{group.angle(index):.0f}°", class_="pose")
        for index in range(group.order)
    ]
    names = tag("div", *headings, class_="poses", style=f"grid-template-columns: repeat({group.order}, 1fr)")
    strip = pose_strip(poses.inputs, "The image turned by 0, 90, 180 and 270 degrees, then mirrored (⇋) and turned.")
    return tag("div", tag("div", "input", class_="name"), tag("div", names, strip), class_="strip")


def _outputs(subject: Subject, poses: Poses) -> Markup:
    gap = tag("small", f"gap {number_text(equivariance_gap(poses), 'error')}")
    name = tag("div", model_label(subject, poses.label), gap, class_="name")
    return tag("div", name, pose_strip(poses.outputs, f"Reconstructions by {poses.label}."), class_="strip")
