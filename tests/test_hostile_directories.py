"""Hundreds of damaged and malicious run directories: each refused by name, nothing executed, nothing written."""

from __future__ import annotations

import os
import resource
import shutil
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch

import eqae
from eqae.checkpoint import ModelSpec, save_checkpoint
from eqae.commands.evaluate import main
from eqae.errors import CheckpointError
from eqae.models import build_model
from forged_manifest import forge
from hostile_cases import PAYLOAD, Case, hostile_cases

SPEC = ModelSpec("eqae", {"group": "D4", "fields": [2], "code": 3}, "gram", {}, (1, 5, 5), "digits", 0)
EVERY = 9
"""One in so many goes through ``evaluate.py`` too."""


def make_run(folder: Path, spec: ModelSpec) -> Path:
    folder.mkdir()
    (folder / "config.yaml").write_text(f"name: {folder.name}\n")
    with torch.random.fork_rng():
        torch.manual_seed(spec.seed)
        save_checkpoint(folder, build_model(spec.model, spec.image_shape, spec.model_options), spec)
    return folder


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return make_run(tmp_path / "good", SPEC)


@pytest.fixture
def sentinel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Made by whatever executes something: unpickles, or imports the payload, which every ``import`` would find."""
    library, sentinel = tmp_path / "library", tmp_path / "sentinel"
    library.mkdir()
    (library / f"{PAYLOAD}.py").write_text(f"import os\nos.mkdir({str(sentinel)!r})\n\ndef run(*_, **__): ...\n")
    monkeypatch.syspath_prepend(library)
    return sentinel


@pytest.fixture
def cases(good: Path, tmp_path: Path, sentinel: Path) -> list[Case]:
    return hostile_cases(good, make_run(tmp_path / "other", replace(SPEC, seed=1)), sentinel)


def contents(folder: Path) -> dict[str, tuple[int, int, int]]:
    """What a file system knows of everything in ``folder``."""
    facts = {path: path.lstat() for path in [folder, *folder.rglob("*")] if path.is_symlink() or path.exists()}
    return {str(path): (fact.st_mode, fact.st_size, fact.st_mtime_ns) for path, fact in facts.items()}


def refusal(run: Path) -> str | None:
    """The message with which ``run`` is refused; None where it is not."""
    try:
        eqae.load_extractor(run)
    except CheckpointError as error:
        return str(error)
    return None


def test_every_hostile_directory_is_refused_by_name_and_nothing_runs(
    good: Path, sentinel: Path, cases: list[Case], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    eqae.load_extractor(good, head="correlation")  # names of closed tables are imported when first asked for
    modules, memory = set(sys.modules), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    run = tmp_path / "hostile"
    wrong = []
    for case in cases:
        shutil.copytree(good, run)
        case.damage(run)
        before = contents(run)
        message = refusal(run)
        if message is None or str(run / case.file) not in message or contents(run) != before or sentinel.exists():
            wrong.append((case.label, message))
        remove(run)
    with capsys.disabled():
        print(f"\n{len(cases) - len(wrong)} of {len(cases)} hostile directories are refused by name", end=" ")
    assert wrong == []
    assert len(cases) >= 200
    assert set(sys.modules) == modules
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < 2**20  # a gigabyte; the bombs hold more


def test_the_command_that_judges_refuses_them_in_one_message(
    good: Path, sentinel: Path, cases: list[Case], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "hostile"
    wrong = []
    for case in cases[::EVERY]:
        shutil.copytree(good, run)
        case.damage(run)
        before = contents(run)
        code = main([str(run), "--out", str(tmp_path / "out"), "data=digits"])
        printed = capsys.readouterr()
        named = printed.err.startswith("error: ") and str(run / case.file) in printed.err
        if code != 2 or not named or "Traceback" in printed.err or printed.out or contents(run) != before:
            wrong.append((case.label, code, printed))
        remove(run)
    assert wrong == []
    assert not sentinel.exists()
    assert PAYLOAD not in sys.modules
    assert not (tmp_path / "out").exists()


LAUGHS = "a: &a [1, 1]\n" + "".join(
    f"{new}: &{new} [*{old}, *{old}]\n" for old, new in pairwise("abcdefghijklmnopqrst")
)
TRAPS = {
    "plugins": f"plugins: [{PAYLOAD}]\n",
    "object": f"seed: !!python/object/apply:{PAYLOAD}.run []\n",
    "module": f"seed: !!python/module:{PAYLOAD}\n",
    "name": f"seed: !!python/name:{PAYLOAD}.run\n",
    "target": f"model: {{_target_: {PAYLOAD}.run}}\n",
    "class path": f"model: {{name: eqae, class_path: {PAYLOAD}.run}}\n",
    "model": f"model: {PAYLOAD}:run\n",
    "evaluator": f"evaluators: ['{PAYLOAD}:run']\n",
    "laughs": LAUGHS,
    "deep": "a: " + "[" * 100_000,
    "long": "#" * 2**21,
    "hollow": "",
}


@pytest.mark.parametrize("trap", TRAPS)
def test_the_config_of_a_run_directory_names_no_code_even_under_hashes_that_fit(
    good: Path, sentinel: Path, capsys: pytest.CaptureFixture[str], trap: str
) -> None:
    (good / "config.yaml").write_text(TRAPS[trap])
    forge(good, lambda document: None)
    if trap == "hollow":
        os.truncate(good / "config.yaml", 10**12)
    # The last argument is a mistake, so that nothing is judged where a trap is merely ignored.
    assert main([str(good), "--out", str(good / "out"), "evaluators=[none]"]) == 2
    assert "Traceback" not in capsys.readouterr().err
    assert not sentinel.exists()
    assert PAYLOAD not in sys.modules
    assert not (good / "out").exists()


def remove(run: Path) -> None:
    if run.is_dir() and not run.is_symlink():
        shutil.rmtree(run)
    else:
        run.unlink(missing_ok=True)
