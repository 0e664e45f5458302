"""Registries: closed tables of names, imported late, whose options are checked before anything is built."""

from __future__ import annotations

import subprocess
import sys
from typing import Annotated, Literal

import pytest
from annotated_types import Ge

from eqae.errors import ConfigError
from eqae.registry import DATASETS, EVALUATORS, GROUPS, HEADS, MODELS, OBJECTIVES, Registry, option_parameters

ALL = [GROUPS, MODELS, HEADS, OBJECTIVES, DATASETS, EVALUATORS]


def build_cake(*, oven: str, layers: Annotated[int, Ge(1)] = 2, icing: Literal["lemon", "none"] = "none") -> str:
    return f"{oven}: {layers} layers, {icing}"


@pytest.fixture
def cakes() -> Registry:
    registry = Registry("cake", {"round": "json:dumps"}, aliases={"circular": "round"})
    registry.add("layered", build_cake)
    return registry


@pytest.mark.parametrize(
    ("registry", "name"),
    [(registry, name) for registry in ALL for name in registry],
    ids=lambda value: value.kind if isinstance(value, Registry) else value,
)
def test_every_registered_name_stands_for_something(registry: Registry, name: str) -> None:
    assert registry.get(name) is not None


def test_listing_names_does_not_import_torch() -> None:
    check = "import sys; from eqae.registry import MODELS; MODELS.names(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


def test_names_are_found_in_any_case_and_by_alias(cakes: Registry) -> None:
    assert cakes.canonical("ROUND") == cakes.canonical("Circular") == "round"
    assert "circular" in cakes
    assert cakes.names() == tuple(cakes) == ("round", "layered")


def test_targets_are_imported_when_first_asked_for(cakes: Registry) -> None:
    import json

    assert cakes.location("round") == ("json", "dumps")
    assert cakes.get("circular") is json.dumps
    assert cakes.location("round") is None


def test_an_unknown_name_is_refused_with_a_suggestion_and_its_place(cakes: Registry) -> None:
    with pytest.raises(ConfigError) as caught:
        cakes.get("layerd", "tea.cake")
    problem = caught.value.problems[0]
    assert problem.where == "tea.cake"
    assert "'layerd'" in problem.found
    assert problem.fix == "did you mean 'layered'?"


@pytest.mark.parametrize("taken", ["round", "circular"])
def test_a_name_is_never_given_twice(cakes: Registry, taken: str) -> None:
    with pytest.raises(ConfigError, match="registered already"):
        cakes.add(taken, build_cake)


def test_options_are_converted_and_context_is_passed_on(cakes: Registry) -> None:
    assert cakes.build("layered", {"layers": "3"}, "tea.cake", oven="hot") == "hot: 3 layers, none"


def test_all_wrong_options_are_named_at_once(cakes: Registry) -> None:
    with pytest.raises(ConfigError) as caught:
        cakes.build("layered", {"layer": 3, "layers": 0, "icing": "plum"}, "tea.cake")
    problems = {problem.where: problem for problem in caught.value.problems}
    assert set(problems) == {"tea.cake.layer", "tea.cake.layers", "tea.cake.icing", "tea.cake.oven"}
    assert problems["tea.cake.layer"].fix == "did you mean 'layers'?"
    assert problems["tea.cake.oven"].found == "missing"
    assert "greater than or equal to 1" in problems["tea.cake.layers"].expected
    assert "'lemon'" in problems["tea.cake.icing"].expected


def test_context_cannot_be_set_from_a_file(cakes: Registry) -> None:
    assert "oven" not in option_parameters(build_cake, {"oven"})
    with pytest.raises(ConfigError, match=r"tea\.cake\.oven: unknown option"):
        cakes.build("layered", {"oven": "cold"}, "tea.cake", oven="hot")
