"""The formats of exported files; nothing heavy is imported here."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec

from eqae.errors import ConfigError, suggest


@dataclass(frozen=True)
class Format:
    """A format by what a user sees of it.

    Attributes:
        name: the word behind ``--to``.
        suffix: of the file.
        packages: what writing and checking it needs besides this package's own dependencies.
    """

    name: str
    suffix: str
    packages: tuple[str, ...] = ()

    def check_packages(self) -> None:
        """Refuse a format whose packages are not installed.

        Raises:
            ConfigError: with the command that installs them.
        """
        missing = [package for package in self.packages if find_spec(package) is None]
        if missing:
            raise ConfigError(
                f"--to {self.name}", f"not installed: {', '.join(missing)}", "the packages that write and check it",
                f"pip install {' '.join(missing)}",
            )  # fmt: skip


FORMATS = {
    "torch": Format("torch", ".pt2"),
    "onnx": Format("onnx", ".onnx", ("onnx", "onnxscript", "onnxruntime")),
    "safetensors": Format("safetensors", ".safetensors"),
}


def get_format(name: str) -> Format:
    """The format called ``name``.

    Raises:
        ConfigError: no such format, with the nearest one.
    """
    if name not in FORMATS:
        raise ConfigError("--to", f"unknown format {name!r}", ", ".join(FORMATS), suggest(name, FORMATS))
    return FORMATS[name]
