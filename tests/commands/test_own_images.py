"""One's own folder of images, from the shipped config to clusters, features and new files."""

from __future__ import annotations

import csv
import json
import re
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from command_line import CONFIGS
from PIL import Image

import eqae
from eqae.commands.evaluate import main as evaluate
from eqae.commands.shell import guarded
from eqae.commands.train import main as train
from eqae.data import load_dataset
from eqae.errors import ConfigError, DataError

FILES = {
    "config.yaml", "metrics.csv", "last.ckpt", "model.safetensors", "manifest.json", "results.json", "results.csv",
    "report.html", "README.md", "features.csv",
}  # fmt: skip
NAMES = [
    f"{kind} {i:02}.{end}" for i, (kind, end) in enumerate([("ring", "png"), ("δ, bar", "tif"), ("dot", "bmp")] * 14)
]
FAST = ["data.size=16", "training.epochs=1", "training.batch_size=16", "evaluation.orbit_images=4", "heads=[]"]


def draw(place: int) -> Image.Image:
    """A bright shape on a dark ground, of a size and mode that depend on its place."""
    rng = np.random.default_rng(place)
    height, width = rng.integers(12, 40, 2)
    y, x = np.mgrid[:height, :width] - np.array([height / 2, width / 2])[:, None, None]
    radius = np.hypot(y, x) / min(height, width)
    inside = [abs(radius - 0.35) < 0.1, (abs(y) < 2) & (radius < 0.45), radius < 0.15][place % 3]
    grey = Image.fromarray((inside * rng.integers(150, 250) + rng.integers(0, 10, inside.shape)).astype(np.uint8))
    if place % 4 == 3 and place % 3 < 2:
        return Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    return grey.convert(["L", "RGB", "P", "L"][place % 4])


def fill(root: Path, names: list[str]) -> Path:
    for place, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        draw(place).save(root / name)
    return root


def command(root: Path, output: Path, *more: str) -> list[str]:
    return ["--config", str(CONFIGS / "folder.yaml"), f"data.root={root}", f"output={output}", *FAST, *more]


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """42 unlabelled images of three kinds, two broken files, and what else lies about in a folder."""
    root = fill(tmp_path_factory.mktemp("own"), NAMES)
    (root / "cut.png").write_bytes((root / NAMES[0]).read_bytes()[:60])
    (root / "empty.tif").touch()
    (root / ".hidden.png").touch()
    (root / "notes.txt").write_text("seen on Tuesday")
    return root


@pytest.fixture(scope="module")
def run(own: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped config trained on them, for an epoch and without its baselines."""
    output = tmp_path_factory.mktemp("runs")
    with pytest.warns(UserWarning, match=r"2 of 44 images cannot be read: cut\.png .*, empty\.tif .*left out"):
        assert train(command(own, output, "baselines={}", "tracking.wandb=disabled")) == 0
    return output / "folder"


def table(path: Path) -> dict[str, dict[str, str]]:
    """The rows of a CSV by file name."""
    with path.open(encoding="utf-8", newline="") as file:
        return {row["file"]: row for row in csv.DictReader(file)}


def test_a_folder_with_broken_files_trains_and_leaves_a_whole_run(run: Path) -> None:
    assert {path.name for path in run.iterdir() if path.is_file()} == FILES
    measured = {row["metric"] for row in json.loads((run / "results.json").read_text())["rows"] if not row["note"]}
    assert {"kmeans_silhouette", "reconstruction_mse", "relative_invariance_error"} <= measured
    assert not list(run.rglob("*.tmp"))


def test_the_features_of_every_file_are_those_of_the_loaded_extractor_to_the_last_bit(run: Path, own: Path) -> None:
    rows, extractor = table(run / "features.csv"), eqae.load_extractor(run)
    assert sorted(rows) == sorted(NAMES)
    names = extractor.get_feature_names_out()
    assert list(rows[NAMES[0]]) == ["file", "split", "cluster", *names]
    with pytest.warns(UserWarning, match="2 of 44"):
        images = eqae.load_images(own, like=run)
    assert sorted(images.names) == sorted(NAMES)
    written = np.array([[rows[name][column] for column in names] for name in images.names]).astype(np.float32)
    assert np.array_equal(written, extractor.transform(images.pixels))


def test_the_table_says_which_images_trained_and_which_cluster_each_is_in(run: Path, own: Path) -> None:
    rows = table(run / "features.csv")
    with pytest.warns(UserWarning, match="2 of 44"):
        dataset = load_dataset("folder", own, {"on_corrupt": "skip"})
    assert {name for name, row in rows.items() if row["split"] == "test"} == set(dataset.test.names)
    sizes = np.bincount([int(row["cluster"]) for row in rows.values()])
    assert sizes[0] == 0
    assert list(sizes[1:]) == sorted(sizes[1:], reverse=True)


def test_the_code_of_the_page_puts_images_on_the_sheet_that_they_are_on(
    run: Path, own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (CONFIGS.parent / "docs" / "own-images.md").read_text(encoding="utf-8").partition("## New images")[2]
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "folder").symlink_to(run)
    (tmp_path / "new_pictures").symlink_to(own)
    monkeypatch.chdir(tmp_path)
    told: dict[str, Any] = {"pandas": pandas}
    with pytest.warns(UserWarning, match="2 of 44"):
        exec("".join(re.findall(r"```python\n(.*?)```", page, re.DOTALL)), told)
    sheets, rows = told["sheets"], table(run / "features.csv")
    assert sorted(sheets.index) == sorted(NAMES)
    assert {name: str(sheet) for name, sheet in sheets.items()} == {name: rows[name]["cluster"] for name in rows}


def test_the_report_has_a_contact_sheet_a_cluster_with_the_file_of_its_medoid(run: Path) -> None:
    page, rows = (run / "report.html").read_text(encoding="utf-8"), table(run / "features.csv")
    sheets = re.findall(r'alt="Cluster (\d+), (\d+) images?: .*?"><small>medoid (.+?)</small>', page)
    counted = np.bincount([int(row["cluster"]) for row in rows.values()])[1:]
    assert [(int(number), int(size)) for number, size, _ in sheets] == list(enumerate(counted, 1))
    assert [int(rows[medoid]["cluster"]) for _, _, medoid in sheets] == list(range(1, len(counted) + 1))
    assert "by the features of" in page
    assert "silhouette<small>" in page
    assert "ACC<small>" not in page, "a column that no model has a figure for is not shown"
    assert len(page) < 3_000_000


def test_an_evaluation_of_the_run_writes_the_same_table(run: Path, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="2 of 44"):
        assert evaluate([str(run), "zernike", "--out", str(tmp_path / "out"), "evaluators=[clustering]"]) == 0
    assert (tmp_path / "out" / "features.csv").read_bytes() == (run / "features.csv").read_bytes()
    files = {path.name for path in (tmp_path / "out").iterdir()}
    assert files == {"results.json", "results.csv", "report.html", "features.csv"}


def judge(root: Path, out: Path, *more: str) -> tuple[dict[str, dict[str, str]], str]:
    """The table and the page of a model that needs no training."""
    words = ["zernike", "--config", str(CONFIGS / "folder.yaml"), "--out", str(out), f"data.root={root}", *more]
    assert evaluate([*words, "data.size=16"]) == 0
    return table(out / "features.csv"), (out / "report.html").read_text(encoding="utf-8")


def test_class_folders_give_labels_to_the_table_and_majorities_to_the_sheets(tmp_path: Path) -> None:
    root = fill(tmp_path / "images", [f"{['ring', 'bar', 'dot'][place % 3]}/{place}.tif" for place in range(30)])
    rows, page = judge(root, tmp_path / "out", "evaluators={clustering: {}}")
    assert all(row["label"] == name.split("/")[0] for name, row in rows.items())
    assert {row["cluster"] for row in rows.values()} == {"1", "2", "3"}
    assert re.search(r"<small>medoid \w+/\d+\.tif · \d+% (ring|bar|dot)</small>", page)
    assert "ACC<small>" in page


@pytest.mark.parametrize(("asked", "clusters"), [("{}", 2), ("{clusters: 4}", 4), ("{clusters: 500}", None)])
def test_the_number_of_clusters_is_an_option_and_never_above_that_of_the_images(
    asked: str, clusters: int | None, tmp_path: Path
) -> None:
    root = fill(tmp_path / "images", [f"{place}.tif" for place in range(12)])
    rows, _ = judge(root, tmp_path / "out", f"evaluators={{clustering: {asked}}}")
    training = sum(row["split"] == "train" for row in rows.values())
    assert len({row["cluster"] for row in rows.values()}) == (clusters or training)


@pytest.mark.parametrize(
    ("names", "broken", "message"),
    [
        ([], [], "no images; expected files that end in"),
        ([], ["a.png", "b.png", "c.png"], "none can be read; expected at least two"),
        (["a.png"], [], "one image; expected at least two, one to train and one to judge"),
        (["a.png"], ["b.png"], "one image; expected at least two"),
        (["a.png", "b.png", "old/c.png"], [], "images beside the sub-folders (such as 'a.png') and inside them"),
    ],
)
def test_a_folder_that_cannot_be_trained_on_says_why_and_leaves_nothing(
    names: list[str], broken: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = fill(tmp_path / "images", names)
    root.mkdir(exist_ok=True)
    for name in broken:
        (root / name).touch()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore" if broken else "error")
        assert train(command(root, tmp_path / "out")) == 2
    error = capsys.readouterr().err
    assert message in error
    assert str(root) in error
    assert "Traceback" not in error
    assert not (tmp_path / "out").exists()


def test_a_warning_is_a_line_without_code_inside_a_command_and_as_usual_after_it() -> None:
    usual, said = warnings.formatwarning, []
    assert guarded(lambda: said.append(warnings.formatwarning("left out", UserWarning, "a.py", 1))) == 0
    assert said == ["warning: left out\n"]
    assert warnings.formatwarning is usual


# New files


def test_a_single_file_is_read_as_training_read_it(run: Path, own: Path) -> None:
    rows, extractor = table(run / "features.csv"), eqae.load_extractor(run)
    for name in NAMES[:8]:
        image = eqae.load_images(own / name, like=run)
        assert image.names == (name,)
        features = extractor.transform(image.pixels)[0]
        assert [f"{value:.9g}" for value in features.tolist()] == list(rows[name].values())[3:]


def test_folders_below_a_folder_are_read_whatever_they_are_called(run: Path, tmp_path: Path) -> None:
    fill(tmp_path, ["b.png", "a/2.tif", "a/deep/1.bmp", "train/x.png", ".thumbs/1.png"])
    images = eqae.load_images(tmp_path, like=run)
    assert images.names == ("a/2.tif", "a/deep/1.bmp", "b.png", "train/x.png")
    assert images.shape == (1, 16, 16)
    assert images.labels.tolist() == [-1] * 4
    assert not np.array_equal(images.pixels[0], images.pixels[2])


def test_new_images_are_inverted_where_those_of_the_run_were(run: Path, own: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(run, tmp_path / "copy"))
    config = (copy / "config.yaml").read_text(encoding="utf-8")
    assert "invert: false" in config
    (copy / "config.yaml").write_text(config.replace("invert: false", "invert: true"), encoding="utf-8")
    for name in (NAMES[0], NAMES[1]):
        plain, inverted = (eqae.load_images(own / name, like=folder).pixels for folder in (run, copy))
        assert np.array_equal(255 - plain, inverted)


def test_what_cannot_be_loaded_is_named(run: Path, own: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere: no such file or folder"):
        eqae.load_images(tmp_path / "nowhere", like=run)
    with pytest.raises(DataError, match=r"cut\.png: cannot be read"):
        eqae.load_images(own / "cut.png", like=run)
    with pytest.raises(DataError, match="no images"):
        eqae.load_images(tmp_path, like=run)


def test_a_run_on_other_data_is_refused(run: Path, own: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(run, tmp_path / "copy"))
    (copy / "config.yaml").write_text("name: other\ndata: {name: digits}\nmodel: {name: zernike}\n")
    with pytest.raises(ConfigError, match="'digits'; expected 'folder'"):
        eqae.load_images(own, like=copy)
