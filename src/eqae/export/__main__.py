"""``python -m eqae.export``: a run's features as one file."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from eqae.commands.shell import guarded
from eqae.export.formats import FORMATS, get_format
from eqae.export.target import target

FILES = """\
The file takes pixels as they are stored, uint8 (N, C, H, W), and gives features (N, D) float32.

  torch        .pt2          torch.export.load(FILE).module()(images)
  onnx         .onnx         onnxruntime and other runtimes; needs onnx, onnxscript, onnxruntime
  safetensors  .safetensors  folded weights, and the steps that use them, for other implementations

It is compared with the model on random images and, where the data is at hand, on test images before it is kept.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and export; returns the exit code."""
    parser = ArgumentParser(
        "python -m eqae.export",
        usage="python -m eqae.export RUN --to FORMAT [--head NAME] [--out FILE]",
        description="Write the features of a run as one file that needs neither eqae nor escnn.",
        epilog=FILES,
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="a run directory")
    parser.add_argument("--to", required=True, metavar="FORMAT", help=", ".join(FORMATS))
    parser.add_argument("--head", metavar="NAME", help="another head than the run's own")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="default: RUN/export/features with the format's suffix"
    )
    known = parser.parse_args(arguments)
    return guarded(lambda: export(known.run, known.to, known.head, known.out))


def export(run: Path, to: str, head: str | None, out: Path | None) -> None:
    """See :func:`eqae.export.exporting.export_features`.

    Raises:
        EqaeError: as that function.
    """
    path = target(run, get_format(to), head, out)
    Console(soft_wrap=True).print(f"{run} → {path}", highlight=False, markup=False)
    from eqae.export.exporting import export_features  # torch is imported only for a command line that stands

    export_features(run, to, head=head, out=out)


if __name__ == "__main__":
    sys.exit(main())
