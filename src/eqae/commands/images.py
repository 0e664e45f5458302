"""The images that a config names."""

from __future__ import annotations

from eqae.config import DataChoice
from eqae.data import Dataset, load_dataset


def read_images(data: DataChoice) -> Dataset:
    """The dataset of a config, judged by its test images or by what is held out of training.

    Raises:
        EqaeError: see :func:`eqae.data.load_dataset` and :meth:`eqae.data.Dataset.holding_out`.
    """
    dataset = load_dataset(data.name, data.root, data.options)
    return dataset.holding_out(data.held_out) if data.held_out else dataset
