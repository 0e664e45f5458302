"""Tables that take long: runs trained by ``train.py``, and their figures kept as JSON.

What the JSON holds is not trained again, unless its config has changed since; an interrupted run is resumed. Several
calls may share the work; each merges its figures into the same JSON. ``--processes`` trains several networks side by
side, which one GPU has room for: a small network does not fill it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fcntl import LOCK_EX, flock
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from eqae.checkpoint import read_manifest
from eqae.commands.resolving import read_config
from eqae.commands.shell import guarded
from eqae.commands.train import train
from eqae.config import Config, parse_config
from eqae.evaluation.results import UNTRAINED, Results
from eqae.files import write_atomically
from eqae.runs import RunDirectory
from eqae.yaml_file import read_yaml

Entry = dict[str, Any]
"""One run of the JSON: dataset, network, seed, recipe, time, parameters, machine, and figures by head."""


@dataclass(frozen=True)
class Record:
    """The runs behind one table.

    Attributes:
        path: of the JSON, unless another is asked for.
        configs: folder of the networks' files, ``NETWORK.yaml``.
        output: folder of the runs, ``DATA/NETWORK-sSEED``.
        networks: by the datasets' names, those that are trained on each.
        files: of networks that share a file with another, its name.
        overrides: what a dataset needs besides its name; empty where it needs nothing.
        figures: metric and condition of what is kept of a run.
        complete: whether an entry has all that the table wants of it.
        command: that makes the whole table.
    """

    path: Path
    configs: Path
    output: Path
    networks: Mapping[str, Sequence[str]]
    files: Mapping[str, str]
    overrides: Callable[[str, str], Sequence[str]]
    figures: Sequence[tuple[str, str]]
    complete: Callable[[Entry], bool]
    command: str

    def file(self, network: str) -> Path:
        """The config of a network."""
        return self.configs / f"{self.files.get(network, network)}.yaml"

    def run(self, data: str, network: str, seed: int) -> RunDirectory:
        """Where a network of the table lies."""
        return RunDirectory(self.output / data / f"{network}-s{seed}")

    def asked(self, data: str, network: str, seed: int, root: str | None = None) -> list[str]:
        """What a network of the table changes in its config."""
        run = self.run(data, network, seed)
        return [
            *self.overrides(data, network), f"seed={seed}", f"output={run.path.parent}", f"name={run.path.name}",
            "tracking.wandb=disabled", *([f"data.root={root}"] if root else []),
        ]  # fmt: skip

    def wanted_recipe(self, data: str, network: str) -> str:
        """The recipe that the table asks for today."""
        return recipe_of(read_config(self.file(network), self.asked(data, network, 0)))

    def current(self, path: Path | None = None) -> list[Entry]:
        """The entries whose recipe is that of today."""
        entries = recorded(path or self.path)
        kinds = {(entry["data"], entry["network"]) for entry in entries}
        wanted = {kind: self._known_recipe(*kind) for kind in kinds}
        return [entry for entry in entries if entry["recipe"] == wanted[entry["data"], entry["network"]]]

    def make(self, data: str, network: str, seed: int, root: str | None, path: Path, console: Console) -> int:
        """Train and judge one network unless it is on record, or go on where it stopped; an exit code."""
        key = (data, network, seed)
        if any(key_of(entry) == key and self.complete(entry) for entry in self.current(path)):
            console.print(f"{data} {network} seed {seed}: on record", highlight=False)
            return 0
        run = self.run(data, network, seed)
        if not run.is_finished and (code := self._train(data, network, seed, root, console)):
            return code
        entry = self._entry(data, network, seed)
        if entry["recipe"] != self.wanted_recipe(data, network):
            console.print(f"error: {run.path} is of another config: move it away", style="red")
            return 2
        merge([entry], path, self.command)
        return 0

    def _train(self, data: str, network: str, seed: int, root: str | None, console: Console) -> int:
        file, overrides = self.file(network), self.asked(data, network, seed, root)
        run = self.run(data, network, seed)
        if not run.manifest.is_file():  # another machine may judge what this one trains
            run.path.parent.mkdir(parents=True, exist_ok=True)
            _origin(run).write_text(json.dumps(this_machine()))
        resume = run.config.is_file()
        return guarded(lambda: train(file, overrides, resume=resume, console=console))

    def _known_recipe(self, data: str, network: str) -> str | None:
        """Today's recipe; None where the table has no such dataset, or does not train this network on it."""
        return self.wanted_recipe(data, network) if network in self.networks.get(data, ()) else None

    def _entry(self, data: str, network: str, seed: int) -> Entry:
        """What a finished run says, and what it was trained on; an interruption counts as training time."""
        run = self.run(data, network, seed)
        config = parse_config(read_yaml(run.config))
        return {
            "data": data,
            "network": network,
            "seed": seed,
            "recipe": recipe_of(config),
            **cost_of(run),
            "baselines": {
                f"+{label}": cost_of(run.baseline(baseline.orbit_of or label))  # an average costs what is averaged
                for label, baseline in config.baselines.items()
            },
            **(json.loads(_origin(run).read_text()) if _origin(run).is_file() else this_machine()),
            "precision": config.training.precision,
            "figures": self._figures(run),
        }

    def _figures(self, run: RunDirectory) -> dict[str, dict[str, float]]:
        """Figures of a finished run by head; its own head is the empty name, a baseline is ``+label``."""
        found: dict[str, dict[str, float]] = {}
        for row in Results.from_json(run.results).rows:
            if (row.metric, row.condition) in self.figures and not row.note and not row.model.endswith(UNTRAINED):
                label, _, head = row.model.partition(":")
                head = head if label == run.path.name else f"+{label}"
                key = " ".join(filter(None, (row.metric, row.condition)))
                found.setdefault(head, {})[key] = round(row.value, 9)
        return found


def cost_of(run: RunDirectory) -> dict[str, int]:
    """Seconds from config to checkpoint, and parameters."""
    return {
        "training_seconds": round(run.manifest.stat().st_mtime - run.config.stat().st_mtime),
        "parameters": read_manifest(run.path).parameters,
    }


def this_machine() -> dict[str, Any]:
    """What a network is trained on here."""
    return {
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU",
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "versions": {name: version(name) for name in ("eqae", "torch", "scikit-learn")}
        | {"python": platform.python_version()},
    }


def _origin(run: RunDirectory) -> Path:
    """Beside a run: what it was trained on."""
    return run.path.with_name(f"{run.path.name}.machine.json")


def minutes_of(entries: Sequence[Entry], baseline: str = "") -> str:
    """Mean minutes of training on a CPU, or where there is no such run, on a GPU that is shared, which it says.

    Where some runs on CPUs were in bfloat16 and some in float32, which takes another time, of the former alone.
    """
    on_cpu = [entry for entry in entries if "seconds_on_cpu" in _cost(entry, baseline) or not _on_gpu(entry)]
    alike = [entry for entry in on_cpu if entry.get("precision") == "bf16-mixed"] or on_cpu
    costs = [_cost(entry, baseline) for entry in alike or entries]
    seconds = statistics.mean(cost.get("seconds_on_cpu") or cost["training_seconds"] for cost in costs)
    return f"{seconds / 60:.0f}" + ("" if alike else " (GPU)")


def _cost(entry: Entry, baseline: str) -> Mapping[str, Any]:
    """Seconds and parameters of a run, or of one of its baselines."""
    cost: Mapping[str, Any] = entry["baselines"].get(baseline, entry)
    return cost


def recipe_of(config: Config) -> str:
    """A hash of what a config says of data, network, heads and training: figures of two recipes are never averaged.

    Precision is none of it: that of ``auto`` is the machine's.

    What is at its default is not said, so that a new option does not make strangers of old runs.
    """
    said = config.model_dump(
        mode="json", by_alias=True, exclude_defaults=True,
        exclude={"name", "output", "seed", "tracking", "evaluation", "evaluators"},
    )  # fmt: skip
    said.get("data", {}).pop("root", None)
    said.setdefault("training", {})["precision"] = "bf16-mixed"  # whatever ``auto`` was: an entry says so
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]


def merge(entries: Sequence[Entry], path: Path, command: str) -> None:
    """Add ``entries`` to the JSON at ``path``, whoever else writes to it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        flock(folder, LOCK_EX)
        held = {key_of(entry): entry for entry in recorded(path)}
        for entry in entries:
            held[key_of(entry)] = entry | _seconds_on_cpu(held.get(key_of(entry), {}), entry)
        runs = [held[key] for key in sorted(held)]
        write_atomically(path, json.dumps({"command": command, "runs": runs}, indent=1) + "\n")
    finally:
        os.close(folder)


def _seconds_on_cpu(before: Entry, after: Entry) -> Entry:
    """What the same recipe took on a CPU, which a run on a GPU does not make forgotten."""
    known = before.get("seconds_on_cpu") or (before.get("training_seconds") if not _on_gpu(before) else None)
    return {"seconds_on_cpu": known} if known and _on_gpu(after) and before["recipe"] == after["recipe"] else {}


def _on_gpu(entry: Entry) -> bool:
    return bool(entry.get("device", "CPU") != "CPU")


def recorded(path: Path) -> list[Entry]:
    """The entries of the JSON at ``path``; none where there is no file."""
    entries: list[Entry] = json.loads(path.read_text())["runs"] if path.is_file() else []
    return entries


def key_of(entry: Entry) -> tuple[str, str, int]:
    """What identifies an entry."""
    return entry["data"], entry["network"], entry["seed"]


def entries_of(entries: Sequence[Entry], data: str, network: str, head: str = "") -> list[Entry]:
    """Those of one line of a table, a seed each: of a network on a dataset, with figures of a head or baseline."""
    return [one for one in entries if (one["data"], one["network"]) == (data, network) and head in one["figures"]]


def mean_and_spread(
    found: Sequence[Mapping[str, float]], metric: str, digits: str = ".3f", *, spread: bool = True
) -> str:
    """Mean over seeds and, where several are there, standard deviation of one figure; a dash where it is missing."""
    values = [figures[metric] for figures in found if metric in figures]
    if not values:
        return "–"
    mean = f"{statistics.mean(values):{digits}}"
    return f"{mean} ± {statistics.stdev(values):{digits}}" if spread and len(values) > 1 else mean


Job = tuple[str, str, int]
"""Dataset, network and seed."""


def make_table(record: Record, description: str | None, table: Callable[[Sequence[Entry], str], Iterable[str]]) -> int:
    """The command of a table: train the part that is asked for and not on record, print; an exit code."""
    asked = _arguments(record, description)
    console = Console(soft_wrap=True)
    began = time.monotonic()
    jobs = [
        (data, network, seed)
        for seed in ([] if asked.print else range(asked.seeds) if asked.seed is None else [asked.seed])
        for data in asked.data
        for network in record.networks[data]
        if network in asked.networks
    ]
    make = _side_by_side if asked.processes > 1 else _in_turn
    if code := make(record, jobs, asked, console):
        return code
    for data in asked.data:
        print("\n" + "\n".join(table(record.current(asked.json), data)))
    console.print(f"\n{time.monotonic() - began:.0f} s", highlight=False)
    return 0


def _in_turn(record: Record, jobs: Sequence[Job], asked: argparse.Namespace, console: Console) -> int:
    """One network after the other; the first that fails ends it."""
    return next((code for job in jobs if (code := record.make(*job, asked.root, asked.json, console))), 0)


def _side_by_side(record: Record, jobs: Sequence[Job], asked: argparse.Namespace, console: Console) -> int:
    """Each network by a process of its own, with a log beside its run; those that fail do not stop the others."""
    waiting, running, worst = list(jobs), dict[Job, tuple[subprocess.Popen[bytes], float]](), 0
    try:
        while waiting or running:
            while waiting and len(running) < asked.processes:
                job = waiting.pop(0)
                running[job] = (_start(record, job, asked), time.monotonic())
            for job, (process, began) in list(running.items()):
                if process.poll() is not None:
                    del running[job]
                    worst = max(worst, abs(process.returncode))
                    said = f"failed, see {_log(record, job)}" if process.returncode else "done"
                    seconds, (data, network, seed) = time.monotonic() - began, job
                    console.print(f"{data} {network} seed {seed}: {said}, {seconds:.0f} s", highlight=False)
            time.sleep(0.2)
    finally:
        for process, _ in running.values():
            process.terminate()
    return worst


def _start(record: Record, job: Job, asked: argparse.Namespace) -> subprocess.Popen[bytes]:
    """This very command for one network and seed, with its share of the processor's cores."""
    data, network, seed = job
    command = [sys.executable, sys.argv[0], "--data", data, "--networks", network, "--seed", str(seed)]
    command += ["--json", str(asked.json), *(["--root", asked.root] if asked.root else [])]
    threads = {"OMP_NUM_THREADS": str(max((os.cpu_count() or 1) // asked.processes, 1))}
    _log(record, job).parent.mkdir(parents=True, exist_ok=True)
    with _log(record, job).open("ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, env=threads | os.environ)


def _log(record: Record, job: Job) -> Path:
    run = record.run(*job).path
    return run.with_name(f"{run.name}.log")


def _arguments(record: Record, description: str | None) -> argparse.Namespace:
    """The command line of a table: which part of the work this call does."""
    networks = list(dict.fromkeys(name for names in record.networks.values() for name in names))
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", default=list(record.networks), choices=list(record.networks))
    parser.add_argument("--networks", nargs="+", default=networks, choices=networks)
    parser.add_argument("--seeds", type=int, default=3, help="how many, from 0 on")
    parser.add_argument("--seed", type=int, help="this one alone")
    parser.add_argument("--processes", type=int, default=1, help="networks trained side by side, for a GPU")
    parser.add_argument("--root", help="folder of the data files; else the environment variable EQAE_DATA")
    parser.add_argument("--json", type=Path, default=record.path, help="where figures are kept")
    parser.add_argument("--print", action="store_true", help="print what is there and train nothing")
    asked = parser.parse_args()
    if not any(set(record.networks[data]) & set(asked.networks) for data in asked.data):
        parser.error(f"none of these networks is trained on {', '.join(asked.data)}")
    return asked
