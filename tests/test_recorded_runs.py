"""The tables of record: every run they ask for has a config that stands, and the JSON holds what they ask for."""

from __future__ import annotations

import re
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from eqae.commands.resolving import read_config

MEAN_AND_SPREAD = re.compile(r"\d+\.\d+ ± \d+\.\d+")


@pytest.fixture(scope="module", params=["paper_table", "rivals_table"])
def table(request: pytest.FixtureRequest, benchmarks: Path) -> ModuleType:
    """The script of a table, as a module."""
    return import_module(request.param)


def datasets(table: ModuleType) -> list[str]:
    return list(table.RECORD.networks)


def test_every_network_has_a_config_that_stands_on_every_dataset(table: ModuleType) -> None:
    recipes = {
        (data, network): table.RECORD.wanted_recipe(data, network)
        for data in datasets(table)
        for network in table.RECORD.networks[data]
    }
    assert len(set(recipes.values())) == len(recipes)


def test_a_recipe_does_not_depend_on_seed_or_place_and_does_on_what_is_trained(table: ModuleType) -> None:
    from recorded_runs import recipe_of

    record, network = table.RECORD, table.NETWORKS[0]
    path = record.file(network)
    asked = record.asked("plankton", network, 0)
    recipe = recipe_of(read_config(path, asked))
    for more in (["seed=7"], ["data.root=/somewhere"], ["name=x", "output=y"], ["evaluators=[invariance]"]):
        assert recipe_of(read_config(path, [*asked, *more])) == recipe
    for more in (["training.epochs=1"], ["head=max"], ["augmentation.noise=0.7"], ["data.name=digits", "data.size=12"]):
        assert recipe_of(read_config(path, [*asked, *more])) != recipe


def test_what_is_on_record_is_of_todays_recipes_and_fills_lines(table: ModuleType) -> None:
    from recorded_runs import recorded

    entries = recorded(table.RESULTS)
    assert entries == table.RECORD.current(table.RESULTS)
    heads = {(line.network, line.head) for line in table.LINES}
    titles = [(line.title, getattr(line, "group", "")) for line in table.LINES]
    assert len(set(titles)) == len(titles)
    assert all(any((entry["network"], head) in heads for head in entry["figures"]) for entry in entries)
    for data in {entry["data"] for entry in entries}:
        lines = [line for line in table.table(entries, data) if line.startswith("| ")]
        assert len(lines) > 1
        assert len({line.count("|") for line in lines}) == 1


def test_the_readme_says_what_is_on_record(table: ModuleType) -> None:
    from refresh_readme import README, refreshed

    text = README.read_text()
    assert text.count("| features |") >= 3
    assert refreshed(text) == text
    for row in ("| Gram pooling | D12 |", "| contrast and neighbours (ours) |"):
        stale = re.sub(rf"({re.escape(row)}.*?)0\.9", r"\g<1>0.1", text)
        assert stale != text
        assert refreshed(stale) == text


def test_the_overview_is_of_what_is_on_record(benchmarks: Path) -> None:
    import rivals_overview
    from rivals_table import RECORD

    figures = rivals_overview.shown(RECORD.current())
    picture = (benchmarks.parent / "docs" / "pictures" / "rivals_overview.svg").read_text()
    assert rivals_overview.digest(figures) in picture
    assert all(data in picture for data in figures)


def test_a_dash_stands_where_nothing_was_measured(table: ModuleType) -> None:
    from recorded_runs import mean_and_spread

    assert mean_and_spread([{"a": 0.5}, {"a": 0.7}], "a") == "0.600 ± 0.141"
    assert mean_and_spread([{"a": 0.5}, {}], "a") == "0.500"
    assert mean_and_spread([{}], "a") == "–"


def entry_of(seconds: int, device: str, **more: object) -> dict[str, object]:
    return {
        "data": "d", "network": "n", "seed": 0, "recipe": "r", "device": device, "training_seconds": seconds,
        "baselines": {"+cnn": {"training_seconds": 60}}, "figures": {}, **more,
    }  # fmt: skip


def test_minutes_are_those_of_a_cpu_where_there_are_any() -> None:
    from recorded_runs import minutes_of

    fast, slow = entry_of(60, "some GPU"), entry_of(600, "CPU")
    old = {key: value for key, value in slow.items() if key != "device"}
    assert minutes_of([fast]) == "1 (GPU)"
    assert minutes_of([fast, slow]) == minutes_of([old]) == "10"
    assert minutes_of([fast | {"seconds_on_cpu": 1200}, slow]) == "15"
    assert minutes_of([slow], "+cnn") == "1"
    half, single = entry_of(120, "CPU", precision="bf16-mixed"), entry_of(600, "CPU", precision="32-true")
    assert minutes_of([half, single]) == "2"
    assert minutes_of([single, fast | {"precision": "bf16-mixed"}]) == "10"


def test_a_run_that_failed_in_an_evaluator_is_not_on_record(benchmarks: Path) -> None:
    from rivals_table import RECORD, is_complete

    networks = {entry["network"]: entry for entry in RECORD.current()}
    for network, entry in networks.items():
        assert is_complete(entry), network
        for figure in ("spectral_acc", "relative_invariance_error any-angle", "effective_rank"):
            rest = {key: value for key, value in entry["figures"][""].items() if key != figure}
            assert not is_complete(entry | {"figures": entry["figures"] | {"": rest}})


def test_published_figures_stand_beside_their_remake_and_the_best_without_labels(benchmarks: Path) -> None:
    from published_figures import table

    def run(network: str, seed: int, data: str = "so2-mnist-12k", head: str = "", **figures: float) -> dict[str, Any]:
        zero = {"kmeans_purity": 0.0, "gmm_purity": 0.0, "knn_accuracy": 0.0, "classifier_accuracy": 0.0}
        return {"data": data, "network": network, "seed": seed, "figures": {head: zero | figures}}

    runs = [
        run("giae_style", 0, knn_accuracy=0.7), run("giae_style", 1, knn_accuracy=0.8),
        run("clusters", 0, knn_accuracy=0.5), run("contrast", 0, head="max", knn_accuracy=0.9),
        run("supervised", 0, knn_accuracy=1.0), run("supervised_turned", 0, classifier_accuracy=0.99),
        run("o2vae_style", 0, "o2-mnist-12k", kmeans_purity=0.4, gmm_purity=0.6),
        run("contrast", 0, "o2-mnist-12k", kmeans_purity=0.3),
    ]  # fmt: skip
    rows = [line.strip("| ").split(" | ") for line in table(runs)]
    figures = {row[0].partition(": ")[2] or row[0]: row[1:] for row in rows}
    assert figures["GIAE (Winter et al. 2022)"] == ["0.90", "0.750 ± 0.071", "0.900"]
    assert figures["O2-VAE (Burgess et al. 2024)"] == ["0.737", "0.400", "0.400"]
    assert figures["E2CNN, D16 restricted to C16 (Weiler & Cesa 2019)"][:2] == ["0.68 %", "1.00 %"]


@pytest.mark.parametrize(("recipe", "kept"), [("r", 600), ("another", None)])
def test_a_gpu_does_not_make_the_minutes_on_a_cpu_forgotten(tmp_path: Path, recipe: str, kept: int | None) -> None:
    from recorded_runs import merge, recorded

    path = tmp_path / "table.json"
    for seconds, device in ((600, "CPU"), (60, "some GPU"), (50, "some GPU")):
        merge([entry_of(seconds, device, recipe="r" if device == "CPU" else recipe)], path, "command")
    (found,) = recorded(path)
    assert found["training_seconds"] == 50
    assert found.get("seconds_on_cpu") == kept


def test_networks_that_fail_do_not_stop_those_beside_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from recorded_runs import Record, make_table

    script = tmp_path / "table.py"
    script.write_text("import sys\nprint(sys.argv)\nsys.exit(2 * ('bad' in sys.argv))\n")
    monkeypatch.setattr(sys, "argv", [str(script), "--processes", "2", "--seeds", "2", "--root", "there"])
    record = Record(
        path=tmp_path / "table.json", configs=tmp_path, output=tmp_path, networks={"d": ("bad", "good")}, files={},
        overrides=lambda *_: (), figures=(), complete=lambda _: True, command="",
    )  # fmt: skip
    assert make_table(record, "", lambda *_: []) == 2
    logs = {path.name: path.read_text() for path in (tmp_path / "d").iterdir()}
    assert set(logs) == {"bad-s0.log", "bad-s1.log", "good-s0.log", "good-s1.log"}
    for said in ("'--networks', 'good'", "'--seed', '1'", "'--root', 'there'"):
        assert said in logs["good-s1.log"]


def test_every_mean_and_spread_in_prose_is_on_record(benchmarks: Path) -> None:
    import paper_table
    import published_figures
    import rivals_table

    rivals = rivals_table.RECORD.current()
    tables = [rivals_table.table(rivals, data) for data in rivals_table.RECORD.networks]
    tables += [paper_table.table(paper_table.RECORD.current(), data) for data in paper_table.RECORD.networks]
    tables.append(published_figures.table(rivals))
    pages = [benchmarks.parent / "README.md", *(benchmarks.parent / "docs").glob("*.md")]
    said = {figure for page in pages for figure in MEAN_AND_SPREAD.findall(page.read_text())}
    assert len(said) > 50
    assert said <= set(MEAN_AND_SPREAD.findall("\n".join(line for table in tables for line in table)))
