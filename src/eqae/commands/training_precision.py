"""What ``training.precision: auto`` is on this machine."""

from __future__ import annotations

import torch
from rich.console import Console

from eqae.config import Config, parse_config
from eqae.precision import computes_in_bfloat16
from eqae.runs import RunDirectory
from eqae.yaml_file import read_yaml


def with_precision(config: Config, begun: RunDirectory | None, console: Console) -> Config:
    """The config with ``precision: auto`` replaced: by that of the run that is resumed, or by what is fast here."""
    training = config.training
    precision = training.precision
    native = computes_in_bfloat16(_device(training.accelerator))
    if precision == "auto" and begun is not None:
        precision = parse_config(read_yaml(begun.config), str(begun.config)).training.precision
    if precision == "auto":
        precision = "bf16-mixed" if native else "32-true"
    trained = begun is not None and begun.manifest.is_file()
    if precision == "bf16-mixed" and native is False and not trained:
        console.print("bf16-mixed: emulated here, many times slower than 32-true, or auto in a new run", style="yellow")
    return config.model_copy(update={"training": training.model_copy(update={"precision": precision})})


def _device(accelerator: str) -> torch.device:
    """What Lightning will train on."""
    found = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    return found if found is not None and accelerator != "cpu" else torch.device("cpu")
