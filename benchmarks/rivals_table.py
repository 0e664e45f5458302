"""Ours and their rivals, judged by one loop on six datasets: trains what is missing, prints, writes JSON.

    uv run benchmarks/rivals_table.py --seeds 3 --root PATH

Each network is a file of ``configs/rivals``, trained by
``train.py`` into ``checkpoints/rivals/DATA/NETWORK-sSEED``, a run like any other. What the JSON holds is not trained
again; ``--data``, ``--networks`` and ``--seeds`` choose a part of the work, and several calls may share it.

"In the manner of": GIAE, QAE and O2-VAE are our versions of other people's objectives, on our encoders and data.

Labels: the networks saw none but the supervised ones, for reference. LR, MLP, kNN and the lines with few labels
are probes, which do see labels; clusters are found without and only compared with them. Their number is that of the
classes, for k-means, mixture and spectral clusters as for the objective ``neighbours``.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from recorded_runs import Entry, Record, entries_of, make_table, mean_and_spread, minutes_of

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results" / "rivals_table.json"
NETWORKS = (
    "clusters", "contrast", "cnn", "cnn_contrast", "giae_style", "qae_style", "o2vae_style", "supervised",
)  # fmt: skip
VARIANTS = {
    "contrast_d12": ("clusters", ("model.fields=[8,12]", "objective={contrastive: {temperature: 0.2}}")),
    "giae_d12": ("giae_style", ("model.group=D12", "model.fields=[4,6]")),
    "o2vae_d12": ("o2vae_style", ("model.group=D12", "model.fields=[4,6]")),
    "supervised_turned": ("supervised", ("augmentation={orientation: so2}",)),
    "supervised_unshifted": ("supervised", ("augmentation.shift=0",)),
    "supervised_d4": ("supervised", ("model.group=D4",)),
    "supervised_c16": ("supervised", ("model.group=C16", "model.fields=[6,10]")),
    "supervised_d8": ("supervised", ("model.group=D8", "model.fields=[6,10]")),
    "supervised_wide": ("supervised", ("model.group=C16", "model.fields=[12,20,28]")),
    "supervised_c16_turned": (
        "supervised",
        ("model.group=C16", "model.fields=[6,10]", "augmentation={orientation: so2}"),
    ),
}
"""Networks that change a few keys of another's file: wider, without the objective ``neighbours``, with the encoder of
``clusters``, of other groups, turned alone."""
DATA = {
    "o2-mnist-12k": ("data={name: o2-mnist-12k}",),
    "so2-mnist-12k": ("data={name: so2-mnist-12k}", "augmentation.orientation=so2"),
    "o2-mnist-centred-12k": ("data={name: o2-mnist-centred-12k}",),
    "o2-fashion-12k": ("data={name: o2-fashion-12k}",),
    "plankton": ("data={name: plankton, size: 32}",),
    "bccd": ("data={name: npz, path: bccd_cells/bccd40.npz}",),
}
"""What makes a dataset of each name; everything else is as in the networks' files."""
TRAINED_ON = dict.fromkeys(VARIANTS, ("so2-mnist-12k",)) | {
    "contrast_d12": ("o2-mnist-12k", "plankton", "bccd"),
    "giae_d12": ("o2-mnist-12k", "so2-mnist-12k"),
    "o2vae_d12": ("o2-mnist-12k", "so2-mnist-12k"),
}
"""The datasets of the variants; of all others, every one."""
LONGER = {"contrast_d12": 24, "supervised_wide": 60, "supervised_c16_turned": 60}
"""Epochs of what is trained for longer than its file says."""
SHARE = {"plankton": 0.5, "bccd": 4.0}
"""Of these epochs, by the number of images: 12,000 on the digits, 24,000 and 2,000 here."""
CLASSES = {"plankton": 121, "bccd": 3}
"""Of data that have not ten of a size."""
TURNS_ALONE = {
    "clusters": ("model.group=C12", "model.fields=[8,12]"),
    "contrast": ("model.group=C4", "model.fields=[16,32,48]"),
    "giae_style": ("model.group=C4", "model.fields=[24,32,48]"),
    "o2vae_style": ("model.group=C4", "model.fields=[24,32,48]", "objective.variational.over=C12"),
    "qae_style": ("objective.aligned_reconstruction.over=C12",),
    "giae_d12": ("model.group=C12", "model.fields=[8,12]"),
    "o2vae_d12": ("model.group=C12", "model.fields=[8,12]", "objective.variational.over=C12"),
}
"""For digits that are turned but not mirrored: a mirrored digit is none. As many channels as with mirrors."""
METHODS = ("kmeans", "gmm", "spectral")
FIGURES = (
    ("linear_probe_accuracy", ""), ("linear_probe_balanced_accuracy", ""), ("mlp_probe_accuracy", ""),
    ("knn_accuracy", ""), ("linear_probe_accuracy_1", ""), ("linear_probe_accuracy_10", ""),
    ("linear_probe_accuracy_100", ""), ("classifier_accuracy", ""),
    *((f"{method}_{figure}", "") for method in METHODS for figure in ("acc", "nmi", "ari", "purity")),
    ("orbit_recall_at_1", ""), ("orbit_recall_at_1", "any-angle"),
    *(("relative_invariance_error", condition) for condition in ("D4", "30deg", "any-angle")),
    ("effective_rank", ""), ("kmeans_silhouette", ""), ("cluster_stability", ""), ("neighbour_consistency", ""),
)  # fmt: skip


@dataclass(frozen=True)
class Line:
    """A line of the table: which head, or which baseline (``+label``), of which network."""

    title: str
    network: str
    head: str = ""


LINES = (
    Line("**contrast and neighbours** (ours)", "clusters"),
    Line("**contrast and neighbours, max** (ours)", "clusters", "max"),
    Line("**contrast and neighbours, Gram** (ours)", "clusters", "gram"),
    Line("contrast and neighbours, Gram, signed roots, unit length (ours)", "clusters", "gram,post=signed_root+l2"),
    Line("contrast, D12, wide (ours)", "contrast_d12"),
    Line("contrast, D12, wide, max (ours)", "contrast_d12", "max"),
    Line("contrast, D12, wide, Gram (ours)", "contrast_d12", "gram"),
    Line("contrast, D4 (ours)", "contrast"),
    Line("contrast, D4, max (ours)", "contrast", "max"),
    Line("contrast, plain CNN", "cnn_contrast"),
    Line("GIAE, in the manner of", "giae_style"),
    Line("GIAE, in the manner of, D12", "giae_d12"),
    Line("QAE, in the manner of", "qae_style"),
    Line("O2-VAE, in the manner of", "o2vae_style"),
    Line("O2-VAE, in the manner of, D12", "o2vae_d12"),
    Line("CNN autoencoder", "cnn", "+cnn"),
    Line("CNN autoencoder, augmented", "cnn"),
    Line("CNN autoencoder, augmented, anti-aliased", "cnn", "+cnn_antialiased"),
    Line("CNN autoencoder, augmented, anti-aliased, averaged over D4", "cnn", "+cnn_orbit_mean"),
    Line("Zernike moments", "cnn", "+zernike"),
    Line("PCA", "cnn", "+pca"),
    Line("ResNet-18, random weights", "cnn", "+backbone"),
    Line("*supervised (all labels)*", "supervised"),
    Line("*supervised, turned and no other shapes*", "supervised_turned"),
    Line("*supervised, the same shapes but no shift*", "supervised_unshifted"),
    Line("*supervised, D4*", "supervised_d4"),
    Line("*supervised, C16*", "supervised_c16"),
    Line("*supervised, D8*", "supervised_d8"),
    Line("*supervised, C16, wide*", "supervised_wide"),
    Line("*supervised, C16, turned and no other shapes*", "supervised_c16_turned"),
)
RECALL = "orbit_recall_at_1 any-angle"
COLUMNS = (
    ("LR", "linear_probe_accuracy", ".3f"),
    ("MLP", "mlp_probe_accuracy", ".3f"),
    ("kNN", "knn_accuracy", ".3f"),
    ("1 label", "linear_probe_accuracy_1", ".3f"),
    ("10 labels", "linear_probe_accuracy_10", ".3f"),
    ("100 labels", "linear_probe_accuracy_100", ".3f"),
    ("k-means ACC", "kmeans_acc", ".3f"),
    ("k-means NMI", "kmeans_nmi", ".3f"),
    ("k-means ARI", "kmeans_ari", ".3f"),
    ("k-means purity", "kmeans_purity", ".3f"),
    ("GMM ACC", "gmm_acc", ".3f"),
    ("GMM NMI", "gmm_nmi", ".3f"),
    ("GMM ARI", "gmm_ari", ".3f"),
    ("GMM purity", "gmm_purity", ".3f"),
    ("spectral ACC", "spectral_acc", ".3f"),
    ("spectral NMI", "spectral_nmi", ".3f"),
    ("spectral ARI", "spectral_ari", ".3f"),
    ("spectral purity", "spectral_purity", ".3f"),
    ("own classifier", "classifier_accuracy", ".4f"),
    ("orbit recall", RECALL, ".3f"),
    ("error D4", "relative_invariance_error D4", ".0e"),
    ("error 30°", "relative_invariance_error 30deg", ".2f"),
    ("error any angle", "relative_invariance_error any-angle", ".2f"),
)
OF_EVERY_LINE = (
    "linear_probe_accuracy", "mlp_probe_accuracy", "knn_accuracy", *(f"{method}_acc" for method in METHODS),
    "relative_invariance_error any-angle", "effective_rank",
)  # fmt: skip
"""A figure of each evaluator: a run that failed in one is not on record."""
WITHOUT_LABELS = (RECALL, "cluster_stability")
"""The same of evaluators that networks trained with labels do without."""
OF_UNEVEN_CLASSES = ("balanced LR", "linear_probe_balanced_accuracy", ".3f")


def overrides(data: str, network: str) -> list[str]:
    """What a network of the table changes for a dataset."""
    asked = list(DATA[data])
    if data in SHARE or network in LONGER:
        asked.append(f"training.epochs={round(SHARE.get(data, 1) * _epochs(network))}")
    if network == "supervised":
        asked += ["model.group=D4", "augmentation.orientation=o2"] if data != "so2-mnist-12k" else []
        asked += [f"model.classes={CLASSES[data]}"] if data in CLASSES else []
    if network in VARIANTS:
        asked += VARIANTS[network][1]
    if data == "so2-mnist-12k":
        asked += TURNS_ALONE.get(network, ())
    if network == "clusters":
        asked += [f"objective.neighbours.clusters={CLASSES[data]}"] if data in CLASSES else []
    return asked


def _epochs(network: str) -> int:
    from eqae.yaml_file import read_yaml

    epochs: int = read_yaml(RECORD.file(network))["training"]["epochs"]
    return LONGER.get(network, epochs)


def is_complete(entry: Entry) -> bool:
    """Whether the lines that the network gives have a figure of every evaluator each."""
    heads = [line.head for line in LINES if line.network == entry["network"]]
    wanted = {*OF_EVERY_LINE, *(() if entry["network"].startswith("supervised") else WITHOUT_LABELS)}
    return all(wanted <= entry["figures"].get(head, {}).keys() for head in heads)


RECORD = Record(
    path=RESULTS,
    configs=ROOT / "configs" / "rivals",
    output=Path("checkpoints") / "rivals",
    networks={data: (*NETWORKS, *(name for name in VARIANTS if data in TRAINED_ON[name])) for data in DATA},
    files={network: file for network, (file, _) in VARIANTS.items()},
    overrides=overrides,
    figures=FIGURES,
    complete=is_complete,
    command="uv run benchmarks/rivals_table.py --seeds 3 --root PATH",
)


def _title(line: Line, data: str) -> str:
    """The line's, with the group that the network has on these data."""
    turns_alone = data == "so2-mnist-12k" and line.network in TURNS_ALONE
    return line.title.replace("D4", "C4").replace("D12", "C12") if turns_alone else line.title


def table(runs: Sequence[Entry], data: str) -> Iterator[str]:
    """The table of one dataset in Markdown, mean ± standard deviation over seeds."""
    columns = (COLUMNS[0], OF_UNEVEN_CLASSES, *COLUMNS[1:]) if data in CLASSES else COLUMNS
    titles = ["features", *(title for title, *_ in columns), "parameters", "minutes", "seeds"]
    yield f"**`{data}`**\n"
    yield f"| {' | '.join(titles)} |"
    yield "|---" * len(titles) + "|"
    for line in LINES:
        if entries := entries_of(runs, data, line.network, line.head):
            found = [entry["figures"][line.head] for entry in entries]
            parameters = statistics.mean(entry["baselines"].get(line.head, entry)["parameters"] for entry in entries)
            cells = [
                _title(line, data),
                *(mean_and_spread(found, name, digits, spread="error" not in name) for _, name, digits in columns),
                f"{parameters:,.0f}", minutes_of(entries, line.head), str(len(found)),
            ]  # fmt: skip
            yield "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    raise SystemExit(make_table(RECORD, __doc__, table))
