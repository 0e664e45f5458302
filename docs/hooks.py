"""What the site takes from the project itself, so that no page repeats by hand what code or benchmarks say.

A line ``<!-- table: NAME -->`` in a page is replaced by a table, as deep in the margin as the line: the keys of the
YAML, the options of registered names, figures of the benchmarks of record.
"""

from __future__ import annotations

import json
import re
import statistics
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError

from eqae.commands.resolving import read_config
from eqae.commands.shell import key_help
from eqae.evaluation.choice import CONDITIONS, Choice, by_pick, choices_without_labels
from eqae.evaluation.report.choice_text import rank_text
from eqae.evaluation.row import Row

RESULTS = Path(__file__).parents[1] / "benchmarks" / "results"
MARK = re.compile(r"^( *)<!-- table: (\w+) ?(\w*) -->$", re.MULTILINE)
FIRST_NAME = re.compile(r"<tr>\s*<td><code>\w+</code>")
FOREIGN = re.compile(r"""<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)=["'](?:https?:)?//[^>]*>""")
HELP_LINE = re.compile(r"  (and any of them|\S+)\s+(.*)")
STUDIED = {
    "o2_p4m": "p4m", "o2_cnn": "cnn", "o2_cnn_antialiased": "cnn, anti-aliased", "zernike": "zernike", "pca": "pca",
}  # fmt: skip
FIGURES = (
    ("linear probe", "linear_probe_accuracy", ".3f"),
    ("10 labels", "linear_probe_accuracy_10", ".3f"),
    ("kNN", "knn_accuracy", ".3f"),
    ("error 30°", "relative_invariance_error 30deg", ".2f"),
    ("error any angle", "relative_invariance_error any-angle", ".2f"),
)

TARGETS = {"linear_probe_accuracy": "linear probe", "knn_accuracy": "kNN", "kmeans_acc": "k-means"}
LESS_IS_BETTER = {"reconstruction_mse"}


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Fill the tables in; an unknown one stops the build."""
    return MARK.sub(_filled, markdown)


def on_page_content(html: str, **_: Any) -> str:
    """Let long names in the first column of a table break after an underscore, and nowhere else."""
    return FIRST_NAME.sub(lambda name: name[0].replace("_", "_<wbr>"), html)


def on_post_page(output: str, **_: Any) -> str:
    """Refuse a page that loads anything from another server; links that a reader may follow are no matter.

    Raises:
        PluginError: with the tag that does.
    """
    if foreign := FOREIGN.search(output):
        raise PluginError(f"the site must work without the network, but loads {foreign[0]}")
    return output


def _filled(mark: re.Match[str]) -> str:
    margin, name, argument = mark.groups()
    return "\n".join(margin + line for line in TABLES[name](*filter(None, [argument])))


def keys() -> Iterator[str]:
    """Every key of the YAML, as ``--help`` lists them."""
    yield from _table(("key", "meaning, choices and default"), _help_section("keys "))


def options(kind: str) -> Iterator[str]:
    """The registered names of a kind, and their options, as ``--help`` lists them."""
    rows = ((name, f"`{said}`" if said != "-" else "–") for name, said in _help_section(f"{kind}: "))
    yield from _table(("name", "options and defaults"), rows)


def figures() -> Iterator[str]:
    """The networks of the paper's table on the rotated digits, means over the seeds that the record has."""
    benchmark = _benchmark("paper_table")
    runs, entries_of = benchmark.RECORD.current(), _benchmark("recorded_runs").entries_of
    entries = ((line, entries_of(runs, "o2-mnist-12k", line.network, line.head)) for line in benchmark.LINES)
    titles = ("features", "group", *(title for title, *_ in FIGURES), "parameters", "seeds")
    yield from _table(titles, (_figures_line(*one) for one in entries if one[1]), code=False)


def record(evaluator: str) -> Iterator[str]:
    """What an evaluator said of the models of the studies on the rotated digits."""
    rows = [row for row in _read("o2mnist_studies")["rows"] if row["evaluator"] == evaluator and not row["note"]]
    # Theirs is of an earlier MLP probe (docs/decisions.md).
    rows = [row for row in rows if row["model"] in STUDIED and row["metric"] != "mlp_probe_accuracy"]
    found = {(row["metric"], row["condition"], row["model"]): row["value"] for row in rows}
    lines = dict.fromkeys((row["metric"], row["condition"]) for row in rows)
    said = ((metric, condition, *(_short(found.get((metric, condition, model))) for model in STUDIED))
            for metric, condition in lines)  # fmt: skip
    yield from _table(("figure", "condition", *STUDIED.values()), said)


def rivals() -> Iterator[str]:
    """The tables of ``benchmarks/rivals_table.py``, a dataset after the other, as far as they are on record."""
    benchmark = _benchmark("rivals_table")
    runs = benchmark.RECORD.current()
    for data in benchmark.DATA:
        if any(run["data"] == data for run in runs):
            _, *lines = "\n".join(benchmark.table(runs, data)).splitlines()
            yield from ("", f"### `{data}`", *lines, "")


def trained() -> Iterator[str]:
    """What each network of the rivals' table is and how it is trained, on the first dataset that it is trained on."""
    benchmark = _benchmark("rivals_table")
    first = {name: data for data, names in reversed(benchmark.RECORD.networks.items()) for name in names}
    titles = ("network", "group", "fields", "features", "epochs", "batch", "objective", "augmentation")
    networks = (*benchmark.NETWORKS, *benchmark.VARIANTS)
    yield from _table(titles, (_recipe(benchmark.RECORD, first[name], name) for name in networks))


def _recipe(record: Any, data: str, network: str) -> list[str]:
    """A line of :func:`trained`."""
    config = read_config(record.file(network), record.asked(data, network, 0))
    said = config.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    model, plain = said["model"], said["model"].get("name", "eqae").startswith("cnn")
    blurred = model.get("antialiased") or model.get("name") == "cnn_antialiased"
    objectives = said.get("objective", {"reconstruction": {}}).items()
    return [
        network, f"– (as many parameters as {model['group']})" if plain else model["group"],
        ", ".join(map(str, model["fields"])) + (", anti-aliased" if blurred else ""), config.head.name,
        str(config.training.epochs), str(config.training.batch_size),
        "; ".join(f"{name} {_options(options)}".strip() for name, options in objectives),
        _options(said.get("augmentation", {})),
    ]  # fmt: skip


def _options(given: dict[str, Any]) -> str:
    """Keys and values in a row, those of a ramp in brackets."""
    said = ((key, f"({_options(value)})" if isinstance(value, dict) else value) for key, value in given.items())
    return ", ".join(f"{key} {value}" for key, value in said)


def published() -> Iterator[str]:
    """What others have published, beside the record's figures."""
    yield from _benchmark("published_figures").table(_benchmark("rivals_table").RECORD.current())


def choices() -> Iterator[str]:
    """What figures without labels would have picked among the lines of the rotated digits, seed 0."""
    titles = ("by", "picks", *(f"{title}: lost (rank)" for title in TARGETS.values()))
    lines = by_pick(_choices_on("o2-mnist-12k")).items()
    said = ((_criterion(metric), pick, *(_lost(found.get(target)) for target in TARGETS))
            for (metric, pick), found in lines)  # fmt: skip
    yield from _table(titles, said, code=False)


def choices_of_neighbours() -> Iterator[str]:
    """What such picks lose of kNN on each dataset of record, seed 0."""
    datasets = tuple(_benchmark("rivals_table").DATA)
    found = {
        (choice.criterion, data): choice
        for data in datasets
        for choice in _choices_on(data)
        if choice.target == "knn_accuracy"
    }
    criteria = dict.fromkeys(criterion for criterion, _ in found)
    said = ((_criterion(one), *(_lost(found.get((one, data))) for data in datasets)) for one in criteria)
    yield from _table(("kNN: lost (rank)", *(f"`{data}`" for data in datasets)), said, code=False)


def _choices_on(data: str) -> list[Choice]:
    """Among the lines that the record has of a dataset, seed 0, but for those that saw labels."""
    benchmark = _benchmark("rivals_table")
    runs = benchmark.RECORD.current()
    entries = {run["network"]: run for run in runs if run["data"] == data and run["seed"] == 0}
    return choices_without_labels([
        _row(line.title, key, value)
        for line in benchmark.LINES
        if line.network in entries and not line.network.startswith("supervised")
        for key, value in entries[line.network]["figures"].get(line.head, {}).items()
    ])  # fmt: skip


def _row(title: str, key: str, value: float) -> Row:
    """A figure of the record as a row of results."""
    metric, _, condition = key.partition(" ")
    return Row(title.replace("*", ""), "", "", metric, condition, value, None, None, metric not in LESS_IS_BETTER, 0, 0)


def _criterion(metric: str) -> str:
    """A criterion in words, with the condition it is taken under."""
    return f"{metric} {CONDITIONS.get(metric, '')}".strip().replace("_", " ").replace("-", " ")


def centre_of_mass() -> Iterator[str]:
    """What a linear probe makes of digits whose centre of mass was moved, a line a network."""
    rows = _read("centre_of_mass")["rows"]
    found = {(row["run"], row["head"], row["data"], row["centre of mass"]): row for row in rows}
    networks = dict.fromkeys(key[:3] for key in found)
    places = dict.fromkeys(row["centre of mass"] for row in rows)
    ends = [(pair, place) for pair in ("6 and 9", "2 and 5") for place in ("as it is", "on the other side")]
    titles = (*(f"error, {place}" for place in places), *(f"{pair} exchanged, {place}" for pair, place in ends))
    said = ((f"{run.rpartition('-s')[0] or run}:{head}", f"`{data}`",
             *(f"{found[run, head, data, place]['error']:.1%}" for place in places),
             *(f"{found[run, head, data, place][f'{pair} exchanged']:.0%}" for pair, place in ends))
            for run, head, data in networks)  # fmt: skip
    yield from _table(("network and head", "images", *titles), said)


def _lost(choice: Choice | None) -> str:
    return "–" if choice is None else f"{100 * choice.regret:.1f} ({rank_text(choice)})"


def _benchmark(name: str) -> Any:
    """A benchmark as a module."""
    sys.path.insert(0, str(RESULTS.parent))
    try:
        return import_module(name)
    finally:
        sys.path.pop(0)


def _short(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"


def _read(name: str) -> Any:
    return json.loads((RESULTS / f"{name}.json").read_text())


def _figures_line(line: Any, entries: Sequence[dict[str, Any]]) -> list[str]:
    said = [entry["figures"][line.head] for entry in entries]
    means = [f"{statistics.mean(one[metric] for one in said):{digits}}" for _, metric, digits in FIGURES]
    size = statistics.mean(entry["parameters"] for entry in entries)
    return [line.title, line.group, *means, f"{size:,.0f}", str(len(entries))]


def _help_section(start: str) -> Iterator[tuple[str, str]]:
    """Name and meaning on each line below the heading that starts so, up to the next blank line."""
    blocks = key_help().split("\n\n")
    (block,) = (block for block in blocks if block.startswith(start))
    for line in block.splitlines()[1:]:
        if match := HELP_LINE.fullmatch(line):
            yield match[1], match[2]


def _table(titles: Iterable[str], rows: Iterable[Iterable[str]], *, code: bool = True) -> Iterator[str]:
    """Markdown; the first column as code unless told otherwise."""
    titles = list(titles)
    yield "| " + " | ".join(titles) + " |"
    yield "|---" * len(titles) + "|"
    for first, *rest in rows:
        cells = (f"`{first}`" if code else first, *rest)
        yield "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


TABLES: dict[str, Callable[..., Iterator[str]]] = {
    "keys": keys, "options": options, "figures": figures, "record": record, "rivals": rivals, "choices": choices,
    "choices_of_neighbours": choices_of_neighbours, "centre_of_mass": centre_of_mass, "published": published,
    "trained": trained,
}  # fmt: skip
