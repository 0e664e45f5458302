"""What W&B gets to see of a training, read back from what it wrote; and that training never depends on it."""

from __future__ import annotations

import csv
import gc
import json
import math
import os
import runpy
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import wandb
from command_line import CONFIGS, Arguments, tiny_arguments
from offline_records import Recording, recordings
from PIL import Image
from rich.console import Console
from wandb_server import stand_in

import eqae
from eqae.commands.train import main
from eqae.training import callbacks, tracking, wandb_run
from eqae.training.tracking import NoTracker, Tracking

SMALL = ("model.fields=[2, 3, 4]", "model.code=4", "heads=[mean]", "evaluators=[invariance, spectrum]")
BASELINE = "baselines={cnn: {model: {name: cnn, group: D4, fields: [2, 3, 4], code: 4, equal: parameters}}}"
EPOCHS = 4
CUT = 2
"""The epoch that is interrupted, counted from 0."""
ROWS = [
    {"model": "m", "evaluator": "e", "metric": "a", "condition": "", "value": 0.5},
    {"model": "m:mean", "evaluator": "e", "metric": "a", "condition": "D4", "value": None},
    {"model": "m (untrained)", "evaluator": "e", "metric": "a", "condition": "", "value": 0.25},
    {"model": "m2", "evaluator": "e", "metric": "a", "condition": "", "value": 0.125},
]


def without_account(patch: pytest.MonkeyPatch, home: Path) -> None:
    """No key, no settings, nobody's home."""
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        patch.delenv(name)
    patch.setenv("HOME", str(home))
    patch.setenv("NETRC", str(home / "no-netrc"))
    for kind in ("CACHE", "CONFIG", "DATA"):
        patch.setenv(f"XDG_{kind}_HOME", str(home / kind))


@pytest.fixture(autouse=True)
def no_account(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    without_account(monkeypatch, tmp_path_factory.mktemp("home"))


@dataclass(frozen=True)
class Tracked:
    """A training that was interrupted and resumed."""

    run: Path
    ids_at_first: dict[str, str]
    recordings: dict[str, list[Recording]]


@pytest.fixture(scope="module")
def tracked(tiny_npz: Path, tmp_path_factory: pytest.TempPathFactory) -> Tracked:
    """A model and a baseline, cut off in the model's third epoch before its resume point was written, and resumed."""
    folder = tmp_path_factory.mktemp("tracked")
    arguments = tiny_arguments(
        "eqae_p4m.yaml", tiny_npz, folder, "tracking.wandb=auto", f"training.epochs={EPOCHS}", BASELINE, *SMALL
    )
    advance, ids = callbacks.ExactResume.on_train_epoch_end, []

    def interrupt(self, trainer, module) -> None:  # type: ignore[no-untyped-def]
        ids.append(json.loads((folder / "eqae_p4m" / "wandb" / "ids.json").read_text()))
        if trainer.current_epoch == CUT:
            raise KeyboardInterrupt
        advance(self, trainer, module)

    with pytest.MonkeyPatch.context() as patch:
        without_account(patch, folder / "home")
        patch.setattr(callbacks.ExactResume, "on_train_epoch_end", interrupt)
        assert main(arguments) == 130
        patch.setattr(callbacks.ExactResume, "on_train_epoch_end", advance)
        assert main([*arguments, "--resume"]) == 0
        wandb.teardown()  # as at the end of the process: until then a service of its own may still be writing
    return Tracked(folder / "eqae_p4m", ids[0], recordings(folder / "eqae_p4m"))


def test_ids_are_there_before_the_first_epoch_ends_and_a_resumed_training_has_the_same(tracked: Tracked) -> None:
    assert set(tracked.ids_at_first) == {"eqae_p4m", "cnn"}
    assert json.loads((tracked.run / "wandb" / "ids.json").read_text()) == tracked.ids_at_first
    assert {label: len(parts) for label, parts in tracked.recordings.items()} == {"eqae_p4m": 2, "cnn": 1}
    for label, parts in tracked.recordings.items():
        assert {part.run.run_id for part in parts} == {tracked.ids_at_first[label]}


def test_every_epoch_of_metrics_csv_is_recorded_once_however_often_training_was_cut(tracked: Tracked) -> None:
    for label, folder in (("eqae_p4m", tracked.run), ("cnn", tracked.run / "baselines" / "cnn")):
        with (folder / "metrics.csv").open() as file:
            expected = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
        found = [row for part in tracked.recordings[label] for row in part.history]
        assert [row["_step"] for row in found] == list(range(EPOCHS))
        for row, wanted in zip(found, expected, strict=True):
            assert {key: row[key] for key in wanted} == pytest.approx(wanted, rel=1e-8)


def test_only_what_goes_on_asks_to_resume(tracked: Tracked) -> None:
    assert [part.run.resume for part in tracked.recordings["eqae_p4m"]] == [False, True]


def test_an_interrupted_recording_is_called_failed_and_a_whole_one_is_not(tracked: Tracked) -> None:
    assert [part.exit_codes for part in tracked.recordings["eqae_p4m"]] == [[1], [0]]
    assert [part.exit_codes for part in tracked.recordings["cnn"]] == [[0]]


def test_a_model_and_its_baselines_are_one_group_that_settings_can_tell_apart(tracked: Tracked) -> None:
    model, baseline = tracked.recordings["eqae_p4m"][-1], tracked.recordings["cnn"][-1]
    assert {model.run.run_group, baseline.run.run_group} == {"eqae_p4m"}
    assert (model.run.job_type, baseline.run.job_type) == ("model", "baseline")
    assert (model.config["model"]["name"], baseline.config["model"]["name"]) == ("eqae", "cnn")
    assert model.config["training"]["epochs"] == baseline.config["training"]["epochs"] == EPOCHS
    assert "torch" in model.config["environment"]["versions"]


def test_final_figures_have_the_same_names_in_every_run_and_the_values_of_results_json(tracked: Tracked) -> None:
    rows = json.loads((tracked.run / "results.json").read_text())["rows"]
    for label in ("eqae_p4m", "cnn"):
        summary = tracked.recordings[label][-1].summary
        own = [row for row in rows if row["model"] == label and row["value"] is not None]
        assert len(own) > 5
        for row in own:
            name = "/".join(filter(None, (row["evaluator"], row["metric"], row["condition"])))
            assert summary[name] == row["value"]
        assert summary["results"]["nrows"] == sum(row["model"].split(":")[0].split(" ")[0] == label for row in rows)
        assert "spectrum/effective_rank" in summary  # which examples/sweep.yaml searches for
    assert "mean/spectrum/effective_rank" in tracked.recordings["eqae_p4m"][-1].summary


def test_pictures_of_reconstructions_are_pictures(tracked: Tracked) -> None:
    for part in (part for parts in tracked.recordings.values() for part in parts):
        for row in part.history:
            with Image.open(part.folder / "files" / row["reconstructions.path"]) as picture:
                pixels = np.asarray(picture)
            assert pixels.std() > 20


def test_the_artifact_is_a_checkpoint_that_gives_the_same_features(
    tracked: Tracked, tiny_npz: Path, tmp_path: Path
) -> None:
    images = np.load(tiny_npz)["images"][:5]
    for label, folder in (("eqae_p4m", tracked.run), ("cnn", tracked.run / "baselines" / "cnn")):
        artifact = tracked.recordings[label][-1].artifacts["model"]
        files = {file.path: file.local_path for file in artifact.manifest.contents}
        assert files.keys() >= {"model.safetensors", "manifest.json", "config.yaml"}
        download = tmp_path / artifact.name
        download.mkdir()
        for name, path in files.items():
            shutil.copy(path, download / name)
        features = eqae.load_extractor(download).transform(images)
        assert np.array_equal(features, eqae.load_extractor(folder).transform(images))
    assert {path.name for path in tmp_path.iterdir()} == {"eqae_p4m", "eqae_p4m-cnn"}
    assert {path.name for path in (tmp_path / "eqae_p4m").iterdir()} >= {"README.md", "results.json"}


def test_metadata_of_the_artifact_are_the_facts_of_the_manifest(tracked: Tracked) -> None:
    manifest = json.loads((tracked.run / "manifest.json").read_text())
    facts = json.loads(tracked.recordings["eqae_p4m"][-1].artifacts["model"].metadata)
    assert facts == {key: manifest[key] for key in ("spec", "group", "parameters", "files", "versions")}


def test_all_that_an_offline_record_needs_is_in_the_run_directory(tracked: Tracked) -> None:
    artifacts = [artifact for parts in tracked.recordings.values() for artifact in parts[-1].artifacts.values()]
    assert len(artifacts) == 4  # a table and a checkpoint each
    paths = [Path(file.local_path) for artifact in artifacts for file in artifact.manifest.contents]
    assert all(path.is_absolute() and path.is_file() and tracked.run in path.parents for path in paths)


def test_the_shipped_workspace_shows_what_runs_record(tracked: Tracked) -> None:
    shown = runpy.run_path(str(CONFIGS.parent / "examples" / "wandb_workspace.py"))
    assert set(shown["CURVES"]) <= tracked.recordings["eqae_p4m"][-1].history[-1].keys()
    judged = json.loads((CONFIGS.parent / "benchmarks" / "results" / "o2mnist_eqae_p4m.json").read_text())["rows"]
    parts = ([row["evaluator"], row["metric"], row["condition"]] for row in judged if row["model"] == "cnn")
    assert set(shown["FIGURES"]) <= {"/".join(filter(None, part)) for part in parts}


# Without training, on what a training would say.


@dataclass
class Told:
    """A tracking that is open, and what it prints."""

    tracking: Tracking
    console: Console

    @property
    def lines(self) -> list[str]:
        assert isinstance(self.console.file, StringIO)
        return self.console.file.getvalue().splitlines()


def tracking_of(
    directory: Path, labels: Sequence[str] = ("m", "m2"), mode: tracking.Mode = "auto", project: str = "p"
) -> Told:
    console = Console(file=StringIO(), width=200)
    return Told(Tracking(mode, project, directory, labels, console), console)


class FakeRun:
    """Stands for W&B's: keeps what it is told, or is broken."""

    def __init__(self, *, broken: bool, **arguments: Any) -> None:
        self.arguments = arguments
        self.group = arguments["group"]
        self.broken = broken
        self.rows: list[dict[str, Any]] = []
        self.calls = 0
        self.exit_code: int | None = None

    def log(self, row: dict[str, Any], **_: Any) -> None:
        self.calls += 1
        if self.broken:
            raise ConnectionError("no [route] to host\nand a second line")
        self.rows.append(row)

    def finish(self, exit_code: int) -> None:
        self.exit_code = exit_code


@dataclass
class Service:
    """The W&B runs that were begun."""

    runs: list[FakeRun]
    broken: bool = False
    refused: tuple[str, ...] = ()

    def open_run(self, **arguments: Any) -> FakeRun:
        if arguments["mode"] in self.refused:
            raise OSError("no space left")
        self.runs.append(FakeRun(broken=self.broken, **arguments))
        return self.runs[-1]


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Service:
    service = Service([])
    monkeypatch.setattr(tracking, "open_run", service.open_run)
    return service


@pytest.mark.parametrize(
    ("mode", "variables", "expected"),
    [
        ("auto", {}, "offline"),
        ("auto", {"WANDB_API_KEY": "k"}, "online"),
        ("auto", {"WANDB_API_KEY": "k", "WANDB_MODE": "offline"}, "offline"),
        ("auto", {"WANDB_MODE": "disabled"}, "disabled"),
        ("auto", {"NETRC": "netrc"}, "online"),
        ("auto", {"NETRC": "netrc", "WANDB_BASE_URL": "https://own.example:8080"}, "offline"),
        ("online", {}, "offline"),
        ("online", {"WANDB_API_KEY": "k"}, "online"),
        ("offline", {"WANDB_API_KEY": "k"}, "offline"),
        ("disabled", {"WANDB_API_KEY": "k", "WANDB_MODE": "online"}, "disabled"),
    ],
)
def test_records_are_online_only_with_a_key_for_the_server_and_never_where_disabled(
    mode: tracking.Mode, variables: dict[str, str], expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine api.wandb.ai login user password k\n")
    monkeypatch.chdir(tmp_path)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert tracking_of(tmp_path, mode=mode).tracking.mode == expected


def test_a_disabled_tracking_leaves_nothing(service: Service, tmp_path: Path) -> None:
    with tracking_of(tmp_path, mode="disabled").tracking as open_tracking:
        assert isinstance(open_tracking.open("m", {}), NoTracker)
    assert not service.runs
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [None, "", "[]", '{"m": 3}', "{"])
def test_ids_that_are_missing_or_spoiled_are_made_anew_and_then_kept(
    content: str | None, service: Service, tmp_path: Path
) -> None:
    ids = tmp_path / "wandb" / "ids.json"
    if content is not None:
        ids.parent.mkdir()
        ids.write_text(content)
    for _ in range(2):
        with tracking_of(tmp_path).tracking as open_tracking:
            open_tracking.open("m", {})
            open_tracking.open("m2", {})
    used = [run.arguments["id"] for run in service.runs]
    assert used[:2] == used[2:] == list(json.loads(ids.read_text()).values())
    assert len(set(used)) == 2


def test_a_run_of_a_sweep_has_the_id_that_the_agent_gave_and_no_baselines(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_SWEEP_ID", "s")
    monkeypatch.setenv("WANDB_RUN_ID", "given")
    with tracking_of(tmp_path).tracking as open_tracking:
        open_tracking.open("m", {})
        assert isinstance(open_tracking.open("m2", {}), NoTracker)
    assert [run.arguments["id"] for run in service.runs] == ["given"]


def test_without_network_one_line_is_printed_and_all_is_recorded_offline(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "k")
    service.refused = ("online",)
    told = tracking_of(tmp_path)
    with told.tracking as open_tracking:
        for label in ("m", "m2"):
            open_tracking.open(label, {}).log({"epoch": 0, "loss": 1.0})
    assert [run.arguments["mode"] for run in service.runs] == ["offline", "offline"]
    assert [line.strip() for line in told.lines] == ["W&B cannot record online (no space left); recording offline"]


def test_where_nothing_can_be_recorded_one_line_is_printed(service: Service, tmp_path: Path) -> None:
    service.refused = ("online", "offline")
    told = tracking_of(tmp_path)
    with told.tracking as open_tracking:
        assert all(isinstance(open_tracking.open(label, {}), NoTracker) for label in ("m", "m2"))
    (line,) = told.lines
    assert "no space left" in line
    assert "metrics.csv" in line


def test_a_folder_that_cannot_be_written_is_told_in_one_line(service: Service, tmp_path: Path) -> None:
    (tmp_path / "wandb").write_text("a file where a folder should be")
    told = tracking_of(tmp_path)
    with told.tracking as open_tracking:
        assert isinstance(open_tracking.open("m", {}), NoTracker)
    assert len(told.lines) == 1


def test_after_the_first_failure_nothing_is_sent_any_more_by_any_run_but_all_are_ended(
    service: Service, tmp_path: Path
) -> None:
    service.broken = True
    told = tracking_of(tmp_path)
    with told.tracking as open_tracking:
        for tracker in [open_tracking.open(label, {}) for label in ("m", "m2")]:
            tracker.log({"epoch": 0})
            tracker.log({"epoch": 1})
            tracker.log_results(ROWS)
            tracker.log_checkpoint(tmp_path / "nowhere")
    assert [run.calls for run in service.runs] == [1, 0]
    assert [run.exit_code for run in service.runs] == [0, 0]
    assert [line.strip() for line in told.lines] == [
        "W&B stopped taking records (no [route] to host); training goes on without it"
    ]


def test_the_variable_that_says_where_uploads_wait_is_as_before_afterwards(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tracking_of(tmp_path).tracking:
        assert os.environ["WANDB_DATA_DIR"] == str(tmp_path / "wandb")
    assert "WANDB_DATA_DIR" not in os.environ
    monkeypatch.setenv("WANDB_DATA_DIR", "/mine")
    with tracking_of(tmp_path).tracking:
        assert os.environ["WANDB_DATA_DIR"] == "/mine"
    assert os.environ["WANDB_DATA_DIR"] == "/mine"


@pytest.mark.parametrize(
    ("group", "label", "expected"),
    [("run", "run", "run"), ("run", "cnn", "run-cnn"), ("größe+1", "größe+1", "gr__e_1"), ("r" * 200, "c", "r" * 128)],
)
def test_names_of_artifacts_are_those_that_wandb_takes(group: str, label: str, expected: str) -> None:
    assert wandb_run.artifact_name(group, label) == expected
    wandb.Artifact(expected, type="model")


# With W&B's own service, where it cannot work as it wants.


@pytest.fixture
def fresh_service() -> Iterator[None]:
    """A service that is started under the variables of this test, and ends with it."""
    wandb.teardown()
    yield
    wandb.teardown()


def record(directory: Path) -> tuple[Told, Recording]:
    """Two epochs and a table, and what was kept of them."""
    told = tracking_of(directory, ["m"])
    with told.tracking as open_tracking:
        tracker = open_tracking.open("m", {"seed": 0})
        for epoch in range(2):
            tracker.log({"epoch": epoch, "loss": math.nan if epoch else 1.0})
        tracker.log_results(ROWS)
    wandb.teardown()
    ((recording,),) = recordings(directory).values()
    return told, recording


@pytest.mark.usefixtures("fresh_service")
def test_a_home_that_cannot_be_written_is_not_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, "/dev/null/nowhere")
    told, recording = record(tmp_path)
    assert told.lines == []
    assert [row["epoch"] for row in recording.history] == [0, 1]
    assert recording.summary["e/a"] == 0.5
    assert recording.summary["results"]["nrows"] == 3


@pytest.mark.usefixtures("fresh_service")
def test_a_server_that_does_not_answer_costs_a_wait_and_no_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")  # nobody listens there
    monkeypatch.setattr(wandb_run, "LONGEST_START", 0.5)
    told, recording = record(tmp_path)
    assert [row["epoch"] for row in recording.history] == [0, 1]
    (line,) = told.lines
    assert line.strip().startswith("W&B cannot record online")


@pytest.mark.usefixtures("fresh_service")
def test_a_service_that_dies_is_told_in_one_line(tmp_path: Path) -> None:
    told = tracking_of(tmp_path, ["m"])
    with told.tracking as open_tracking:
        tracker = open_tracking.open("m", {})
        for process in services():
            process.kill()
            process.wait()
        for epoch in range(100):
            tracker.log({"epoch": epoch})
    (line,) = told.lines
    assert "training goes on without it" in line
    with pytest.raises(ConnectionError):  # as at the end of the process; the next test starts another service
        wandb.teardown()


def services() -> list[subprocess.Popen[bytes]]:
    """Processes of W&B's that this one has started and that have not ended."""
    processes = [thing for thing in gc.get_objects() if type(thing) is subprocess.Popen]
    return [process for process in processes if process.returncode is None and "wandb-core" in str(process.args)]


# Through the command.


def test_wandb_that_breaks_is_reported_once_and_training_goes_on(
    tiny: Arguments, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(**_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(wandb, "init", fail)
    assert main(tiny("cnn.yaml", "tracking.wandb=offline", "evaluators=[invariance]")) == 0
    assert capsys.readouterr().out.count("no space left") == 1
    assert (tmp_path / "cnn" / "README.md").is_file()


def test_wandb_sync_joins_the_parts_of_a_resumed_training_and_uploads_the_checkpoints(tracked: Tracked) -> None:
    with stand_in() as server:
        variables = {"WANDB_BASE_URL": server.url, "WANDB_API_KEY": "0" * 40}
        command = [sys.executable, "-m", "wandb", "sync", str(tracked.run / "wandb")]
        subprocess.run(command, env=os.environ | variables, check=True, timeout=120)
    ids = tracked.ids_at_first
    assert server.groups == dict.fromkeys(ids.values(), "eqae_p4m")
    for id in ids.values():
        lines = server.history[id]
        assert sorted(lines) == list(range(EPOCHS))
        assert [lines[number]["epoch"] for number in sorted(lines)] == list(range(EPOCHS))
    assert set(server.committed) >= {"eqae_p4m", "eqae_p4m-cnn"}
    for name, folder in (("eqae_p4m", tracked.run), ("eqae_p4m-cnn", tracked.run / "baselines" / "cnn")):
        for file in ("model.safetensors", "manifest.json", "config.yaml"):
            assert server.uploads[f"{name}/{file}"] == (folder / file).read_bytes()


KILLED = """
import os, signal, sys, time
from pathlib import Path
from rich.console import Console
from eqae.training.tracking import Tracking

with Tracking("offline", "p", Path(sys.argv[1]), ["m"], Console()) as tracking:
    tracker = tracking.open("m", {})
    for epoch in range(3):
        tracker.log({"epoch": epoch})
    time.sleep(5)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
def test_a_process_that_is_killed_has_its_epochs_on_the_disk(tmp_path: Path) -> None:
    assert subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)]).returncode == -signal.SIGKILL
    ((recording,),) = recordings(tmp_path).values()
    assert [row["epoch"] for row in recording.history] == [0, 1, 2]
    assert recording.exit_codes == []
