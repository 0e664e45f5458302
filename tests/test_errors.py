"""Errors say where, what was found, what was expected and how to mend it, and survive the way between processes."""

from __future__ import annotations

import copy
import pickle

import pytest

from eqae.errors import CheckpointError, ConfigError, DataError, EqaeError, Problem, TrainingDiverged, suggest

FAMILY = [ConfigError, DataError, CheckpointError, TrainingDiverged]


@pytest.mark.parametrize("kind", FAMILY)
def test_the_message_answers_all_four_questions(kind: type[EqaeError]) -> None:
    error = kind("data.root", "folder 'x' does not exist", "a folder", "set EQAE_DATA")
    assert str(error) == "data.root: folder 'x' does not exist; expected a folder\n  fix: set EQAE_DATA"
    assert isinstance(error, EqaeError)


def test_parts_that_are_not_known_leave_no_trace() -> None:
    assert str(EqaeError("model.code", "missing")) == "model.code: missing"


@pytest.mark.parametrize("kind", FAMILY)
def test_several_problems_are_reported_at_once_in_order(kind: type[EqaeError]) -> None:
    problems = [Problem("a", "first"), Problem("b", "second", "something else", "change it")]
    error = kind.of(iter(problems))
    assert type(error) is kind
    assert error.problems == tuple(problems)
    assert str(error) == "a: first\nb: second; expected something else\n  fix: change it"


@pytest.mark.parametrize("kind", FAMILY)
def test_errors_keep_their_problems_when_pickled_or_copied(kind: type[EqaeError]) -> None:
    error = kind.of([Problem("a", "first", "x"), Problem("b", "second")])
    for twin in (pickle.loads(pickle.dumps(error)), copy.deepcopy(error)):
        assert type(twin) is kind
        assert twin.problems == error.problems
        assert str(twin) == str(error)


def test_a_misspelt_name_gets_the_nearest_known_one() -> None:
    assert suggest("grup", ["group", "fields"]) == "did you mean 'group'?"
    assert suggest("GRAM", ["gram", "max"]) == "did you mean 'gram'?"


def test_a_name_like_no_other_gets_the_whole_list() -> None:
    assert suggest("zzz", ["mean", "gram"]) == "choose one of: gram, mean"
    assert suggest("zzz", []) == ""
