"""Print a run's results.json as the README's Markdown table.

uv run python benchmarks/readme_table.py checkpoints/eqae_p4m/results.json
"""

from __future__ import annotations

import sys
from pathlib import Path

from eqae.evaluation.results import Results, Row

COLUMNS = [
    ("linear probe", "linear_probe_accuracy", ""),
    ("10 labels", "linear_probe_accuracy_10", ""),
    ("MLP", "mlp_probe_accuracy", ""),
    ("kNN", "knn_accuracy", ""),
    ("k-means ACC", "kmeans_acc", ""),
    ("GMM ACC", "gmm_acc", ""),
    ("error D4", "relative_invariance_error", "D4"),
    ("error any angle", "relative_invariance_error", "any-angle"),
]


def cell(row: Row | None) -> str:
    if row is None:
        return "–"
    if row.metric == "relative_invariance_error":
        return f"{row.value:.0e}" if row.value < 1e-3 else f"{row.value:.2f}"
    return f"{row.value:.3f}"


def main() -> None:
    rows = Results.from_json(Path(sys.argv[1])).rows
    index = {(row.model, row.metric, row.condition): row for row in rows}
    print("| model | " + " | ".join(title for title, _, _ in COLUMNS) + " |")
    print("|---" * (len(COLUMNS) + 1) + "|")
    for model in dict.fromkeys(row.model for row in rows if not row.model.endswith("(untrained)")):
        print(f"| `{model}` | " + " | ".join(cell(index.get((model, *key))) for _, *key in COLUMNS) + " |")


if __name__ == "__main__":
    main()
