"""Print a results.json as the README's Markdown tables: accuracies, and with ``--studies`` a figure of each study.

uv run python benchmarks/readme_table.py checkpoints/eqae_p4m/results.json
"""

from __future__ import annotations

import sys
from pathlib import Path

from eqae.evaluation.results import Results
from eqae.evaluation.row import Row

Columns = list[tuple[str, str, str]]

ACCURACIES: Columns = [
    ("linear probe", "linear_probe_accuracy", ""),
    ("10 labels", "linear_probe_accuracy_10", ""),
    ("kNN", "knn_accuracy", ""),
    ("k-means ACC", "kmeans_acc", ""),
    ("GMM ACC", "gmm_acc", ""),
    ("error D4", "relative_invariance_error", "D4"),
    ("error any angle", "relative_invariance_error", "any-angle"),
]
STUDIES: Columns = [
    ("orbit recall@1, any angle", "orbit_recall_at_1", "any-angle"),
    ("ICC, any angle", "icc_agreement", "any-angle"),
    ("cosine 1 px apart", "shift_local_cosine", "1 px"),
    ("shift ratio", "shift_invariance_ratio", ""),
    ("same decision at any shift", "shift_prediction_consistency", "any shift"),
    ("recall, positions matched", "semantic_retrieval_recall_at_1", "stage 3"),
    ("recall, place by place", "spatial_retrieval_recall_at_1", "stage 3"),
    ("mistakes found by boundary distance, AUC", "boundary_auc", ""),
    ("hull distance / Gaussian, 32-d", "hull_control_ratio", "32-d"),
    ("novelty AUROC", "novelty_auroc", ""),
]


def cell(row: Row | None) -> str:
    if row is None or row.note:
        return "–"
    if row.metric == "relative_invariance_error":
        return f"{row.value:.0e}" if row.value < 1e-3 else f"{row.value:.2f}"
    return f"{row.value:.3f}"


def main() -> None:
    columns = STUDIES if "--studies" in sys.argv[2:] else ACCURACIES
    rows = Results.from_json(Path(sys.argv[1])).rows
    index = {(row.model, row.metric, row.condition): row for row in rows}
    print("| model | " + " | ".join(title for title, _, _ in columns) + " |")
    print("|---" * (len(columns) + 1) + "|")
    for model in dict.fromkeys(row.model for row in rows if not row.model.endswith("(untrained)")):
        print(f"| `{model}` | " + " | ".join(cell(index.get((model, *key))) for _, *key in columns) + " |")


if __name__ == "__main__":
    main()
