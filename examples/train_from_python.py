"""Train a small network from Python and compare heads on it: seconds, no files to fetch, nothing left behind.

uv run examples/train_from_python.py
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import eqae
from eqae.commands.train import train
from eqae.evaluation.results import Results

CONFIG = Path(__file__).parents[1] / "configs" / "eqae_p4m.yaml"
CHANGES = [
    "name=small", "data.size=14", "model.fields=[4, 8]", "model.code=12", "training.epochs=3",
    "heads=[correlation]",  # judged on the same network: heads need no training
    "baselines={}", "evaluators={invariance: {}, classification: {labels_per_class: [10]}}",
    "evaluation.orbit_images=32", "evaluation.conditions=[D4]", "evaluation.cache=null", "tracking.wandb=disabled",
]  # fmt: skip
"""What differs from the shipped config, as on the command line."""


def main() -> None:
    """Train, read the table of results, and load the run again."""
    with TemporaryDirectory() as folder:
        train(CONFIG, [*CHANGES, f"output={folder}"])
        results = Results.from_json(Path(folder, "small", "results.json"))
        extractor = eqae.load_extractor(Path(folder, "small"), head="bispectrum")
        print(f"loaded: {extractor.group.name}, {extractor.width} features of the head 'bispectrum'")

    figures = {(row.model, row.metric, row.condition): row.value for row in results.rows}
    models = [row.model for row in results.rows if row.metric == "knn_accuracy"]
    print(f"{'model':30} {'probe':>6} {'10 labels':>10} {'error D4':>9}")
    for model in models:
        probe, few = figures[model, "linear_probe_accuracy", ""], figures[model, "linear_probe_accuracy_10", ""]
        error = figures[model, "relative_invariance_error", "D4"]
        print(f"{model:30} {probe:6.3f} {few:10.3f} {error:9.0e}")
        assert error < 1e-4  # exact: what is left is rounding
    assert len(models) == 2


if __name__ == "__main__":
    main()
