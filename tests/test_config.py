"""The YAML's schema: what is accepted, what is refused, and in which words."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eqae.config import Config, Ramp, check_names, parse_config
from eqae.errors import ConfigError
from eqae.yaml_file import LARGEST, apply_overrides, dump_yaml, read_yaml

SHIPPED = sorted((Path(__file__).parent.parent / "configs").rglob("*.yaml"))

WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"trainin": {}}, "trainin: unknown key", "did you mean 'training'?"),
    ({"training": {"epoch": 3}}, "training.epoch: unknown key", "did you mean 'epochs'?"),
    ({"training": {"learning_rate": "fast"}}, "training.learning_rate: found 'fast'", "number"),
    ({"training": {"batch_size": True}}, "training.batch_size: found True", "not a boolean"),
    ({"training": {"precision": "float8"}}, "training.precision: found 'float8'", "'32-true'"),
    ({"training": {"validation": 1.5}}, "training.validation: found 1.5", "less than 1"),
    ({"training": {"learning_rate": float("nan")}}, "training.learning_rate", "finite number"),
    ({"augmentation": {"orientation": "o3"}}, "augmentation.orientation: found 'o3'", "'o2'"),
    ({"head": 3}, "head: found 3", "a section"),
    ({"name": "../elsewhere"}, "name: found '../elsewhere'", "letters, digits"),
    ({"baselines": {"cnn": {"modle": {}}}}, "baselines.cnn.modle: unknown key", "did you mean 'model'?"),
    ({"baselines": {"cnn": {}}}, "baselines.cnn: found {}", "exactly one of 'model' and 'orbit_of'"),
    ({"model": {"group": "D4", "name": "eqea"}}, "model.name: unknown model 'eqea'", "did you mean 'eqae'?"),
    ({"heads": ["mean", "grm"]}, "heads[1]: unknown head 'grm'", "did you mean 'gram'?"),
    ({"evaluators": ["invarianc"]}, "evaluators.invarianc: unknown evaluator", "did you mean 'invariance'?"),
    ({"objective": {"recon": 1}}, "objective.recon: unknown objective", "reconstruction"),
    ({"objective": {"reconstruction": "much"}}, "objective.reconstruction: found 'much'", "number"),
    ({"objective": {"reconstruction": True}}, "objective.reconstruction: found True", "a number, or a ramp"),
    ({"objective": {"reconstruction": -1}}, "objective.reconstruction: found -1", "greater than or equal to 0"),
    ({"objective": {"reconstruction": float("inf")}}, "objective.reconstruction: found inf", "finite number"),
    ({"objective": {"a": {"form": 0, "to": 1}}}, "objective.a.form: unknown key", "did you mean 'from'?"),
    ({"objective": {"a": {"from": 0}}}, "objective.a.to: missing", "a value"),
    ({"objective": {"a": {"from": 0, "to": 1, "until": 0}}}, "objective.a.until: found 0", "greater than 0"),
    ({"objective": {"a": {"from": 0, "to": 1, "until": 2}}}, "objective.a.until: found 2", "less than or equal to 1"),
    ({"objective": {"a": {"from": -1, "to": 1}}}, "objective.a.from: found -1", "greater than or equal to 0"),
    ({"objective": {"a": {"from": 0, "to": True}}}, "objective.a.to: found True", "not a boolean"),
    ({"baselines": {"b": {"model": {}, "objective": {"a": {"to": -1, "from": 0}}}}}, "b.objective.a.to: found -1", "0"),
    ({"baselines": {"a/b": {"orbit_of": "b"}}}, "baselines.a/b: found 'a/b'", "it becomes a folder"),
    ({"name": "x" * 300}, "name: found", "at most 200 bytes"),
    ({"output": "a\0b"}, "output: found", "a path that a file system can hold"),
    ({"output": ""}, "output: found ''", "a path that a file system can hold"),
    ({"evaluation": {"cache": "x" * 300}}, "evaluation.cache: found", "a path"),
    ({"plugins": ["../mine"]}, "plugins.0: found '../mine'", "the name of a module"),
    ({"plugins": [""]}, "plugins.0: found ''", "the name of a module"),
    ({"evaluators": "invariance"}, "evaluators: found 'invariance'", "a list of names"),
    ({"training": {"devices": 0}}, "training.devices: found 0; expected greater than 0 or 'auto'", ""),
    ({"training": {"epochs": 10**30}}, "training.epochs: found 1000", "less than or equal to 1000000000"),
    ({"training": ["epochs"]}, "training: found ['epochs']", "a section of key: value lines"),
    ({"baselines": {"a": {"orbit_of": "b"}}}, "baselines.a.orbit_of: no baseline 'b' above", "listed before"),
]


@pytest.mark.parametrize(("raw", "where", "fix"), WRONG, ids=[where for _, where, _ in WRONG])
def test_a_mistake_is_named_with_its_place_and_its_mend(raw: dict[str, Any], where: str, fix: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_names(parse_config(raw, "x.yaml"))
    assert where in str(caught.value)
    assert fix in str(caught.value)


def test_all_mistakes_are_reported_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config({"trainin": {}, "seed": -1, "training": {"epochs": "many"}})
    assert len(caught.value.problems) == 3


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: str(path.name))
def test_a_shipped_config_survives_writing_and_reading(path: Path, tmp_path: Path) -> None:
    config = parse_config(read_yaml(path), str(path))
    check_names(config)
    written = tmp_path / "config.yaml"
    written.write_text(dump_yaml(config.model_dump(mode="json")))
    assert parse_config(read_yaml(written)) == config


def test_a_ramp_survives_writing_and_reading_and_stands_in_the_file_as_it_was_written() -> None:
    ramp = {"from": 0.0, "to": 0.1, "until": 0.5}
    raw = {"objective": {"reconstruction": 1, "attention_entropy": ramp}}
    config = parse_config(
        raw | {"baselines": {"b": {"model": {"name": "eqae"}, "objective": {"reconstruction": ramp}}}}
    )
    dumped = config.model_dump(mode="json")
    assert dumped["objective"] == {"reconstruction": 1.0, "attention_entropy": ramp}
    assert dumped["baselines"]["b"]["objective"] == {"reconstruction": ramp}
    assert parse_config(dumped) == config
    assert parse_config({"objective": {"reconstruction": {"from": 0, "to": 1}}}).objective == {
        "reconstruction": Ramp(**{"from": 0.0, "to": 1.0, "until": 1.0})
    }


def test_an_override_reaches_into_a_ramp() -> None:
    raw = {"objective": {"attention_entropy": {"from": 0.0, "to": 0.1}}}
    weight = parse_config(apply_overrides(raw, ["objective.attention_entropy.until=0.25"])).objective
    assert weight["attention_entropy"] == Ramp(**{"from": 0.0, "to": 0.1, "until": 0.25})


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: str(path.name))
def test_a_shipped_config_begins_with_the_command_that_runs_it(path: Path) -> None:
    relative = path.relative_to(path.parent.parent if path.parent.name == "configs" else path.parent.parent.parent)
    assert f"uv run train.py --config {relative}" in path.read_text()[:600]


def test_the_plain_counterpart_differs_in_the_declared_keys_only() -> None:
    folder = Path(__file__).parent.parent / "configs"
    ours = parse_config(read_yaml(folder / "eqae_p4m.yaml")).model_dump()
    plain = parse_config(read_yaml(folder / "cnn.yaml")).model_dump()
    assert {key for key in ours if ours[key] != plain[key]} == {"name", "model", "head", "heads", "baselines"}


def test_numbers_written_the_yaml_1_2_way_are_numbers() -> None:
    assert parse_config(apply_overrides({}, ["training.learning_rate=1e-3"])).training.learning_rate == 1e-3


def test_an_override_reaches_into_the_short_form_of_a_choice() -> None:
    config = parse_config(apply_overrides({"head": "gram"}, ["head.band=5"]))
    assert (config.head.name, config.head.options) == ("gram", {"band": 5})


@pytest.mark.parametrize("argument", ["training", "=3", "training..epochs=3", "seed.sub=1", "name=[1"])
def test_an_override_that_cannot_be_read_is_named(argument: str) -> None:
    with pytest.raises(ConfigError, match="argument"):
        apply_overrides({"seed": 0}, [argument])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed: 1\nseed: 2\n", "'seed' is written twice"),
        ("seed: [1\n", "not readable as YAML"),
        ("- a\n- b\n", "a list"),
        ("3\n", "the number 3; expected key: value lines"),
        ("", "nothing; expected key: value lines"),
        ("# all commented out\n", "nothing"),
        ("seed: 010\n", "x.yaml:1: not readable as YAML: 010 would be read in base 8"),
        ("training:\n  epochs: 1:30\n", "x.yaml:2: not readable as YAML: 1:30 would be read in base 60"),
        ("true: 1\n", "a key that is True: put it in quotes"),
        ("baselines:\n  1: {}\n", "x.yaml:2: not readable as YAML: a key that is the number 1"),
        ("~: 1\n", "a key that is nothing"),
        ("? [a]\n: 1\n", "a key that is a list"),
        (f"seed: {'9' * 5000}\n", "x.yaml:1: not readable as YAML: 9999"),
        ("a: &a [1]\nb: *a\n", "x.yaml:2: not readable as YAML: an alias"),
        ("name: !!binary aGVsbG8=\n", "not readable as YAML"),
        ("seed: !!python/object/apply:os.system ['true']\n", "not readable as YAML"),
    ],
)
def test_a_file_that_is_no_config_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_yaml(path)
    assert message in str(caught.value)
    assert "x.yaml" in str(caught.value)


def test_a_date_is_a_word_like_any_other(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("name: 2026-01-31\nseed: 0x10\ntraining: {learning_rate: 1.0e-3, epochs: 1_000}\n")
    config = parse_config(read_yaml(path))
    assert (config.name, config.seed, config.training.epochs) == ("2026-01-31", 16, 1000)


def test_yes_and_no_are_words_except_where_a_boolean_is_wanted(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("name: no\ndata: {root: off}\ntraining: {compile: yes}\nmodel: {name: on}\n")
    config = parse_config(read_yaml(path))
    assert (config.name, config.data.root, config.training.compile, config.model.name) == ("no", "off", True, "on")


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b", "none/such", ""])
def test_a_path_that_cannot_be_is_no_file(name: str) -> None:
    with pytest.raises(ConfigError):
        read_yaml(Path(name))


def test_a_missing_file_names_those_beside_it(tmp_path: Path) -> None:
    (tmp_path / "there.yaml").touch()
    with pytest.raises(ConfigError, match=r"there\.yaml"):
        read_yaml(tmp_path / "gone.yaml")


def test_a_huge_file_is_not_parsed(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("#" * (LARGEST + 1))
    with pytest.raises(ConfigError, match="bytes"):
        read_yaml(path)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(sorted(Config.model_fields)) | st.text(max_size=8), values, max_size=4))
def test_no_input_gives_anything_but_a_config_or_a_config_error(raw: dict[str, Any]) -> None:
    with suppress(ConfigError):
        config = parse_config(raw)
        check_names(config)
        assert isinstance(config, Config)


@given(st.text(max_size=60))
def test_no_file_gives_anything_but_a_mapping_or_a_config_error(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.yaml"
        path.write_text(text, encoding="utf-8", errors="replace")
        with suppress(ConfigError):
            assert isinstance(read_yaml(path), dict)
