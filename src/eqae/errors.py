"""The family of errors a user may meet.

Each one answers four questions: where is the mistake, what was found there, what was expected, and what mends it.
The commands print the message alone and exit with status 2; anything that is not an :class:`EqaeError` is a defect
of this package and keeps its traceback.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches


@dataclass(frozen=True)
class Problem:
    """One mistake: its place (a config key, a file, a layer), what stands there, what should, and the mend."""

    where: str
    found: str
    expected: str = ""
    fix: str = ""

    def __str__(self) -> str:
        expected = f"; expected {self.expected}" if self.expected else ""
        fix = f"\n  fix: {self.fix}" if self.fix else ""
        return f"{self.where}: {self.found}{expected}{fix}"


class EqaeError(Exception):
    """Base of all errors that the user's input causes.

    Example:
        >>> print(EqaeError("data.root", "folder 'x' does not exist", "a folder", "set EQAE_DATA"))
        data.root: folder 'x' does not exist; expected a folder
          fix: set EQAE_DATA
    """

    def __init__(self, where: str, found: str, expected: str = "", fix: str = "") -> None:
        self.problems: tuple[Problem, ...] = (Problem(where, found, expected, fix),)
        super().__init__(str(self.problems[0]))

    @classmethod
    def of(cls, problems: Iterable[Problem]) -> EqaeError:
        """One error that reports several problems at once, in the order given."""
        problems = tuple(problems)
        error = cls(*_parts(problems[0]))
        error.problems = problems
        error.args = ("\n".join(map(str, problems)),)
        return error

    def __reduce__(self) -> tuple[object, ...]:
        return type(self).of, (self.problems,)


class ConfigError(EqaeError):
    """A setting that cannot be honoured: an unknown key, a wrong type, a size no exact network exists for."""


class DataError(EqaeError):
    """Images or labels that cannot be used: missing folders, corrupt files, NaN pixels, wrong channel counts."""


class CheckpointError(EqaeError):
    """A run directory that is missing, incomplete, altered, of another kind or of a newer format."""


class TrainingDiverged(EqaeError):  # noqa: N818 - it names an event, as StopIteration does
    """A loss, gradient or weight that is no longer finite, or features that have become the same for all images."""


def in_yaml_terms(message: str) -> str:
    """What pydantic says it expected, in words of someone who writes YAML."""
    expected = message.removeprefix("Input should be ").removeprefix("Value error, ")
    expected = re.sub(r"a valid dictionary( or instance of \w+)?", "a section of key: value lines", expected)
    return expected.replace("a valid tuple", "a list")


def suggest(name: str, known: Iterable[str], also: Iterable[str] = ()) -> str:
    """``"did you mean 'x'?"`` for the nearest name that is known, else the list of these; the ``fix`` of unknown names.

    Args:
        name: what was written.
        known: what could have been; "" where there is none.
        also: what may have been meant, and is not listed.
    """
    known = sorted(known)
    meant = [*known, *also]
    near = get_close_matches(name, meant, n=1, cutoff=0.6) or [k for k in meant if k.lower() == name.lower()]
    if near:
        return f"did you mean {near[0]!r}?"
    return f"choose one of: {', '.join(known)}" if known else ""


def _parts(problem: Problem) -> tuple[str, str, str, str]:
    return problem.where, problem.found, problem.expected, problem.fix
