"""``evaluate.py``: judge any number of trained or training-free models in one table."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from rich.console import Console

from eqae.commands.resolving import ORBIT_MEAN, read_config
from eqae.commands.shell import guarded, key_help
from eqae.config import Config, check_names, parse_config
from eqae.errors import ConfigError
from eqae.runs import RunDirectory
from eqae.yaml_file import apply_overrides, read_yaml

MODELS_HELP = f"""models:
  PATH              a run directory, judged by the head it was trained with
  PATH:HEAD         the same with another head, without options, e.g. checkpoints/eqae_p4m:correlation;
                    the name of the head it was trained with stands for that head, options and all
  {ORBIT_MEAN}PATH   the run's model averaged over the eight poses of D4
  NAME              a model that needs no training: zernike, pca, backbone (a torchvision network, random weights)

The images are those of --config, else those the first run directory was trained on, else the embedded digits.

"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and judge; returns the exit code."""
    wants_help = bool({"-h", "--help"} & set(sys.argv[1:] if arguments is None else arguments))
    parser = ArgumentParser(
        "evaluate.py",
        usage="evaluate.py MODEL... [--config FILE] [--out DIR] [key.sub=value ...]",
        description="Judge any number of models by one evaluation loop, in one table and one page.",
        epilog=MODELS_HELP + key_help() if wants_help else None,
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("models", nargs="+", metavar="MODEL", help="run directories or names, see below")
    parser.add_argument("--config", type=Path, metavar="FILE", help="data, heads, evaluators and evaluation sections")
    parser.add_argument("--out", type=Path, metavar="DIR", help="default: evaluations/<date and time>")
    known = parser.parse_intermixed_args(arguments)
    models = [argument for argument in known.models if "=" not in argument]
    overrides = [argument for argument in known.models if "=" in argument]
    return guarded(lambda: evaluate(models, known.config, known.out, overrides))


def evaluate(
    models: Sequence[str],
    config_path: Path | None = None,
    out: Path | None = None,
    overrides: Sequence[str] = (),
    *,
    console: Console | None = None,
) -> None:
    """Judge ``models`` and write ``results.json``, ``results.csv`` and ``report.html`` into ``out``.

    Raises:
        EqaeError: a model that is not there or cannot be trusted, or a mistake in config or data.
    """
    if not models:
        raise ConfigError("MODEL", "no model given", "at least one run directory or name", "see evaluate.py --help")
    console = console or Console(soft_wrap=True)
    out = out or Path("evaluations") / datetime.now().strftime("%Y-%m-%d-%H%M%S")
    directory = RunDirectory(out)
    if not directory.is_interrupted_evaluation:
        directory.check_free()
    config = _config(models, config_path, overrides)
    from eqae.commands.checking import check_evaluators
    from eqae.commands.contenders import gather  # torch is imported only for a command line that stands
    from eqae.commands.images import read_images
    from eqae.commands.judging import exit_on_failures, judge_and_report

    check_evaluators(config)
    contenders_of = gather(models, config)
    dataset = read_images(config.data)
    contenders = contenders_of(dataset)
    what = f"{len(contenders)} model{'s' if len(contenders) > 1 else ''}"
    console.print(f"[bold]{what}[/bold] on {dataset.name} → {out}", highlight=False)
    facts = {"seed": str(config.seed)}
    results = judge_and_report(contenders, dataset, config, directory, console, f"{what} on {dataset.name}", facts)
    exit_on_failures(results, console)


def _config(models: Sequence[str], path: Path | None, overrides: Sequence[str]) -> Config:
    """The config that says what to judge on: the given one, else that of the first run directory, else defaults."""
    if path is not None:
        return read_config(path, overrides)
    runs = (RunDirectory(Path(model.removeprefix(ORBIT_MEAN).split(":")[0])) for model in models)
    source = next((run.config for run in runs if run.config.is_file()), None)
    raw = {} if source is None else read_yaml(source)
    raw.pop("plugins", None)  # code is imported only for a config the user names
    config = parse_config(apply_overrides(raw, overrides), str(source or "command line"))
    check_names(config)
    return config
