"""The picture of a cluster, pixel by pixel."""

from __future__ import annotations

import re
from base64 import b64decode
from io import BytesIO

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from eqae.data.base import Dataset, Images
from eqae.evaluation.clusters import FARTHEST, NEAREST, Cluster, Clusters
from eqae.evaluation.report.figures.contact_sheet import contact_sheet
from eqae.evaluation.report.sections.clustering import clustering
from eqae.evaluation.report.subject import Subject
from eqae.evaluation.results import Results
from eqae.evaluation.row import Row


def plain(grey: int, size: tuple[int, int, int] = (1, 32, 32)) -> NDArray[np.uint8]:
    return np.full(size, grey, np.uint8)


def drawn(markup: str) -> NDArray[np.uint8]:
    found = re.search(r"base64,([^\"]*)", markup)
    assert found is not None
    return np.asarray(Image.open(BytesIO(b64decode(found[1]))).convert("RGB"))


def tiles(sheet: NDArray[np.uint8], row: int) -> list[int]:
    """Grey values from left to right along a line, without white and without repetition."""
    line = sheet[row, :, 0].tolist()
    return [grey for grey, before in zip(line, [255, *line], strict=False) if grey not in (255, before)]


def test_the_medoid_is_framed_then_come_the_nearest_by_rows_then_the_farthest() -> None:
    nearest, farthest = [plain(60 + i) for i in range(NEAREST)], [plain(200 + i) for i in range(FARTHEST)]
    sheet = drawn(contact_sheet(plain(7), nearest, farthest, "a cluster"))
    frame = int(sheet[0, 0, 0])
    half, beyond = NEAREST // 2, FARTHEST // 2
    upper, lower = tiles(sheet, 30), tiles(sheet, sheet.shape[0] - 30)
    assert upper == [frame, 7, frame, *range(60, 60 + half), *range(200, 200 + beyond)]
    assert lower == [frame, 7, frame, *range(60 + half, 60 + NEAREST), *range(200 + beyond, 200 + FARTHEST)]


def test_the_sheet_of_a_small_cluster_has_the_scale_of_the_others() -> None:
    full = contact_sheet(plain(7), [plain(60)] * NEAREST, [plain(200)] * FARTHEST, "")
    single = contact_sheet(plain(7), [], [], "")
    assert drawn(single).shape == drawn(full).shape


@pytest.mark.parametrize("size", [(1, 8, 8), (1, 28, 28), (1, 48, 48), (1, 224, 224), (1, 20, 50), (1, 50, 20)])
def test_images_of_every_size_fill_their_places_and_no_more(size: tuple[int, int, int]) -> None:
    sheet = drawn(contact_sheet(plain(7, size), [plain(90, size)] * NEAREST, [plain(90, size)] * FARTHEST, ""))
    assert sheet.shape == drawn(contact_sheet(plain(7), [], [], "")).shape
    _, height, width = size
    share = (sheet[..., 0] == 90).sum() / ((NEAREST + FARTHEST) * 64 * 64) / (height * width / max(height, width) ** 2)
    assert 0.64 <= share <= 1.05


def test_colours_stay_colours() -> None:
    red = np.stack([np.full((32, 32), value, np.uint8) for value in (250, 20, 30)])
    sheet = drawn(contact_sheet(red, [red], [], ""))
    assert np.abs(sheet[66, 66].astype(int) - [250, 20, 30]).max() < 6


def judged(count: int, names: tuple[str, ...] = ()) -> Subject:
    """A page on ``count`` clusters of one image each; half of the images train."""
    pixels = torch.arange(count, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 8, 8)
    labels, half = torch.full((count,), -1), count // 2
    train = Images(pixels[:half], labels[:half], names[:half])
    dataset = Dataset("folder", train, Images(pixels[half:], labels[half:], names[half:]))
    none = np.zeros(0, np.int64)
    clusters = [
        Cluster(size=1, medoid=i, nearest=none, farthest=none, labelled=0, majority="", share=0.0) for i in range(count)
    ]
    results = Results([Row("ours", "folder", "clustering", "kmeans_silhouette", "", 0.5, 0.4, 0.6, True, count, 0)])
    results.drawings["ours", "clusters"] = Clusters(of_image=np.arange(count) + 1, clusters=clusters)
    return Subject(results, [], {}, {}, dataset)


def test_medoids_are_found_in_both_splits_with_their_pixels_and_names() -> None:
    section = str(clustering(judged(6, tuple(f"<{i}>.png" for i in range(6)))))
    sheets = re.findall(r"<img [^>]*>", section)
    assert [int(drawn(sheet)[66, 66, 0]) for sheet in sheets] == list(range(6))
    assert re.findall(r"medoid (\S+?)<", section) == [f"&lt;{i}&gt;.png" for i in range(6)]
    assert "features.csv" in section


def test_of_many_clusters_the_largest_are_shown_and_nameless_images_promise_no_table() -> None:
    section = str(clustering(judged(50)))
    assert len(re.findall("<img ", section)) == 20
    assert "Of 50 clusters, the 20 largest." in section
    assert "features.csv" not in section


def test_without_the_images_there_are_figures_and_no_sheets() -> None:
    subject = judged(6)
    section = str(clustering(Subject(subject.results, [], {}, {})))
    assert "silhouette" in section
    assert "<img" not in section
