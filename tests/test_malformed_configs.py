"""Shipped configs with a mistake in them, drawn at random: one message with the key or the line, and nothing made."""

from __future__ import annotations

import contextlib
import copy
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from eqae.commands.train import main
from eqae.config import Choice, Config
from eqae.registry import DATASETS, EVALUATORS, HEADS, MODELS, OBJECTIVES
from eqae.runs import RunDirectory
from eqae.yaml_file import dump_yaml, read_yaml

CONFIGS = {path.name: read_yaml(path) for path in sorted((Path(__file__).parent.parent / "configs").glob("*.yaml"))}
LIGHT = ("cnn.yaml", "eqae_p4m.yaml")
"""Their networks are built within a moment, so that mistakes are found behind them too."""
Raw = dict[str, Any]


@dataclass(frozen=True)
class Mistake:
    """A config file, arguments beside it, and what the message has to name."""

    content: bytes
    named: str
    arguments: tuple[str, ...] = ()


def mistake(raw: Raw, named: str) -> Mistake:
    return Mistake(dump_yaml(raw).encode(), named)


def with_value(raw: Raw, path: str, value: object) -> Raw:
    """A copy with ``value`` at ``path``; ``head: gram`` is opened to ``head: {name: gram}`` on the way."""
    changed = copy.deepcopy(raw)
    section: Any = changed
    *steps, last = path.split(".")
    for step in steps:
        inner = section.setdefault(step, {})
        section[step] = {"name": inner} if isinstance(inner, str) else inner
        section = section[step]
    section[last] = value
    return changed


# --- what the schema says ------------------------------------------------------------------------------------


def keys_of(section: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every key of the schema outside labelled sections, with its annotation."""
    for name, field in section.model_fields.items():
        yield f"{prefix}{name}", field.annotation
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from keys_of(field.annotation, f"{prefix}{name}.")


SCHEMA = dict(keys_of(Config))
SECTIONS = [key for key, kind in SCHEMA.items() if isinstance(kind, type) and issubclass(kind, BaseModel)]
NUMBERS = [key for key, kind in SCHEMA.items() if {int, float} & {kind, *get_args(kind)}]
WHOLE = [key for key in NUMBERS if int in {SCHEMA[key], *get_args(SCHEMA[key])}]
SWITCHES = [key for key, kind in SCHEMA.items() if kind is bool]
WORDS = [key for key in SCHEMA if key not in {*SECTIONS, *NUMBERS, *SWITCHES}]
LISTS = ("evaluators", "objective", "baselines", "heads", "plugins", "evaluation.conditions")


@st.composite
def misspelt(draw: st.DrawFn, word: str) -> str:
    """A letter lost, doubled, added or moved; never another key."""
    place = draw(st.integers(0, len(word) - 1))
    edits: list[Callable[[], str]] = [
        lambda: word[:place] + word[place + 1 :], lambda: word[:place] + word[place] * 2 + word[place + 1 :],
        lambda: word + "s", lambda: word[:place] + "x" + word[place:], lambda: word[::-1],
    ]  # fmt: skip
    changed = draw(st.sampled_from(edits))()
    return changed if changed and changed != word else f"{word}_"


def config_names(*among: str) -> st.SearchStrategy[str]:
    return st.sampled_from(among or sorted(CONFIGS))


@st.composite
def unknown_keys(draw: st.DrawFn) -> Mistake:
    raw, key = CONFIGS[draw(config_names())], draw(st.sampled_from([key for key in SCHEMA if "name" not in key]))
    section, dot, word = key.rpartition(".")
    if section and issubclass(SCHEMA[section], Choice):  # a misspelt option shows where the model is built
        raw = with_value(CONFIGS[draw(config_names(*LIGHT))], "data", {"name": "digits"})
    wrong = section + dot + draw(misspelt(word))
    return mistake(with_value(raw, wrong, 1), wrong)


@st.composite
def wrong_types(draw: st.DrawFn) -> Mistake:
    junk: dict[tuple[str, ...], list[object]] = {
        tuple(SECTIONS): [3, 0.5, None, True, [], ["name"], [{"name": "x"}]],
        tuple(NUMBERS): ["fast", "1,000", "12 images", True, False, [1], [], {"value": 1}, {}],
        tuple(SWITCHES): ["perhaps", 2, 0.5, None, [True], {}, "yess"],
        tuple(key for key in WORDS if key not in LISTS): [3, 1.5, True, ["a"], [], {"a": "b"}],
        LISTS: [3, 0.5, True, "nothing", None, [3, [4]], [[]], {"x": {"y": [1]}}, {"x": 3}],
    }
    keys = draw(st.sampled_from(sorted(junk)))
    key, value = draw(st.sampled_from(keys)), draw(st.sampled_from(junk[keys]))
    return mistake(with_value(CONFIGS[draw(config_names())], key, value), key)


@st.composite
def out_of_range(draw: st.DrawFn) -> Mistake:
    bad = st.sampled_from([-1, -(10**9), -0.5, 10**12, 10**300, float("nan"), float("inf"), -float("inf")])
    value = draw(bad)
    unbounded = {"training.learning_rate", "training.weight_decay", "training.gradient_clip"}
    key = draw(st.sampled_from([key for key in NUMBERS if not (value > 0 and value < 1e301 and key in unbounded)]))
    return mistake(with_value(CONFIGS[draw(config_names())], key, value), key)


@st.composite
def unknown_names(draw: st.DrawFn) -> Mistake:
    raw = CONFIGS[draw(config_names())]
    registry, where = draw(
        st.sampled_from([(MODELS, "model.name"), (HEADS, "head.name"), (DATASETS, "data.name"), (HEADS, "heads"),
                         (OBJECTIVES, "objective"), (EVALUATORS, "evaluators"), (MODELS, "baselines.b.model.name"),
                         (HEADS, "baselines.b.head.name"), (OBJECTIVES, "baselines.b.objective")])
    )  # fmt: skip
    name = draw(st.sampled_from(registry.names()).flatmap(misspelt).filter(lambda name: name not in registry))
    if where.startswith("baselines.b."):
        raw = with_value(raw, "baselines", {"b": {"model": "cnn"}})
    if where.endswith("name"):
        return mistake(with_value(raw, where, name), where)
    value: object = [name] if where in ("heads", "evaluators") else {name: 1.0}
    named = f"{where}[0]" if where == "heads" else f"{where}.{name}"
    return mistake(with_value(raw, where, value), named)


@st.composite
def wrong_nesting(draw: st.DrawFn) -> Mistake:
    raw, key = CONFIGS[draw(config_names())], draw(st.sampled_from([key for key in SCHEMA if "." in key]))
    section, _, word = key.partition(".")
    elsewhere = draw(st.sampled_from(["training", "evaluation", "tracking", "augmentation", "settings"]))
    if elsewhere == section or f"{elsewhere}.{word}" in SCHEMA or word == "name":
        return mistake({"config": raw}, "config")
    return mistake(
        with_value(raw, f"{elsewhere}.{word}", 1), "settings" if elsewhere == "settings" else f"{elsewhere}.{word}"
    )


# --- what only the built network says ------------------------------------------------------------------------

OPTIONS: dict[str, list[object]] = {
    "model.group": ["D99", "E8", 4, "", None, ["D4"]],
    "model.fields": [[], [0], [-1], [10**12], "many", 8, [[8]], [1] * 40],
    "model.code": [0, -1, 1.5, 10**12, "m", [3], float("nan")],
    "model.kernel": [0, 16, 10**12, "wide"],
    "data.size": [0, 7, -3, 10**12, "big", 28.5, [28, 28]],
    "head.band": [0, -2, "wide", 1.5],
    "head.post": [["l3"], "l2x", 3, [["l2"]]],
    "head.components": [0, -1, 10**12, "few"],
    "evaluators.shift.stride": [0, -1, "far", 0.5],
    "evaluators.classification.labels_per_class": [[0], "ten", [-1], 3],
    "evaluators.regions.frames": [1, "many"],
}


@st.composite
def wrong_options(draw: st.DrawFn) -> Mistake:
    key = draw(st.sampled_from(sorted(OPTIONS)))
    raw = with_value(CONFIGS["eqae_p4m.yaml"] | {"baselines": {}, "head": "gram"}, "data", {"name": "digits"})
    if key.startswith("evaluators"):
        raw = raw | {"evaluators": {}}
    value = draw(st.sampled_from(OPTIONS[key]))
    # An unknown group is named by what looks it up, for all models alike.
    named = "group" if key == "model.group" else key
    return mistake(with_value(raw, key, value), named)


# --- what is no YAML, or other YAML than it seems -------------------------------------------------------------

LAUGHS = "a: &a [x, x]\n" + "".join(
    f"{b}: &{b} [*{a}, *{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)
TRAPS: dict[str, tuple[bytes, str]] = {
    name: (content if isinstance(content, bytes) else content.encode(), named)
    for name, (content, named) in {
        "a tab": ("training:\n\tepochs: 3\n", "config.yaml:{2}"),
        "a repeated key": ("seed: 1\nseed: 2\n", "'seed' is written twice"),
        "a repeated key below": ("training:\n  epochs: 1\n  epochs: 2\n", "config.yaml:{3}"),
        "an anchor": ("training: &t {epochs: 1}\nevaluation: *t\n", "config.yaml:{2}"),
        "a billion laughs": (LAUGHS, "config.yaml:{2}"),
        "base 8": ("training: {epochs: 010}\n", "config.yaml:{1}"),
        "base 60": ("training: {epochs: 1:30}\n", "config.yaml:{1}"),
        "a thousand digits": (f"seed: {'9' * 5000}\n", "config.yaml:{1}"),
        "yes for a number": ("training: {epochs: yes}\n", "training.epochs"),
        "yes for an option": ("model: {code: yes}\n", "model.code"),
        "no for a list": ("heads: no\n", "heads"),
        "off for a choice": ("tracking: {wandb: off}\n", "tracking.wandb"),
        "true for a key": ("true: 1\n", "config.yaml:{1}"),
        "a number for a key": ("baselines:\n  1: {model: cnn}\n", "config.yaml:{2}"),
        "a list for a key": ("? [a]\n: 1\n", "config.yaml:{1}"),
        "a merge": ("training: {<<: {epochs: 3}}\n", "training.<<"),
        "an object": ("seed: !!python/object/apply:os.mkdir [made]\n", "config.yaml:{1}"),
        "a module": ("seed: !!python/module:this\n", "config.yaml:{1}"),
        "a tag": ("seed: !mine 3\n", "config.yaml:{1}"),
        "a set": ("training: !!set {epochs}\n", "config.yaml:{1}"),
        "two documents": ("seed: 1\n---\nseed: 2\n", "config.yaml:{2}"),
        "an open bracket": ("model: {fields: [8, 12\n", "config.yaml:"),
        "an open quote": ("name: 'a\n", "config.yaml:"),
        "a colon too many": ("name: a: b\n", "config.yaml:{1}"),
        "wrong indentation": ("training:\n  epochs: 3\n batch_size: 4\n", "config.yaml:{3}"),
        "a percent sign": ("%YAML 9\nseed: 1\n", "config.yaml"),
        "nothing": ("", "config.yaml: nothing"),
        "comments": ("# name: x\n", "config.yaml: nothing"),
        "a list of sections": ("- name: x\n- seed: 1\n", "config.yaml: a list"),
        "a word": ("name\n", "config.yaml: a word"),
        "JSON in a string": ("'{\"name\": \"x\"}'\n", "config.yaml: a word"),
        "Latin-1": ("name: é\n".encode("latin-1"), "config.yaml"),
        "UTF-16": ("name: x\n".encode("utf-16"), "config.yaml"),
        "a pickle": (b"\x80\x04K\x01.", "config.yaml"),
        "a control character": ("name: a\x01b\n", "config.yaml"),
        "deep lists": ("a: " + "[" * 5000, "config.yaml"),
        "deep sections": ("{a: " * 5000, "config.yaml"),
        "two megabytes": ("#" * 2**21, "config.yaml: 2097152 bytes"),
    }.items()
}  # fmt: skip


@st.composite
def traps(draw: st.DrawFn) -> Mistake:
    content, named = TRAPS[draw(st.sampled_from(sorted(TRAPS)))]
    above = draw(st.integers(0, 2)) if content and named.endswith("}") else 0
    line = int(named[-2]) + above if named.endswith("}") else 0
    return Mistake(b"# a comment\n" * above + content, f"{named.partition('{')[0]}{line or ''}")


@st.composite
def wrong_arguments(draw: st.DrawFn) -> Mistake:
    name = draw(config_names())
    argument, named = draw(
        st.sampled_from([
            ("training.epochs=fast", "training.epochs"), ("training.epochs=", "training.epochs"),
            ("training..epochs=3", "argument 'training..epochs=3'"), ("=3", "argument '=3'"), ("epochs", "argument"),
            ("epochs=3", "epochs: unknown key"), ("seed.x=3", "argument 'seed.x=3'"), ("name=[1", "argument 'name=[1'"),
            ("training.learning_rate=.nan", "training.learning_rate"), ("seed=1:30", "argument 'seed=1:30'"),
            ("model={a: 1, a: 2}", "argument"), ("model.name=eqea", "model.name"), ("name=a/b", "name: found 'a/b'"),
            ("output=", "output"), ("plugins=[no.such.module]", "no.such.module"),
            ("evaluators=[all]", "evaluators.all"), ("evaluators=all,shift", "evaluators"),
        ])
    )  # fmt: skip
    return Mistake(dump_yaml(CONFIGS[name]).encode(), named, (argument,))


MISTAKES = st.one_of(
    unknown_keys(), wrong_types(), out_of_range(), unknown_names(), wrong_nesting(), wrong_options(), traps(),
    wrong_arguments(),
)  # fmt: skip


# --- the property --------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory of the runs, which none of them comes to be."""

    def accepted(*_: object) -> None:
        raise AssertionError("this config was accepted")

    monkeypatch.setattr(RunDirectory, "create", accepted)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def answer(mistake: Mistake, folder: Path) -> tuple[int, str]:
    """Exit code and message of ``train.py``."""
    (folder / "config.yaml").write_bytes(mistake.content)
    with contextlib.redirect_stderr(io.StringIO()) as printed, contextlib.redirect_stdout(io.StringIO()):
        code = main(["--config", "config.yaml", *mistake.arguments])
    return code, printed.getvalue()


def test_every_mistake_in_a_config_gets_one_message_that_names_it(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told: set[Mistake] = set()

    @settings(
        max_examples=160, deadline=None, derandomize=True, database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )  # fmt: skip
    @given(mistake=MISTAKES)
    def one_message(mistake: Mistake) -> None:
        code, message = answer(mistake, folder)
        assert code == 2
        assert message.startswith("error: ")
        assert mistake.named in message
        assert "Traceback" not in message
        assert [path.name for path in folder.iterdir()] == ["config.yaml"]
        told.add(mistake)

    one_message()
    with capsys.disabled():
        print(f"\n{len(told)} of {len(told)} malformed configs got one message with the key or the line", end=" ")
    assert len(told) >= 100


@pytest.mark.parametrize("trap", TRAPS)
def test_what_is_no_yaml_or_other_yaml_than_it_seems_is_refused_with_its_line(folder: Path, trap: str) -> None:
    content, named = TRAPS[trap]
    code, message = answer(Mistake(content, named), folder)
    assert (code, message[:7]) == (2, "error: ")
    assert named.replace("{", "").replace("}", "") in message
    assert [path.name for path in folder.iterdir()] == ["config.yaml"]
