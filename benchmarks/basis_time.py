"""How long the kernel basis of a group takes: with every cache cold, and from the user's cache.

    uv run python benchmarks/basis_time.py --group D12 --kernel 5

Each figure is the median of fresh processes, import of torch excluded, import of escnn included. escnn keeps a cache of
its own inside its installed package; a copy of the package without it stands in for a machine that never ran it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

SCRIPT = """
import time, torch
from eqae.groups import get_group
from eqae.nn.basis import moved_basis
began = time.perf_counter()
basis = moved_basis(get_group({group!r}), {kernel})
print(time.perf_counter() - began, basis.numel() * 4)
"""


def seconds(group: str, kernel: int, cache: Path, escnn: Path | None) -> tuple[float, int]:
    """Seconds and bytes of one fresh process; ``escnn`` is a folder that shadows the installed package."""
    paths = [str(escnn)] if escnn else []
    environment = os.environ | {"XDG_CACHE_HOME": str(cache), "PYTHONPATH": os.pathsep.join(paths)}
    printed = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(group=group, kernel=kernel)],
        env=environment, check=True, capture_output=True, text=True,
    ).stdout.split()  # fmt: skip
    return float(printed[-2]), int(printed[-1])


def main() -> None:
    """Measure, print, and write JSON where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--group", default="D12")
    parser.add_argument("--kernel", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the figures there")
    asked = parser.parse_args()
    spec = find_spec("escnn")
    if spec is None or spec.origin is None:
        raise SystemExit("escnn is not installed")
    cold, warm, size = [], [], 0
    for _ in range(asked.repeats):
        with tempfile.TemporaryDirectory() as folder:
            fresh, cache = Path(folder) / "fresh", Path(folder) / "cache"
            shutil.copytree(Path(spec.origin).parent, fresh / "escnn", ignore=shutil.ignore_patterns("_cache"))
            cold.append(seconds(asked.group, asked.kernel, cache, fresh)[0])
            taken, size = seconds(asked.group, asked.kernel, cache, None)
            warm.append(taken)
    figures = {
        "group": asked.group, "kernel": asked.kernel, "bytes": size, "cold_seconds": round(statistics.median(cold), 2),
        "cached_seconds": round(statistics.median(warm), 4), "repeats": asked.repeats,
        "machine": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
    }  # fmt: skip
    print(json.dumps(figures, indent=1))
    if asked.json:
        asked.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
