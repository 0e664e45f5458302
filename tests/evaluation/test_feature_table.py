"""``features.csv``: every image, every feature, nothing lost on the way to text."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from eqae.data.base import Dataset
from eqae.evaluation import feature_table
from eqae.evaluation.clusters import Clusters
from eqae.evaluation.evidence import Evidence
from eqae.evaluation.extraction import FeatureModel, extract_evidence
from eqae.evaluation.feature_table import FeatureTable
from eqae.evaluation.views import Extraction
from eqae.heads.mean import MeanHead
from eqae.models.base import Autoencoder

NAMES = ("plain.png", "with, comma.png", 'with "quotes".png', "δείγμα 海.png", "=1+1.png")
CLUSTERS = Clusters(of_image=np.array([1, 2, 1, 2, 1, 3, 1, 1]), clusters=[])


@pytest.fixture
def named(make_dataset: Callable[..., Dataset]) -> Dataset:
    dataset = make_dataset(train=5, test=3)
    return replace(
        dataset,
        train=replace(dataset.train, names=NAMES),
        test=replace(dataset.test, names=("x.png", "y.png", "z.png")),
    )


@pytest.fixture
def subject(orbit_rows: Callable[..., Autoencoder]) -> FeatureModel:
    model = orbit_rows("D4", (1, 9, 9))
    return FeatureModel("ours", model, MeanHead(model.group, model.channels))


def judged(subject: FeatureModel, dataset: Dataset, label: str = "ours") -> Evidence:
    evidence = extract_evidence(replace(subject, label=label), dataset, Extraction(needs=frozenset(), orbit_images=2))
    return replace(
        evidence, train=replace(evidence.train, values=evidence.train.values * (1 if label == "ours" else 2))
    )


def rows_of(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def write(table: FeatureTable, evidences: list[Evidence], path: Path, clusters: Clusters | None = CLUSTERS) -> None:
    assert list(table.watch(evidences)) == evidences
    table.write(path, clusters)


def test_features_are_read_back_to_the_last_bit_beside_the_name_of_their_file(
    named: Dataset, subject: FeatureModel, tmp_path: Path
) -> None:
    evidence = judged(subject, named)
    write(FeatureTable(named, subject), [evidence], tmp_path / "features.csv")
    header, *rows = rows_of(tmp_path / "features.csv")
    assert header == ["file", "split", "label", "cluster", *subject.head.feature_names()]
    assert [row[0] for row in rows] == [*named.train.names, *named.test.names]
    assert [row[1] for row in rows] == ["train"] * 5 + ["test"] * 3
    assert [row[2] for row in rows] == ["even", "odd", "even", "odd", "even", "even", "odd", "even"]
    assert [row[3] for row in rows] == ["1", "2", "1", "2", "1", "3", "1", "1"]
    numbers = np.array([row[4:] for row in rows]).astype(np.float32)
    assert np.array_equal(numbers, np.concatenate([evidence.train.upright, evidence.test.upright]))


def test_the_features_are_those_of_the_named_model_whichever_comes_first(
    named: Dataset, subject: FeatureModel, tmp_path: Path
) -> None:
    ours, other = judged(subject, named), judged(subject, named, "other")
    for i, evidences in enumerate([[ours], [ours, other], [other, ours]]):
        write(FeatureTable(named, subject), evidences, tmp_path / f"{i}.csv")
    assert len({(tmp_path / f"{i}.csv").read_bytes() for i in range(3)}) == 1


def test_columns_without_content_are_left_out(named: Dataset, subject: FeatureModel, tmp_path: Path) -> None:
    unknown = replace(
        named, train=replace(named.train, labels=named.train.labels * 0 - 1),
        test=replace(named.test, labels=named.test.labels * 0 - 1), class_names=(),
    )  # fmt: skip
    write(FeatureTable(unknown, subject), [judged(subject, unknown)], tmp_path / "features.csv", clusters=None)
    assert rows_of(tmp_path / "features.csv")[0] == ["file", "split", *subject.head.feature_names()]


def test_an_image_without_a_label_has_an_empty_cell(named: Dataset, subject: FeatureModel, tmp_path: Path) -> None:
    named.train.labels[1] = -1
    write(FeatureTable(named, subject), [judged(subject, named)], tmp_path / "features.csv")
    assert [row[2] for row in rows_of(tmp_path / "features.csv")[1:4]] == ["even", "", "even"]


def test_more_numbers_than_text_should_hold_leave_names_and_clusters(
    named: Dataset, subject: FeatureModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feature_table, "MOST_NUMBERS", 8 * subject.head.width)
    assert FeatureTable(named, subject).summary == "8 images, 5 features each, by ours"
    monkeypatch.setattr(feature_table, "MOST_NUMBERS", 8 * subject.head.width - 1)
    table = FeatureTable(named, subject)
    assert "without their 5 features, too many for text" in table.summary
    write(table, [judged(subject, named)], tmp_path / "features.csv")
    header, *rows = rows_of(tmp_path / "features.csv")
    assert header == ["file", "split", "label", "cluster"]
    assert [row[0] for row in rows] == [*named.train.names, *named.test.names]


def test_images_without_names_want_no_table(make_dataset: Callable[..., Dataset], subject: FeatureModel) -> None:
    assert not FeatureTable(make_dataset(), subject).is_wanted
