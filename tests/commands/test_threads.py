"""Threads that wait for each other give way to other programs, unless the user has said how they wait."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from eqae.commands.threads import SPINS, wait_briefly


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
        monkeypatch.setenv(name, "")  # so that what is set meanwhile goes again
        monkeypatch.delenv(name)


def test_threads_wait_briefly() -> None:
    wait_briefly()
    assert os.environ["GOMP_SPINCOUNT"] == str(SPINS)


@pytest.mark.parametrize(("name", "value"), [("OMP_WAIT_POLICY", "active"), ("GOMP_SPINCOUNT", "7")])
def test_what_the_user_has_said_stands(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    before = dict(os.environ)
    wait_briefly()
    assert dict(os.environ) == before


@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_it_is_said_before_torch_is_there_to_read_it(command: str) -> None:
    code = f"""
import sys
from eqae.commands import shell, {command}
shell.wait_briefly = lambda: print("torch" in sys.modules)
{command}.guarded(lambda: None)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
