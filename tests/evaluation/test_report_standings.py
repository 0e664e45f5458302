"""Who is best, who cannot be told apart from the best, and what is said about it."""

from __future__ import annotations

import math
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from report_factory import fabricate, row

from eqae.evaluation.report.markup import Markup, tag
from eqae.evaluation.report.number_text import ABSENT, number_in_prose, number_text
from eqae.evaluation.report.standings import Column, Mark, cells, marks, present, trained_models
from eqae.evaluation.report.subject import Subject
from eqae.evaluation.report.summary import invariance, wins
from eqae.evaluation.report.table import score_table
from eqae.evaluation.report.vocabulary import metric_wording
from eqae.evaluation.results import Results
from eqae.evaluation.row import Row


def standing(*rows: Row) -> dict[str, Mark]:
    return marks(Results(list(rows)), Column(rows[0].metric, rows[0].condition))


def spoken(parts: list[str]) -> str:
    return "".join(parts).replace("\N{NO-BREAK SPACE}", " ")


def test_best_is_the_highest_where_higher_is_better() -> None:
    rows = (row("knn_accuracy", 0.9, "a"), row("knn_accuracy", 0.5, "b"))
    assert standing(*rows) == {"a": "best", "b": ""}


def test_best_is_the_lowest_where_lower_is_better() -> None:
    rows = (row("reconstruction_mse", 0.9, "a"), row("reconstruction_mse", 0.5, "b"))
    assert standing(*rows) == {"a": "", "b": "best"}


def test_intervals_that_overlap_the_best_are_marked_and_others_are_not() -> None:
    rows = [row("knn_accuracy", value, name) for name, value in (("a", 0.9), ("b", 0.885), ("c", 0.87))]
    assert standing(*rows) == {"a": "best", "b": "tied", "c": ""}


def test_without_intervals_only_equal_values_share_the_first_place() -> None:
    values = {"a": 0.9, "b": 0.9, "c": 0.8999}
    rows = [row("knn_accuracy", v, name, low=None, high=None) for name, v in values.items()]
    assert standing(*rows) == {"a": "best", "b": "best", "c": ""}


def test_errors_of_rounding_size_are_tied_whatever_their_intervals() -> None:
    values = {"a": 1e-7, "b": 9e-6, "c": 2e-5}
    rows = [row("relative_invariance_error", v, m, "D4", low=v, high=v) for m, v in values.items()]
    assert standing(*rows) == {"a": "best", "b": "tied", "c": ""}


def test_what_is_not_a_number_is_never_best() -> None:
    rows = [row("invariance_ratio", v, m) for m, v in (("a", float("nan")), ("b", 0.2), ("c", 0.9))]
    assert standing(*rows) == {"a": "", "b": "best", "c": ""}


@given(st.lists(st.floats(0, 1), min_size=2, max_size=8), st.booleans())
def test_the_best_is_an_extreme_of_the_values(values: list[float], higher: bool) -> None:
    rows = {str(i): row("knn_accuracy", v, str(i), higher_is_better=higher) for i, v in enumerate(values)}
    best = {rows[label].value for label, mark in standing(*rows.values()).items() if mark == "best"}
    assert best == {max(values) if higher else min(values)}


def test_figures_of_the_initial_weights_are_no_models_of_their_own() -> None:
    results = Results(rows=[row("knn_accuracy", 0.5, "a"), row("knn_accuracy", 0.9, "a (untrained)")])
    assert trained_models(results) == ("a",)
    assert cells(results, Column("knn_accuracy"))["a"].value == 0.5
    assert cells(results, Column("knn_accuracy", untrained=True))["a"].value == 0.9


def test_the_table_shows_values_marks_directions_and_intervals() -> None:
    results = Results(
        rows=[
            row("linear_probe_accuracy", 0.8961, "a"),
            row("linear_probe_accuracy", 0.9, "b", n=1234),
            row("reconstruction_mse", 0.0123, "a", low=None, high=None),
        ]
    )
    columns = [Column("linear_probe_accuracy"), Column("knn_accuracy"), Column("reconstruction_mse")]
    table = score_table(Subject(results, [], {}, {}), columns)
    assert "% ↑" in table
    assert ">↓<" in table
    assert "kNN" not in table
    assert '<span class="near">≈</span>89.6</td>' in table
    assert '<td title="90 %, 95 % interval 89 to 91 %, n = 1,234, seed 0" class="best"><b>90.0</b></td>' in table
    assert '<td title="0.0123, n = 10,000, seed 0">1.2e-02</td>' in table


def test_a_column_has_a_figure_of_some_model_and_an_empty_cell_for_the_others() -> None:
    nothing: dict[str, Any] = {"low": None, "high": None, "note": "not available: no training image has a label"}
    rows = [row("kmeans_acc", math.nan, model, **nothing) for model in ("a", "b")]
    rows += [row("kmeans_silhouette", 0.4, "a"), row("kmeans_silhouette", math.nan, "b", **nothing)]
    columns = [Column("kmeans_acc"), Column("kmeans_silhouette")]
    assert present(Results(rows=rows), columns) == (Column("kmeans_silhouette"),)
    assert "not available" in score_table(Subject(Results(rows=rows), [], {}, {}), columns)


def test_the_floor_and_the_untrained_are_not_ranked() -> None:
    columns = [
        Column("relative_interpolation_floor", "30deg"),
        Column("relative_invariance_error", "D4", untrained=True),
    ]
    table = score_table(Subject(fabricate(images=10), [], {}, {}), columns)
    assert "best" not in table
    assert "↓" not in table


def test_a_temperature_is_best_at_one_which_is_no_end() -> None:
    assert not Column("temperature").is_ranked


def test_a_clear_winner_is_said_to_win() -> None:
    rows = [row(m, v, name) for m in ("linear_probe_accuracy", "knn_accuracy") for name, v in (("a", 0.9), ("b", 0.5))]
    assert spoken(wins(Results(rows=rows))) == "a is best by linear probe (90.0 %) and kNN (90.0 %)."


def test_a_lead_within_noise_is_called_that() -> None:
    rows = [row("kmeans_acc", 0.5, "a"), row("kmeans_acc", 0.495, "b"), row("kmeans_acc", 0.3, "c")]
    assert spoken(wins(Results(rows=rows))) == "By k-means (50.0 %), a is ahead, but within noise of b."


def test_a_model_without_rivals_is_reported_without_comparison() -> None:
    rows = [row("linear_probe_accuracy", 0.9), row("mlp_probe_accuracy", 0.92)]
    assert spoken(wins(Results(rows=rows))) == "a reaches 90.0 % by linear probe and 92.0 % by MLP probe."


@pytest.mark.parametrize(
    ("errors", "sentence"),
    [
        ({"a": 1e-7, "b": 0.41, "c": 0.05}, "Under D4, the features of a move by no more than rounding (at most "
         "1.0e-07 of their length); others move by 5 % (c) to 41 % (b)."),
        ({"a": 1e-7, "b": 2e-7}, "Under D4, the features of a and b move by no more than rounding (at most 2.0e-07 "
         "of their length)."),
        ({"a": 0.0, "b": 0.41}, "Under D4, the features of a do not move at all; others move by 41 % (b)."),
        ({"a": 0.41}, "Under D4, features move by 41 % (a) of their length."),
        ({"a": float("nan")}, ""),
    ],
)  # fmt: skip
def test_invariance_is_told_in_one_sentence(errors: dict[str, float], sentence: str) -> None:
    rows = [row("relative_invariance_error", value, model, "D4") for model, value in errors.items()]
    assert spoken(invariance(Results(rows=rows))) == sentence


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (0.8961, "percent", "89.6"), (1.2345e-7, "error", "1.2e-07"), (0.412, "error", "0.41"),
        (0.0, "error", "0"), (0.4567, "score", "0.457"),
        (float("nan"), "percent", ABSENT), (float("inf"), "error", ABSENT), (None, "score", ABSENT),
        (-0.0001, "score", "0.000"),
    ],
)  # fmt: skip
def test_numbers_are_written_as_people_read_them(value: float | None, kind: str, text: str) -> None:
    assert number_text(value, kind) == text  # type: ignore[arg-type]


@given(st.floats(), st.sampled_from(["percent", "error", "score"]))
@example(1.8e306, "percent")  # a hundred times as much is infinite
@example(1.8e306, "error")
def test_no_number_is_written_as_nan_or_inf(value: float, kind: str) -> None:
    for text in (number_text(value, kind), number_in_prose(value, kind)):  # type: ignore[arg-type]
        assert "nan" not in text
        assert "inf" not in text


def test_unknown_metrics_are_worded_by_the_ending_of_their_name() -> None:
    assert metric_wording("linear_probe_accuracy_25").title == "25 labels"
    assert metric_wording("linear_probe_accuracy_1").title == "1 label"
    assert metric_wording("ward_acc").kind == "percent"
    assert metric_wording("lie_error").kind == "error"
    assert metric_wording("effective_rank").title == "effective rank"


@given(st.text(st.characters(exclude_categories=("Cs", "Cc"))), st.text(st.characters(exclude_categories=("Cs", "Cc"))))
def test_whatever_text_enters_a_tag_comes_out_as_text(text: str, attribute: str) -> None:
    seen: list[object] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            seen.append((tag, dict(attrs)))

        def handle_data(self, data: str) -> None:
            seen.append(data)

    reader = Reader()
    reader.feed(tag("p", text, Markup("&amp;"), title=attribute))
    reader.close()
    assert seen[0] == ("p", {"title": attribute})
    assert "".join(map(str, seen[1:])) == f"{text}&"
