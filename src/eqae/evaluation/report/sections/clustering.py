"""Whether the classes show without any label."""

from __future__ import annotations

from eqae.evaluation.report.markup import Markup, join, tag
from eqae.evaluation.report.standings import Column
from eqae.evaluation.report.subject import Subject
from eqae.evaluation.report.table import score_table

_METHODS = {"kmeans": "k-means", "gmm": "Gaussian mixture"}
_MEASURES = {"acc": "ACC", "purity": "purity", "nmi": "NMI", "ari": "ARI", "silhouette": "silhouette"}
_HOW_TO_READ = (
    "Clusters are found in the features of the training images, by default as many as there are classes; labels only "
    "judge them. ACC matches clusters and classes one to one; purity lets several clusters share a class and is never "
    "lower."
)


def clustering(subject: Subject) -> Markup:
    """ACC, purity, NMI, ARI and silhouette by k-means and by a Gaussian mixture."""
    columns = [
        Column(f"{method}_{measure}", group=group, title=title)
        for method, group in _METHODS.items()
        for measure, title in _MEASURES.items()
    ]
    table = score_table(subject, columns)
    return join(tag("p", _HOW_TO_READ), table) if table else Markup()
