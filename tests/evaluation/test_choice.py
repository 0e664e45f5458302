"""Which model a figure without labels picks, on rankings made by hand."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from io import StringIO
from pathlib import Path

import pytest
from report_factory import fabricate, row
from rich.console import Console
from scipy import stats

from eqae.evaluation.choice import CONDITIONS, CRITERIA, TARGETS, Choice, by_pick, choices_without_labels
from eqae.evaluation.report import print_table, write_report
from eqae.evaluation.report.choice_text import choice_lines
from eqae.evaluation.results import Results

NAN = math.nan
PROBE = {"a": 0.9, "b": 0.8, "c": 0.7, "d": 0.6, "e": 0.5}


def results(**columns: Mapping[str, float]) -> Results:
    return Results(
        [
            row(metric, value, model, CONDITIONS.get(metric, ""))
            for metric, found in columns.items()
            for model, value in found.items()
        ]
    )


def only(found: Results) -> Choice:
    (choice,) = found.choices
    return choice


def test_a_ranking_made_by_hand() -> None:
    rank = {"a": 4.0, "b": 5.0, "c": 2.0, "d": 3.0, "e": 1.0}  # two neighbours swapped twice: 1 - 6 * 4 / 120
    choice = only(results(effective_rank=rank, linear_probe_accuracy=PROBE))
    assert (choice.criterion, choice.target) == ("effective_rank", "linear_probe_accuracy")
    assert (choice.picked, choice.value) == ("b", 0.8)
    assert (choice.best, choice.best_value) == ("a", 0.9)
    assert choice.regret == pytest.approx(0.1)
    assert choice.rank_correlation == pytest.approx(0.8)
    assert choice.models == 5


def test_of_an_error_the_lowest_is_picked_and_the_same_order_is_one() -> None:
    error = {"a": 0.01, "b": 0.02, "c": 0.03, "d": 0.05, "e": 0.9}
    choice = only(results(reconstruction_mse=error, linear_probe_accuracy=PROBE))
    assert (choice.picked, choice.regret, choice.rank_correlation) == ("a", 0, pytest.approx(1))
    reverse = only(results(cluster_stability=error, linear_probe_accuracy=PROBE))
    assert (reverse.picked, reverse.rank_correlation) == ("e", pytest.approx(-1))


@pytest.mark.parametrize("order", ["abcde", "edcba", "cbade"])
def test_a_criterion_that_cannot_tell_models_apart_picks_the_worst_of_them(order: str) -> None:
    stability = {"a": 1.0, "b": 1.0, "c": 1.0, "d": 0.5, "e": 0.4}
    choice = only(results(cluster_stability={m: stability[m] for m in order}, knn_accuracy=PROBE))
    assert (choice.picked, choice.best) == ("c", "a")
    truth = stats.spearmanr([stability[m] for m in PROBE], list(PROBE.values())).statistic
    assert choice.rank_correlation == pytest.approx(truth)
    assert 0 < truth < 1


def test_where_all_are_equal_there_is_no_order_to_compare() -> None:
    choice = only(results(kmeans_silhouette=dict.fromkeys(PROBE, 0.2), kmeans_acc=PROBE))
    assert choice.picked == "e"
    assert math.isnan(choice.rank_correlation)
    assert only(results(kmeans_silhouette=PROBE, kmeans_acc=dict.fromkeys(PROBE, 0.5))).regret == 0


def test_only_models_that_have_both_figures_count() -> None:
    error = {"b": 0.02, "c": 0.01, "d": 0.05, "e": NAN}
    choice = only(results(reconstruction_mse=error, linear_probe_accuracy=PROBE))
    assert (choice.picked, choice.best, choice.models) == ("c", "b", 3)
    error["d"] = math.inf
    assert results(reconstruction_mse=error, linear_probe_accuracy=PROBE).choices == []


def test_initial_weights_and_conditions_do_not_count() -> None:
    found = results(effective_rank=dict.fromkeys("ab", 3.0), linear_probe_accuracy=PROBE)
    found.rows += [row("effective_rank", 9.0, "c (untrained)"), row("effective_rank", 9.0, "c", "D4")]
    found.rows += [row("linear_probe_accuracy", 0.9, "c (untrained)")]
    assert found.choices == []


def test_orbits_are_recalled_at_any_angle_and_not_at_those_that_cost_nothing() -> None:
    found = results(orbit_recall_at_1={"a": 0.7, "b": 0.9, "c": 0.5}, knn_accuracy=PROBE)
    found.rows[:0] = [row("orbit_recall_at_1", 1.0, "c", condition) for condition in ("D4", "30deg", "")]
    assert (only(found).criterion, only(found).picked) == ("orbit_recall_at_1", "b")


def test_every_criterion_meets_every_target() -> None:
    columns = dict.fromkeys((*CRITERIA, *TARGETS), PROBE)
    found = choices_without_labels(results(**columns).rows)
    assert [(choice.criterion, choice.target) for choice in found] == [(c, t) for c in CRITERIA for t in TARGETS]
    assert list(by_pick(found)) == [(criterion, "e" if "mse" in criterion else "a") for criterion in CRITERIA]


def test_choices_stand_in_the_file_in_valid_json(tmp_path: Path) -> None:
    found = results(cluster_stability=dict.fromkeys(PROBE, 1.0), effective_rank=PROBE, linear_probe_accuracy=PROBE)
    found.to_json(tmp_path / "results.json")
    document = json.loads((tmp_path / "results.json").read_text())
    assert [entry["rank_correlation"] for entry in document["choices"]] == [pytest.approx(1), None]
    assert document["choices"][0] | {"rank_correlation": 1.0} == asdict(found.choices[0]) | {"rank_correlation": 1.0}
    assert Results.from_json(tmp_path / "results.json").choices[0] == found.choices[0]


def test_a_file_from_before_there_were_choices_is_read(tmp_path: Path) -> None:
    found = results(effective_rank=PROBE, linear_probe_accuracy=PROBE)
    found.to_json(tmp_path / "results.json")
    document = json.loads((tmp_path / "results.json").read_text())
    del document["choices"]
    (tmp_path / "results.json").write_text(json.dumps(document))
    assert Results.from_json(tmp_path / "results.json").choices == found.choices != []


def test_the_terminal_has_a_line_for_each_criterion() -> None:
    rank = {"a": 4.0, "b": 5.0, "c": 2.0, "d": 3.0, "e": 1.0}
    title, heading, first, second, key = choice_lines(
        results(effective_rank=rank, neighbour_consistency=PROBE, linear_probe_accuracy=PROBE, knn_accuracy=PROBE), 80
    )
    assert title.split() == ["Chosen", "without", "labels", "Linear", "probe", "kNN"]
    assert heading.split() == ["by", "picks", "lost", "rank", "lost", "rank"]
    assert first.split() == ["effective", "rank", "b", "10.0", "0.80", "10.0", "0.80"]
    assert second.split() == ["neighbour", "consistency", "a", "*0.0", "1.00", "*0.0", "1.00"]
    assert "best of 5 models" in key
    assert len(title) == len(heading) == len(first) == len(second)


def test_a_loss_within_noise_is_marked() -> None:
    probe = {"a": 0.9, "b": 0.895, "c": 0.5}  # intervals of a hundredth to each side
    found = results(effective_rank={"a": 1.0, "b": 2.0, "c": 0.0}, knn_accuracy=probe)
    assert choice_lines(found, 80)[2].split()[-2:] == ["~0.5", "0.50"]


@pytest.mark.parametrize("width", [50, 80, 100])
def test_no_line_of_the_terminal_is_wider_than_it(width: int) -> None:
    stream = StringIO()
    print_table(fabricate(images=10), Console(file=stream, width=width))
    lines = stream.getvalue().splitlines()
    start = next(place for place, line in enumerate(lines) if line.startswith("Chosen without labels"))
    assert max(map(len, lines[start:])) <= width
    assert [line[:13] for line in lines[start + 2 : start + 4]] == ["Reconstr. MSE", "silhouette   "]


def test_two_models_or_no_labels_leave_nothing_to_say(tmp_path: Path) -> None:
    for found in (fabricate(("cnn", "pca"), images=10), fabricate(labelled=False, images=10)):
        assert choice_lines(found, 80) == []
        write_report(tmp_path / "report.html", found, [], "A page", {}, {})
        assert "Choice without labels" not in (tmp_path / "report.html").read_text()


def test_the_page_has_a_row_for_each_criterion(tmp_path: Path) -> None:
    found = results(
        reconstruction_mse={"a": 0.3, "b": 0.1, "c": 0.2},
        cluster_stability={"a": 1.0, "b": 1.0, "c": 1.0},
        linear_probe_accuracy=PROBE,
    )
    write_report(tmp_path / "report.html", found, [], "A page", {}, {})
    section = (tmp_path / "report.html").read_text().split("<h2>Choice without labels</h2>")[1].split("</section>")[0]
    first, second = section.split("<tbody>")[1].split("</tbody>")[0].split("</tr><tr>")
    about = 'title="best: a, 90.0\N{NO-BREAK SPACE}%; of 3 models"'
    assert ">b</span>" in first
    assert f"<td {about}>80.0</td><td {about}>10.0</td><td {about}>-0.50</td>" in first
    assert ">c</span>" in second
    assert f"<td {about}>70.0</td><td {about}>20.0</td><td {about}>—</td>" in second
