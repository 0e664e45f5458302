"""Reading a user's weights: safetensors, or the tensors (and nothing else) of a torch file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from eqae.errors import ConfigError

SUFFIXES = (".safetensors", ".pth", ".pt")


def check_suffix(path: str, where: str) -> None:
    """Refuse a file whose format its name does not tell.

    Raises:
        ConfigError: the name ends in none of :data:`SUFFIXES`; ``where`` is the setting that holds it.
    """
    if Path(path).suffix not in SUFFIXES:
        raise ConfigError(where, f"found {path!r}", f"a file of weights: {', '.join(SUFFIXES)}")


def read_state_dict(path: str, where: str) -> dict[str, Tensor]:
    """The tensors of a file by name, on the CPU; nothing in the file is executed.

    Raises:
        ConfigError: no such file, not readable as what its name says, or not a table of finite tensors; ``where`` is
            the setting that holds the path.
    """
    check_suffix(path, where)
    file = Path(path).expanduser()
    if not file.is_file():
        raise ConfigError(where, f"no file {path!r}", "a file of weights", "weights are never downloaded: get it first")
    try:
        if file.suffix == ".safetensors":
            content = safetensors.torch.load_file(file)
        else:
            content = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever either parser throws at a damaged or unsafe file
        reason = f"{type(error).__name__}: {str(error)[:100]}"
        raise ConfigError(where, f"{path!r} cannot be read ({reason})", "a state dict, saved by its tensors") from None
    if not isinstance(content, Mapping):
        raise ConfigError(where, f"{path!r} holds a {type(content).__name__}", "a state dict")
    return {str(name): _checked(tensor, f"{where}: {path!r}, {str(name)!r}") for name, tensor in content.items()}


def _checked(value: object, where: str) -> Tensor:
    if not isinstance(value, Tensor):
        raise ConfigError(where, f"found a {type(value).__name__}", "a tensor", "save the state dict alone")
    if not torch.isfinite(value).all():
        raise ConfigError(where, "NaN or infinity", "finite weights")
    return value
