"""The pages say what is: their code runs, their commands stand, their links lead somewhere, no name is forgotten."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import NamedTuple, get_args

import pytest
import yaml
from mkdocs.exceptions import PluginError

import eqae
from eqae.commands.resolving import read_config
from eqae.commands.shell import key_help
from eqae.commands.train import main
from eqae.config import check_names, parse_config
from eqae.heads.postprocessing import Step
from eqae.registry import DATASETS, EVALUATORS, GROUPS, HEADS, MODELS, OBJECTIVES, Registry
from eqae.yaml_file import apply_overrides

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = (ROOT / "README.md", *sorted(DOCS.glob("*.md")))
SHIPPED = ROOT / "checkpoints" / "o2mnist_p4m"
FENCE = re.compile(r'^( *)```(\w+)(?: title="([^"]+)")?\n(.*?)^\1```$', re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s#]*)(?:#[^)\s]*)?\)")
MENTIONED = re.compile(r"`((?:src|docs|configs|benchmarks|examples|tests)/[\w./-]*\w/?)`")
SCRIPT = re.compile(r"uv run (?:python )?(?:--\S+ )*([\w./]+\.py)(.*)")
REGISTRIES = (DATASETS, EVALUATORS, GROUPS, HEADS, MODELS, OBJECTIVES)


class Block(NamedTuple):
    """A fenced block of a page: its language, the file that it is, if any, and its text."""

    kind: str
    title: str
    text: str


def blocks(page: Path) -> list[Block]:
    found = FENCE.findall(page.read_text(encoding="utf-8"))
    return [Block(kind, title, re.sub(f"(?m)^{margin}", "", text)) for margin, kind, title, text in found]


def python_blocks() -> Iterator[tuple[str, ast.Module]]:
    for page in PAGES:
        for block in blocks(page):
            if block.kind == "python":
                yield page.name, ast.parse(block.text, page.name)


def commands() -> Iterator[tuple[str, str, list[str]]]:
    """Page, script and arguments of every command in a block, or at the head of a config."""
    shells = {page: "\n".join(block.text for block in blocks(page) if block.kind == "bash") for page in PAGES}
    shells |= {file: file.read_text(encoding="utf-8") for file in (ROOT / "configs").rglob("*.yaml")}
    for page, text in shells.items():
        for line in text.replace("\\\n", " ").splitlines():
            if match := SCRIPT.search(line):
                yield page.name, match[1], shlex.split(match[2], comments=True)


def hooks() -> ModuleType:
    """The module that mkdocs loads."""
    spec = importlib.util.spec_from_file_location("site_hooks", DOCS / "hooks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_name_that_code_on_a_page_takes_from_the_package_exists() -> None:
    asked: list[tuple[str, str, str]] = []
    for page, module in python_blocks():
        for node in ast.walk(module):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "eqae":
                asked += [(page, node.module or "", alias.name) for alias in node.names]
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "eqae":
                asked.append((page, "eqae", node.attr))
    assert len(asked) > 20
    assert [one for one in asked if not hasattr(importlib.import_module(one[1]), one[2])] == []


def run(page: Path) -> None:
    """Write the files of a page into this folder, and run what has no title, in the order of the page."""
    namespace: dict[str, object] = {}
    for block in blocks(page):
        if block.title:
            Path(block.title).write_text(block.text)
        elif block.kind == "python":
            exec(compile(block.text, page.name, "exec"), namespace)
        elif block.text.startswith("uv run train.py --config mine.yaml"):
            assert main(shlex.split(block.text)[3:]) == 0


@pytest.fixture
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working directory; what is imported from it and registered by it is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    for registry in REGISTRIES:
        monkeypatch.setattr(registry, "_targets", dict(registry._targets))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.mark.parametrize("page", ["index.md", "tutorial.md", "choose.md"])
def test_code_on_a_page_runs(page: str, own_folder: Path) -> None:
    """The shipped checkpoint stands for the run that the page has trained."""
    (own_folder / "checkpoints").mkdir()
    for name in ("o2mnist_p4m", "eqae_p4m"):
        (own_folder / "checkpoints" / name).symlink_to(SHIPPED)
    run(DOCS / page)


def test_the_files_of_the_page_on_adding_ones_own_make_a_run(own_folder: Path) -> None:
    run(DOCS / "extend.md")
    assert {"report.html", "manifest.json"} <= {path.name for path in (own_folder / "checkpoints" / "mine").iterdir()}


def test_every_command_on_a_page_stands() -> None:
    found = list(commands())
    assert len(found) > 20
    own = {block.title for page in PAGES for block in blocks(page) if block.title}
    for page, script, arguments in found:
        assert (ROOT / script).is_file(), f"{page}: {script}"
        overrides = [argument for argument in arguments if re.match(r"[a-z_.]+=", argument)]
        if script not in ("train.py", "evaluate.py"):
            continue
        config = arguments[arguments.index("--config") + 1] if "--config" in arguments else None
        if config in own or config == "FILE":
            continue
        if config is not None:
            read_config(ROOT / config, overrides)
        else:
            check_names(parse_config(apply_overrides({}, overrides), page))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_mentioned_files_lead_somewhere(page: Path) -> None:
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    links = [link for link in LINK.findall(text) if link and not link.startswith(("https://", "http://"))]
    assert [link for link in links if not (page.parent / link).exists()] == []
    assert [file for file in MENTIONED.findall(text) if not (ROOT / file).exists()] == []


def test_the_site_has_every_page_and_no_other() -> None:
    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]
    assert sorted(file for entry in nav for file in entry.values()) == sorted(page.name for page in DOCS.glob("*.md"))


def test_a_page_that_loads_anything_from_another_server_stops_the_build() -> None:
    module = hooks()
    link = '<a href="https://example.org">elsewhere</a><img src="pictures/a.png"><script src="assets/b.js"></script>'
    assert module.on_post_page(link) == link
    for tag in ('<script src="https://example.org/a.js">', '<link rel="stylesheet" href="//example.org/a.css">'):
        with pytest.raises(PluginError, match=r"example\.org"):
            module.on_post_page(link + tag)


def test_every_table_that_a_page_asks_for_is_made() -> None:
    module = hooks()
    for page in DOCS.glob("*.md"):
        made = module.on_page_markdown(page.read_text(encoding="utf-8"))
        assert "<!-- table" not in made, page.name
    listed = "\n".join(module.keys())
    assert all(f"| `{key}` |" in listed for key in re.findall(r"^  ([a-z]+\.\w+) ", key_help(), re.MULTILINE))


def test_the_page_on_rivals_says_what_choices_without_labels_lose() -> None:
    module, page = hooks(), (DOCS / "rivals.md").read_text(encoding="utf-8")
    lost = {
        (choice.criterion, data): f"{100 * choice.regret:.1f}"
        for data in ("o2-mnist-12k", "so2-mnist-12k", "o2-fashion-12k", "plankton", "bccd")
        for choice in module._choices_on(data)
        if choice.target == "knn_accuracy"
    }
    by_clusters = ("kmeans_silhouette", "cluster_stability", "neighbour_consistency")
    few = [loss for (criterion, data), loss in lost.items() if criterion in by_clusters and data != "plankton"]
    assert f"lose at most {max(few, key=float)} points of kNN on digits, garments and blood cells" in page
    assert min(float(lost[criterion, "plankton"]) for criterion in by_clusters) > 19
    assert f"there orbit recall loses {lost['orbit_recall_at_1', 'plankton']}" in page


def test_a_default_that_depends_on_the_section_is_told_as_it_is() -> None:
    told = dict(re.findall(r"^  (\S+) .*\[(\w+)\]$", key_help(), re.MULTILINE))
    assert (told["head.name"], told["baselines.<label>.head.name"]) == ("gram", "mean")


def test_the_page_on_choosing_knows_every_name() -> None:
    page = (DOCS / "choose.md").read_text(encoding="utf-8")
    names = [*HEADS, *MODELS, *DATASETS, *OBJECTIVES, *get_args(Step)]
    assert [name for name in names if f"`{name}`" not in page] == []
    assert [alias for alias in GROUPS.aliases() if alias not in page] == []


def test_the_page_on_metrics_has_a_section_for_every_evaluator() -> None:
    sections = re.findall(r"^## (\w+)$", (DOCS / "metrics.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(sections) == sorted(EVALUATORS)


@pytest.mark.parametrize("registry", [HEADS, MODELS, DATASETS, OBJECTIVES], ids=lambda registry: registry.kind)
def test_the_reference_has_every_registered_name(registry: Registry) -> None:
    page = (DOCS / "reference.md").read_text(encoding="utf-8")
    named = re.findall(r"::: eqae\.(?:\w+\.)*(\w+)", page)
    assert [name for name in registry if registry.get(name).__name__ not in named] == []


def test_the_reference_has_every_public_name() -> None:
    page = (DOCS / "reference.md").read_text(encoding="utf-8")
    named = set(re.findall(r"::: eqae\.(?:\w+\.)*(\w+)", page)) | set(re.findall(r"\w+", " ".join(
        re.findall(r"members: \[(.*)\]", page)
    )))  # fmt: skip
    assert set(eqae.__all__) - {"__version__"} <= named
