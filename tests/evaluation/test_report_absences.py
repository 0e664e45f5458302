"""What was not measured is said where the figure would stand."""

import math
from io import StringIO

from report_factory import fabricate, row
from rich.console import Console

from eqae.evaluation.report import print_table
from eqae.evaluation.report.absences import absences
from eqae.evaluation.report.page import page
from eqae.evaluation.report.subject import Subject
from eqae.evaluation.results import Results
from eqae.evaluation.row import Row

WHY = "not available: the model has no feature maps"


def missing(model: str, metric: str = "semantic", note: str = WHY) -> Row:
    return row(metric, math.nan, model, evaluator="semantic", low=None, high=None, note=note)


def test_models_that_lack_the_same_for_one_reason_share_a_sentence() -> None:
    results = Results([missing("pca"), missing("zernike"), row("knn_accuracy", 0.5, "pca")])
    assert absences(results) == [f"pca, zernike: semantic {WHY}"]
    assert absences(results, ("classification",)) == []


def test_many_figures_are_counted() -> None:
    results = Results([missing("pca", f"figure {i}") for i in range(5)])
    assert absences(results) == [f"pca: figure 0, figure 1, figure 2 and 2 more {WHY}"]


def test_the_page_says_it_in_the_section_and_the_terminal_below_the_table() -> None:
    results = fabricate(("cnn", "pca"))
    results.rows.append(missing("pca"))
    text = page(Subject(results, [], {}, {}), "title")
    assert f"pca: semantic {WHY}" in text.split("<h2>Semantic similarity</h2>")[1].split("</section>")[0]
    stream = StringIO()
    print_table(results, Console(file=stream, width=100))
    assert f"pca: semantic {WHY}" in stream.getvalue()


def printed(results: Results) -> str:
    stream = StringIO()
    print_table(results, Console(file=stream, width=100))
    return stream.getvalue()


def test_figures_that_are_no_key_figures_are_shown_where_there_are_no_others() -> None:
    text = printed(Results([row("uniformity", -3.2, "pca"), row("uniformity", -2.2, "cnn")]))
    assert "-3.200" in text
    assert "-2.200" in text


def test_where_nothing_was_measured_the_reason_is_said() -> None:
    assert f"pca: semantic {WHY}" in printed(Results([missing("pca")]))
