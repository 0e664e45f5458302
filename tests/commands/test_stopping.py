"""What a scheduler's SIGTERM does to a command: one line and the exit code that shells give."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable

import pytest

from eqae.commands.shell import Terminated, guarded
from eqae.errors import ConfigError


def stop_myself() -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    raise AssertionError("the command goes on")


def stop_and_break() -> None:
    """As where the loader processes were stopped too."""
    try:
        stop_myself()
    finally:
        raise RuntimeError("a worker exited unexpectedly")


def hide_the_stop() -> None:
    """As a library does that catches everything."""
    try:
        stop_myself()
    except BaseException as error:
        raise ValueError("cannot be read") from error


@pytest.mark.parametrize("action", [stop_myself, stop_and_break, hide_the_stop])
def test_sigterm_gives_143_and_one_line_whatever_breaks_on_the_way_out(
    action: Callable[[], None], capsys: pytest.CaptureFixture[str]
) -> None:
    assert guarded(action, "continue with --resume") == 143
    assert capsys.readouterr().err == "stopped; continue with --resume\n"


def test_an_error_without_a_signal_keeps_its_traceback() -> None:
    def fail() -> None:
        raise RuntimeError("a defect")

    with pytest.raises(RuntimeError, match="a defect"):
        guarded(fail)


def test_sigterm_means_afterwards_what_it_meant_before() -> None:
    before = signal.getsignal(signal.SIGTERM)
    guarded(lambda: None)
    assert signal.getsignal(signal.SIGTERM) is before


def test_the_exit_code_survives_outside_of_a_guard() -> None:
    with pytest.raises(SystemExit) as stop:
        raise Terminated
    assert stop.value.code == 143


def test_a_command_also_runs_in_a_thread_which_gets_no_signals() -> None:
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(guarded(lambda: None)))
    thread.start()
    thread.join()
    assert codes == [0]


def test_ctrl_c_gives_130_and_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    assert guarded(interrupt) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_of_several_processes_the_first_of_each_machine_speaks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def be_wrong() -> None:
        raise ConfigError("data.root", "nothing there")

    monkeypatch.setenv("RANK", "9")
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert guarded(be_wrong) == 2
    assert guarded(stop_myself) == 143
    assert capsys.readouterr().err == ""
    monkeypatch.setenv("LOCAL_RANK", "0")
    assert guarded(be_wrong) == 2
    assert capsys.readouterr().err == "error: data.root: nothing there\n"
