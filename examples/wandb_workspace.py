"""Save a W&B workspace that compares the models of one run: curves, judged figures, reconstructions, tables.

    uv run --with wandb-workspaces examples/wandb_workspace.py ENTITY PROJECT RUN

``RUN`` is the name of a run, which is the W&B group of the model and its baselines. The workspace then stands among the
saved views of the project, for everyone who can see it. docs/wandb.md says how to make the same by hand.
"""

from __future__ import annotations

import sys

CURVES = ("validation/loss", "train/loss", "equivariance_error")
"""Against the epoch; a model without a group has no equivariance error."""
FIGURES = (
    "classification/linear_probe_accuracy",
    "classification/linear_probe_accuracy_10",
    "classification/knn_accuracy",
    "clustering/kmeans_acc",
    "invariance/relative_invariance_error/D4",
    "invariance/relative_invariance_error/any-angle",
)
"""One number a model, as ``evaluator/metric/condition``."""


def main(entity: str, project: str, run: str) -> None:
    """Build the workspace and save it on the server."""
    import wandb_workspaces.reports.v2 as panels
    import wandb_workspaces.workspaces as ws

    workspace = ws.Workspace(
        entity=entity,
        project=project,
        name=f"{run}: models compared",
        sections=[
            ws.Section("Training", [panels.LinePlot(x="epoch", y=[name]) for name in CURVES], is_open=True),
            ws.Section("Judged", [panels.BarPlot(metrics=[name]) for name in FIGURES], is_open=True),
            ws.Section("Reconstructions", [panels.MediaBrowser(media_keys=["reconstructions"])], is_open=True),
            ws.Section("Tables", [panels.WeavePanelSummaryTable(table_name="results")]),
        ],
        runset_settings=ws.RunsetSettings(filters=[ws.Metric("Group") == run]),
    )
    workspace.save()
    print(workspace.url)


if __name__ == "__main__":
    main(*sys.argv[1:])
