import os
from pathlib import Path

import pytest

from eqae.files import is_leftover, remove_leftovers, write_atomically


@pytest.mark.parametrize(("data", "stored"), [(b"\x00\xff", b"\x00\xff"), ("é\n", "é\n".encode())])
def test_a_file_holds_what_was_written_and_nothing_is_left_beside_it(
    tmp_path: Path, data: bytes | str, stored: bytes
) -> None:
    write_atomically(tmp_path / "file", "something longer that was there before")
    write_atomically(str(tmp_path / "file"), data)
    assert (tmp_path / "file").read_bytes() == stored
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_crash_at_any_step_leaves_the_old_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    def crash(*_: object) -> None:
        raise OSError("disk full")

    write_atomically(tmp_path / "file", "old")
    monkeypatch.setattr(os if step == "fsync" else Path, step, crash)
    with pytest.raises(OSError, match="disk full"):
        write_atomically(tmp_path / "file", "new")
    monkeypatch.undo()
    assert (tmp_path / "file").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_content_is_on_the_disk_before_it_takes_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def traced_fsync(descriptor: int) -> None:
        steps.append("fsync")
        fsync(descriptor)

    def traced_replace(self: Path, target: Path) -> Path:
        steps.append("replace")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", traced_fsync)
    monkeypatch.setattr(Path, "replace", traced_replace)
    write_atomically(tmp_path / "file", "content")
    assert steps == ["fsync", "replace", "fsync"], "data, then name, then the folder that holds the name"


def test_the_permissions_are_those_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    write_atomically(tmp_path / "file", "")
    assert (tmp_path / "file").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_missing_folder_is_not_made_up(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "nowhere" / "file", "content")


def test_text_may_come_in_parts_and_parts_that_fail_leave_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    write_atomically(path, (f"é{number}\n" for number in range(3)))
    assert path.read_text(encoding="utf-8") == "é0\né1\né2\n"
    with pytest.raises(ZeroDivisionError):
        write_atomically(path, (f"{1 // number}\n" for number in (1, 0)))
    assert path.read_text(encoding="utf-8") == "é0\né1\né2\n"
    assert [file.name for file in tmp_path.iterdir()] == ["a.csv"]


def test_what_a_killed_write_has_left_is_found_by_its_name_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run" / "baseline"
    folder.mkdir(parents=True)
    for name in (".hidden", ".cache.tmp", "notes.tmp", ".file.12345678.txt"):
        (folder / name).write_text("of somebody else")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", lambda *_, **__: None)  # a kill leaves no time for it
        patch.setattr(os, "fsync", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            write_atomically(folder / "file", "half")
    (left,) = (path for path in folder.iterdir() if is_leftover(path))
    assert left.read_text() == "half"
    remove_leftovers(tmp_path)
    assert {path.name for path in folder.iterdir()} == {".hidden", ".cache.tmp", "notes.tmp", ".file.12345678.txt"}
