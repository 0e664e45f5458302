"""The page: one HTML file that needs nothing beside it, no script and no network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from eqae.evaluation.report.absences import absences
from eqae.evaluation.report.markup import Markup, join, tag
from eqae.evaluation.report.poses import Poses
from eqae.evaluation.report.sections.appendix import all_rows, provenance
from eqae.evaluation.report.sections.attention import attention_section
from eqae.evaluation.report.sections.choice import choice_section
from eqae.evaluation.report.sections.classification import classification
from eqae.evaluation.report.sections.clustering import clustering
from eqae.evaluation.report.sections.feature_maps import feature_maps
from eqae.evaluation.report.sections.geometry import geometry_section
from eqae.evaluation.report.sections.invariance import invariance_section
from eqae.evaluation.report.sections.overview import overview, scope, summary
from eqae.evaluation.report.sections.probes import PROBES, probes
from eqae.evaluation.report.sections.reconstructions import reconstructions
from eqae.evaluation.report.sections.retrieval import retrieval_section
from eqae.evaluation.report.sections.semantic import semantic_section
from eqae.evaluation.report.sections.shift import shift_section
from eqae.evaluation.report.subject import Subject
from eqae.files import write_atomically

if TYPE_CHECKING:
    from eqae.data.base import Dataset
    from eqae.evaluation.results import Results

_SECTIONS: Mapping[str, tuple[Callable[[Subject], Markup], tuple[str, ...]]] = {
    "Overview": (overview, ()),
    "Invariance": (invariance_section, ("invariance",)),
    "Reconstructions": (reconstructions, ("reconstruction",)),
    "Classification": (classification, ("classification",)),
    "Clustering": (clustering, ("clustering", "label_free")),
    "Choice without labels": (choice_section, ()),
    "Feature maps": (feature_maps, ()),
    "Shift invariance": (shift_section, ("shift",)),
    "Semantic similarity": (semantic_section, ("semantic",)),
    "Decision regions and hulls": (geometry_section, ("regions", "hulls")),
    "Attention": (attention_section, ("attention",)),
    "Retrieval and orbits": (retrieval_section, ("retrieval", "spectrum")),
    "Probes": (probes, PROBES),
    "All figures": (all_rows, ()),
    "Provenance": (provenance, ()),
}
"""Sections by heading, each with the evaluators whose figures it shows."""


def write_report(
    path: Path,
    results: Results,
    poses: Sequence[Poses],
    title: str,
    facts: Mapping[str, str],
    models: Mapping[str, str],
    images: Dataset | None = None,
) -> None:
    """Write the report to ``path``, whole or not at all; missing folders are made.

    Args:
        path: the HTML file.
        results: rows and drawings; the first model in the rows is the one the page is about. What was not measured
            has no section.
        poses: reconstructions of one image, one entry a model with a decoder.
        title: heading of the page.
        facts: provenance by name: dataset, group, parameters, training time, versions, command.
        models: a line of description a model, by label.
        images: that were judged, for pictures of them; None leaves these out.
    """
    text = page(Subject(results, poses, facts, models, images), title)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, text)


def page(subject: Subject, title: str) -> str:
    """The whole document as text."""
    shown = {name: content for name in _SECTIONS if (content := _section(subject, name))}
    links = [tag("a", name, href=f"#{_anchor(name)}") for name in shown]
    sections = [tag("section", tag("h2", name), content, id=_anchor(name)) for name, content in shown.items()]
    header = tag("header", tag("h1", title), scope(subject), summary(subject), tag("nav", *links))
    style = Markup(Path(__file__).with_name("page.css").read_text(encoding="utf-8"))
    head = join(
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", title),
        tag("style", style),
    )
    return (
        f"<!doctype html>\n{tag('html', tag('head', head), tag('body', header, tag('main', *sections)), lang='en')}\n"
    )


def _section(subject: Subject, name: str) -> Markup:
    """What a section shows, and below it what it cannot show and why."""
    section, evaluators = _SECTIONS[name]
    missing = absences(subject.results, evaluators)
    return join(section(subject), *(tag("p", sentence, class_="note") for sentence in missing))


def _anchor(name: str) -> str:
    return name.lower().replace(" ", "-")
