"""Time of one training step of the p4m autoencoder beside the same network of plain and of escnn layers.

    uv run python benchmarks/step_time.py

Three networks of the same channels, kernels, strides and maps, in one process:

* ``eqae``: the package's own layers, the registered ``eqae`` model;
* ``plain``: ``nn.Conv2d``, ``nn.BatchNorm2d`` and ``nn.ConvTranspose2d`` of the same shapes, with no symmetry;
* ``escnn``: ``R2Conv``, ``InnerBatchNorm`` and ``R2ConvTransposed``. It differs from ours in its band-limited basis
  (fewer weights: 48 of 72 a pair of fields at kernel 3, 40 of 128 at kernel 4) and in nothing else. Compiled, its
  norms break the graph and its layers exhaust torch's recompilation limit, so part of it runs as without.

A step is zero_grad, forward, mean squared error, backward and AdamW. The networks take turns within every round, so
that a busy machine slows all of them alike; the ratio is the median over rounds of the two times of one round.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor, nn

from eqae.models import build_model
from eqae.nn import SizePlan, Window, plan_sizes
from eqae.nn.escnn import import_escnn

ORDER = 8  # |D4|
SIDE = 28
FIELDS = (12, 16, 24)
CODE = 32
SAME = Window(3, 1, 1)
WARM_UP = 3

Step = Callable[[], None]


class EqaeNetwork(nn.Module):
    """Images to reconstructions, as the others give them."""

    def __init__(self) -> None:
        super().__init__()
        options = {"group": "D4", "fields": list(FIELDS), "code": CODE}
        self.model = build_model("eqae", (1, SIDE, SIDE), options)

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 1, H, W)`` to the same shape."""
        reconstructed: Tensor = self.model(images).images
        return reconstructed


def plain_network() -> nn.Module:
    plan = plan_sizes((1, SIDE, SIDE), len(FIELDS))
    widths = [ORDER * fields for fields in FIELDS]

    def activated(convolution: nn.Module, width: int) -> list[nn.Module]:
        return [convolution, nn.BatchNorm2d(width), nn.ReLU()]

    def conv(ins: int, outs: int, window: Window, bias: bool = False) -> nn.Conv2d:
        return nn.Conv2d(ins, outs, window.kernel, window.stride, window.padding, bias=bias)

    def up(ins: int, outs: int, window: Window, bias: bool = False) -> nn.ConvTranspose2d:
        return nn.ConvTranspose2d(ins, outs, window.kernel, window.stride, window.padding, bias=bias)

    layers: list[nn.Module] = []
    for before, width, window in zip([1, *widths], widths, plan.windows, strict=False):
        layers += activated(conv(before, width, window), width) + activated(conv(width, width, SAME), width)
    layers += activated(conv(widths[-1], ORDER * CODE, plan.collapse), ORDER * CODE)
    layers += activated(up(ORDER * CODE, widths[-1], plan.collapse), widths[-1])
    for stage in (2, 1):
        before, width = widths[stage], widths[stage - 1]
        layers += activated(conv(before, before, SAME), before) + activated(
            up(before, width, plan.windows[stage]), width
        )
    layers += activated(conv(widths[0], widths[0], SAME), widths[0])
    return nn.Sequential(*layers, up(widths[0], 1, plan.windows[0], bias=True))


class EscnnNetwork(nn.Module):
    """The same chain of escnn modules, with the wrapping its tensors need."""

    def __init__(self, plan: SizePlan) -> None:
        super().__init__()
        escnn = import_escnn()
        self.enn: Any = escnn.nn
        space = escnn.gspaces.flipRot2dOnR2(4)
        self.image = self.enn.FieldType(space, [space.trivial_repr])
        self.types = [self.enn.FieldType(space, [space.regular_repr] * fields) for fields in (*FIELDS, CODE)]
        self.layers = nn.ModuleList(self._layers(plan))

    def _layers(self, plan: SizePlan) -> list[nn.Module]:
        *widths, code = self.types
        layers: list[nn.Module] = []
        for before, width, window in zip([self.image, *widths], widths, plan.windows, strict=False):
            layers += self._activated("R2Conv", before, width, window)
            layers += self._activated("R2Conv", width, width, SAME)
        layers += self._activated("R2Conv", widths[-1], code, plan.collapse)
        layers += self._activated("R2ConvTransposed", code, widths[-1], plan.collapse)
        for stage in (2, 1):
            layers += self._activated("R2Conv", widths[stage], widths[stage], SAME)
            layers += self._activated("R2ConvTransposed", widths[stage], widths[stage - 1], plan.windows[stage])
        layers += self._activated("R2Conv", widths[0], widths[0], SAME)
        return [*layers, self._layer("R2ConvTransposed", widths[0], self.image, plan.windows[0], bias=True)]

    def _layer(self, kind: str, before: Any, after: Any, window: Window, bias: bool = False) -> nn.Module:
        # escnn's He initialiser is a loop over all weights; random numbers of the right size serve here.
        layer: nn.Module = getattr(self.enn, kind)(
            before, after, window.kernel, stride=window.stride, padding=window.padding, bias=bias, initialize=False
        )
        nn.init.normal_(layer.get_parameter("weights"), std=0.05)
        return layer

    def _activated(self, kind: str, before: Any, after: Any, window: Window) -> list[nn.Module]:
        return [self._layer(kind, before, after, window), self.enn.InnerBatchNorm(after), self.enn.ReLU(after)]

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 1, H, W)`` to the same shape."""
        fields = self.enn.GeometricTensor(images, self.image)
        for layer in self.layers:
            fields = layer(fields)
        reconstructed: Tensor = fields.tensor
        return reconstructed


@dataclass(frozen=True)
class Timing:
    """One network's figures: seconds a step, and the ratio of our step to its step, round by round."""

    network: str
    compiled: bool
    parameters: int
    median: float | None
    fastest: float | None
    eqae_ratio: float | None
    remark: str = ""


def training_step(network: nn.Module, images: Tensor, compiled: bool) -> Step:
    forward = torch.compile(network) if compiled else network
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        nn.functional.mse_loss(forward(images), images).backward()
        optimizer.step()
        if images.is_cuda:
            torch.cuda.synchronize()

    return step


def interleaved(steps: dict[str, Step], rounds: int, label: str) -> dict[str, list[float]]:
    """Seconds of every round; the order turns by one each round, so that nobody always follows the same network."""
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    names = list(steps)
    for number in track(range(rounds), label):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            start = time.perf_counter()
            steps[name]()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def measure(networks: dict[str, nn.Module], images: Tensor, rounds: int, compiled: bool) -> list[Timing]:
    steps: dict[str, Step] = {}
    remarks: dict[str, str] = {}
    for name, network in networks.items():
        step = training_step(network, images, compiled)
        try:
            for _ in range(WARM_UP):
                step()
        except Exception as error:  # a network of another library that cannot be compiled is a result, not a defect
            if name == "eqae":
                raise
            remarks[name] = f"{type(error).__name__} while compiling"
        else:
            steps[name] = step
    seconds = interleaved(steps, rounds, "compiled" if compiled else "eager")
    return [_timing(name, network, seconds, compiled, remarks.get(name, "")) for name, network in networks.items()]


def _timing(name: str, network: nn.Module, seconds: dict[str, list[float]], compiled: bool, remark: str) -> Timing:
    parameters = sum(parameter.numel() for parameter in network.parameters())
    own = seconds.get(name)
    if own is None:
        return Timing(name, compiled, parameters, None, None, None, remark)
    ratio = statistics.median(ours / theirs for ours, theirs in zip(seconds["eqae"], own, strict=True))
    return Timing(name, compiled, parameters, statistics.median(own), min(own), ratio, remark)


def table_of(timings: Sequence[Timing], batch: int, rounds: int) -> Table:
    table = Table(title=f"One training step, batch {batch}, {SIDE}x{SIDE}, {rounds} interleaved rounds")
    for column in ("network", "torch.compile", "parameters", "median ms", "fastest ms", "eqae / network"):
        table.add_column(column, justify="left" if column == "network" else "right")
    for t in timings:
        figures = [f"{1e3 * s:.1f}" if s is not None else "-" for s in (t.median, t.fastest)]
        ratio = t.remark or (f"{t.eqae_ratio:.2f}" if t.eqae_ratio is not None else "-")
        table.add_row(t.network, "yes" if t.compiled else "no", f"{t.parameters:,}", *figures, ratio)
    return table


def machine(threads: int, device: str) -> dict[str, Any]:
    from importlib.metadata import version

    processor = torch.cuda.get_device_name() if device == "cuda" else _processor()
    versions = {name: version(name) for name in ("torch", "escnn", "numpy")}
    return {"processor": processor, "threads": threads, "python": platform.python_version(), **versions}


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    names = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    return next((line.split(":", 1)[1].strip() for line in names if line.startswith("model name")), platform.machine())


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Time of a training step: our p4m layers, plain layers, escnn's.")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--no-compile", action="store_true", help="eager mode only")
    parser.add_argument("--json", type=Path, help="write machine, versions and figures to this file")
    return parser.parse_args()


def main() -> None:
    options = parse()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    images = torch.rand(options.batch, 1, SIDE, SIDE, device=options.device)
    plan = plan_sizes((1, SIDE, SIDE), len(FIELDS))
    networks = {"eqae": EqaeNetwork(), "plain": plain_network(), "escnn": EscnnNetwork(plan)}
    networks = {name: network.to(options.device) for name, network in networks.items()}
    timings = [
        timing
        for compiled in ((False,) if options.no_compile else (False, True))
        for timing in measure(networks, images, options.rounds, compiled)
    ]
    Console().print(table_of(timings, options.batch, options.rounds))
    if options.json:
        figures = {"batch": options.batch, "rounds": options.rounds, "timings": [asdict(t) for t in timings]}
        options.json.write_text(json.dumps({"machine": machine(options.threads, options.device), **figures}, indent=2))


if __name__ == "__main__":
    main()
