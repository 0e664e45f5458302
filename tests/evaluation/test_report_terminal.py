"""The table on the terminal: aligned, whole numbers, and never wider than the place it is shown in."""

from __future__ import annotations

import re
from io import BytesIO, StringIO, TextIOWrapper

import pytest
from report_factory import MODELS, fabricate, row
from rich.console import Console

from eqae.evaluation.report import print_table
from eqae.evaluation.results import Results

NUMBER = re.compile(r"\d+\.\d+(?:e-\d+)?")


def printed(results: Results, width: int, **options: bool) -> list[str]:
    stream = StringIO()
    print_table(results, Console(file=stream, width=width, **options))
    return stream.getvalue().splitlines()


def figures(lines: list[str], model: str) -> list[str]:
    line = next(line for line in lines if line.startswith(model[:12]))
    return NUMBER.findall(line)


@pytest.mark.parametrize(("width", "columns"), [(80, 6), (100, 8), (120, 8)])
def test_as_many_whole_columns_are_shown_as_fit(width: int, columns: int) -> None:
    lines = printed(fabricate(images=10), width)
    assert max(map(len, lines)) <= width
    rows = [line for line in lines if line.startswith(tuple(model[:12] for model in MODELS[:5]))]
    assert len(rows) == 5
    assert all(len(NUMBER.findall(line)) == columns for line in rows)
    text = " ".join(lines)
    assert ("Not shown for lack of room: Invariance error any angle ↓, Reconstr. MSE ↓" in text) == (width == 80)


def test_figures_stand_below_each_other() -> None:
    lines = printed(fabricate(images=10), 120)
    ends = [[match.end() for match in NUMBER.finditer(line)] for line in lines if line.startswith(("eqae", "cnn"))]
    assert len(ends) == 5
    assert all(each == ends[0] for each in ends)


def test_best_and_tied_are_marked_in_the_direction_of_the_metric() -> None:
    rows = [row("knn_accuracy", value, model) for model, value in (("a", 0.9), ("b", 0.89), ("c", 0.5))]
    rows += [row("reconstruction_mse", value, model) for model, value in (("a", 0.9), ("b", 0.5), ("c", 0.7))]
    lines = printed(Results(rows=rows), 80)
    cells = {line[0]: line.split()[1:] for line in lines if line[:2] in ("a ", "b ", "c ")}
    assert cells == {"a": ["*90.0", "0.90"], "b": ["~89.0", "*0.50"], "c": ["50.0", "0.70"]}
    assert any("* best" in line for line in lines)


def test_a_pipe_gets_no_colour_codes_and_a_terminal_gets_bold() -> None:
    assert "\x1b" not in "".join(printed(fabricate(images=10), 100))
    assert "\x1b[1m" in "".join(printed(fabricate(images=10), 100, force_terminal=True))


def test_without_a_console_the_table_goes_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(fabricate(images=10))
    lines = capsys.readouterr().out.splitlines()
    assert 80 < max(map(len, lines)) <= 100


def test_below_the_table_stands_what_turning_does() -> None:
    lines = printed(fabricate(images=10), 300)
    last = lines.index("") - 1  # the choice without labels comes after
    assert lines[last].startswith("Under D4, the features of eqae_p4m:")


def test_an_old_encoding_is_no_reason_to_fail() -> None:
    stream = TextIOWrapper(BytesIO(), encoding="ascii", errors="strict")
    results = fabricate(images=10)
    print_table(results, Console(file=stream, width=100))
    stream.seek(0)
    assert "*9" in stream.read()


def test_long_names_are_cut_and_numbers_are_not() -> None:
    results = fabricate(("eqae_p4m_with_a_very_long_name_indeed:correlation", "cnn"), images=10)
    lines = printed(results, 80)
    assert max(map(len, lines)) <= 80
    assert len(figures(lines, "eqae_p4m_with")) >= 5


def test_nan_is_a_dash_and_no_results_are_said_to_be_none() -> None:
    rows = [row("knn_accuracy", float("nan"), "a"), row("knn_accuracy", 0.5, "b")]
    lines = printed(Results(rows=rows), 80)
    assert next(line for line in lines if line.startswith("a")).split() == ["a", "—"]
    assert printed(Results(), 80) == ["Nothing was measured."]
