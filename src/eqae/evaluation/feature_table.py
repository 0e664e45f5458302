"""The features of one model beside the names of the files they belong to, as CSV."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from itertools import chain, repeat
from pathlib import Path

import numpy as np

from eqae.data.base import UNLABELED, Dataset
from eqae.evaluation.clusters import Clusters
from eqae.evaluation.evidence import Evidence, FloatArray
from eqae.evaluation.extraction import FeatureModel
from eqae.files import write_atomically

MOST_NUMBERS = 20_000_000
"""Features of all images together that are written: about 250 MB of text."""


class FeatureTable:
    """Takes the features of one model as they pass on their way to the evaluators, and writes them once all is judged.

    Args:
        dataset: the images; their names become the first column.
        model: whose features.
    """

    def __init__(self, dataset: Dataset, model: FeatureModel) -> None:
        self.dataset = dataset
        self.model = model
        self._features: tuple[FloatArray, ...] = ()

    @property
    def is_wanted(self) -> bool:
        """Whether the images have names to stand beside their features."""
        return bool(self.dataset.train.names)

    @property
    def is_complete(self) -> bool:
        """Whether all features are written: there are at most 20 million numbers, about 250 MB of text."""
        return self._images * self.model.head.width <= MOST_NUMBERS

    @property
    def summary(self) -> str:
        """What is in the file, in a few words."""
        width, label = self.model.head.width, self.model.label
        if self.is_complete:
            return f"{self._images:,} images, {width} features each, by {label}"
        return f"{self._images:,} images without their {width} features, too many for text: use eqae.load_extractor"

    @property
    def _images(self) -> int:
        return len(self.dataset.train) + len(self.dataset.test)

    def watch(self, evidences: Iterable[Evidence]) -> Iterator[Evidence]:
        """The evidences as they come; a copy of the model's features stays here."""
        for evidence in evidences:
            if evidence.model == self.model.label and self.is_wanted and self.is_complete:
                self._features = (evidence.train.upright.copy(), evidence.test.upright.copy())
            yield evidence
            del evidence  # before the next one is made

    def write(self, path: Path, clusters: Clusters | None) -> None:
        """Write a row an image, training images first, whole or not at all.

        Columns: ``file``; ``split`` (``train`` or ``test``); ``label``, the name of the class, where any image has
        one; ``cluster``, from 1, where there are clusters; then the features, with nine significant digits, from
        which the float32 number is read back to the last bit. Features are left out where :attr:`is_complete` is not.
        """
        write_atomically(path, self._lines(clusters))

    def _lines(self, clusters: Clusters | None) -> Iterator[str]:
        writer = csv.writer(_Echo(), lineterminator="\n")
        facts = self._facts(clusters)
        yield writer.writerow([*facts, *(self.model.head.feature_names() if self._features else ())])
        rows = chain(*self._features) if self._features else repeat(np.zeros(0, np.float32))
        for known, numbers in zip(zip(*facts.values(), strict=True), rows, strict=False):
            yield writer.writerow([*known, *(f"{number:.9g}" for number in numbers.tolist())])

    def _facts(self, clusters: Clusters | None) -> dict[str, list[str]]:
        """What is known of each image beside its features, by column."""
        train, test, classes = self.dataset.train, self.dataset.test, self.dataset.class_names
        facts = {"file": [*train.names, *test.names], "split": ["train"] * len(train) + ["test"] * len(test)}
        labels = [*train.labels.tolist(), *test.labels.tolist()]
        if any(label != UNLABELED for label in labels):
            facts["label"] = [
                "" if label == UNLABELED else classes[label] if classes else str(label) for label in labels
            ]
        if clusters is not None:
            facts["cluster"] = [str(number) for number in clusters["of_image"].tolist()]
        return facts


class _Echo:
    """A file that hands each line back instead of keeping it."""

    def write(self, line: str) -> str:
        return line
