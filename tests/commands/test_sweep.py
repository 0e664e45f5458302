"""``examples/sweep.yaml``: what an agent of W&B makes of it is a command that trains."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from command_line import CONFIGS
from wandb.sdk.launch.sweeps.utils import create_sweep_command, create_sweep_command_args

from eqae.commands.resolving import read_config
from eqae.config import Config
from eqae.evaluation.choice import CONDITIONS, CRITERIA
from eqae.registry import EVALUATORS

SWEEP = yaml.safe_load((CONFIGS.parent / "examples" / "sweep.yaml").read_text())
PARAMETERS: dict[str, dict[str, Any]] = SWEEP["parameters"]


def command_for(values: dict[str, Any]) -> list[str]:
    """The words that an agent starts a run with: each ``${macro}`` is replaced by the arguments that it stands for."""
    arguments = create_sweep_command_args({"args": {name: {"value": value} for name, value in values.items()}})
    words = [str(word) for word in create_sweep_command(list(SWEEP["command"]))]
    return [part for word in words for part in (arguments[word[2:-1]] if word.startswith("${") else [word])]


@pytest.fixture
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """``started(values)``: what ``train.py`` would be told, by a stand-in for ``uv`` that writes its words down."""
    stand_in = tmp_path / "uv"
    stand_in.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/words\n')
    stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("WANDB_RUN_ID", "ab12cd34")

    def start(values: dict[str, Any]) -> Config:
        subprocess.run(command_for(values), check=True)
        run, program, option, config, *overrides = (tmp_path / "words").read_text().splitlines()
        assert (run, program, option) == ("run", SWEEP["program"], "--config")
        return read_config(CONFIGS.parent / config, overrides)

    return start


@pytest.mark.parametrize("side", [0, -1])
def test_a_run_of_the_sweep_has_the_values_it_was_given_and_a_directory_of_its_own(side: int, started: Any) -> None:
    values = {name: (given.get("values") or [given.get("min"), given.get("max")])[side]
              for name, given in PARAMETERS.items()}  # fmt: skip
    config = started(values)
    assert config.name == "sweep-ab12cd34"
    assert config.model.options["code"] == values["model.code"]
    assert config.training.learning_rate == values["training.learning_rate"]
    assert config.augmentation.noise == values["augmentation.noise"]
    assert not config.baselines


def test_a_tiny_value_in_scientific_notation_is_a_number(started: Any) -> None:
    assert started({"training.learning_rate": 5e-05}).training.learning_rate == 5e-05


def test_the_figure_that_is_searched_for_is_one_that_a_run_records_and_needs_no_label(started: Any) -> None:
    name, figure = SWEEP["metric"]["name"].split("/")
    config = started({})
    assert name in EVALUATORS
    assert name in config.evaluators
    assert figure in CRITERIA
    assert figure not in CONDITIONS
    assert not {"classification", "clustering", "retrieval", "novelty"} & config.evaluators.keys()
    assert config.data.held_out == 0.2, "test images stay unseen"


def test_the_file_has_only_what_a_sweep_knows() -> None:
    assert SWEEP.keys() == {"name", "project", "program", "method", "metric", "run_cap", "parameters", "command"}
    assert SWEEP["method"] in {"grid", "random", "bayes"}
    assert SWEEP["metric"]["goal"] in {"minimize", "maximize"}
    for given in PARAMETERS.values():
        assert given.keys() in ({"values"}, {"distribution", "min", "max"})
