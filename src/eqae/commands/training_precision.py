"""What ``training.precision: auto`` is on this machine."""

from __future__ import annotations

import torch
from rich.console import Console

from eqae.config import Config, parse_config
from eqae.precision import is_faster_in_bfloat16
from eqae.runs import RunDirectory
from eqae.yaml_file import read_yaml


def with_precision(config: Config, begun: RunDirectory | None, console: Console) -> Config:
    """The config with ``precision: auto`` replaced: by that of the run that was begun, or by what is fast here."""
    precision = config.training.precision
    if precision == "auto" and begun is not None:
        precision = parse_config(read_yaml(begun.config), str(begun.config)).training.precision
    if precision in ("auto", "bf16-mixed") and not (begun is not None and begun.manifest.is_file()):
        faster = is_faster_in_bfloat16(_device(config.training.accelerator))
        if precision == "auto":
            precision = "bf16-mixed" if faster else "32-true"
        elif not faster:
            console.print("bf16-mixed: slower here than 32-true, or no faster; auto would choose", style="yellow")
    return config.model_copy(update={"training": config.training.model_copy(update={"precision": precision})})


def _device(accelerator: str) -> torch.device:
    """What Lightning will train on."""
    found = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    return found if found is not None and accelerator != "cpu" else torch.device("cpu")
