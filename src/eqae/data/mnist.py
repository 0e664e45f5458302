"""MNIST and Fashion-MNIST: as they are, and as benchmarks in which every image has one fixed random orientation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from eqae.data.base import Dataset, Images
from eqae.data.idx import read_idx
from eqae.data.orientation import orient_dataset
from eqae.data.root import find_file
from eqae.errors import DataError

ORIENTED_TRAIN = 12_000
ORIENTED_TEST = 10_000


@dataclass(frozen=True)
class _Family:
    """Two benchmarks in the same four-file format, laid out as torchvision does."""

    name: str
    torchvision_name: str
    class_names: tuple[str, ...]


_DIGITS = _Family("mnist", "MNIST", tuple("0123456789"))
_CLOTHES = _Family(
    "fashion-mnist", "FashionMNIST",
    ("T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"),
)  # fmt: skip


def load_mnist(root: Path | None) -> Dataset:
    """MNIST (LeCun et al. 1998): 60,000 and 10,000 upright digits, 28x28.

    Args:
        root: folder that holds ``MNIST/raw`` with the four files, packed or not.

    Raises:
        DataError: a file is missing or damaged; the message has the command that fetches it.
    """
    return _read(root, _DIGITS)


def load_o2_mnist_12k(root: Path | None) -> Dataset:
    """12,000 and 10,000 digits of MNIST, mirrored and turned by :func:`eqae.data.orientation.orient`."""
    return _oriented(root, _DIGITS, "o2-mnist-12k", reflections=True)


def load_so2_mnist_12k(root: Path | None) -> Dataset:
    """As :func:`load_o2_mnist_12k`, without mirroring."""
    return _oriented(root, _DIGITS, "so2-mnist-12k", reflections=False)


def load_o2_mnist_centred_12k(root: Path | None) -> Dataset:
    """As :func:`load_o2_mnist_12k`, each digit turned about its centre of mass, which then lies in the middle.

    MNIST puts it half a pixel right of the middle and below, and an image that is turned about the middle says by it
    which way was up. Here nothing but its shape tells 6 from 9.
    """
    return _oriented(root, _DIGITS, "o2-mnist-centred-12k", reflections=True, centred=True)


def load_so2_mnist_centred_12k(root: Path | None) -> Dataset:
    """As :func:`load_o2_mnist_centred_12k`, without mirroring."""
    return _oriented(root, _DIGITS, "so2-mnist-centred-12k", reflections=False, centred=True)


def load_fashion_mnist(root: Path | None) -> Dataset:
    """Fashion-MNIST (Xiao et al. 2017): 60,000 and 10,000 upright pieces of clothing, 28x28.

    Args:
        root: folder that holds ``FashionMNIST/raw`` with the four files, packed or not.

    Raises:
        DataError: a file is missing or damaged; the message has the command that fetches it.
    """
    return _read(root, _CLOTHES)


def load_o2_fashion_12k(root: Path | None) -> Dataset:
    """12,000 and 10,000 images of Fashion-MNIST, mirrored and turned by :func:`eqae.data.orientation.orient`."""
    return _oriented(root, _CLOTHES, "o2-fashion-12k", reflections=True)


def load_so2_fashion_12k(root: Path | None) -> Dataset:
    """As :func:`load_o2_fashion_12k`, without mirroring."""
    return _oriented(root, _CLOTHES, "so2-fashion-12k", reflections=False)


def _oriented(root: Path | None, family: _Family, name: str, *, reflections: bool, centred: bool = False) -> Dataset:
    return orient_dataset(
        _read(root, family), name, reflections=reflections, centred=centred, train=ORIENTED_TRAIN, test=ORIENTED_TEST
    )


def _read(root: Path | None, family: _Family) -> Dataset:
    splits = _read_split(root, family, "train", 60_000), _read_split(root, family, "t10k", 10_000)
    return Dataset(family.name, *splits, family.class_names)


def _read_split(root: Path | None, family: _Family, prefix: str, count: int) -> Images:
    folder = f"{family.torchvision_name}/raw/{prefix}"
    fix = f"""python -c "import torchvision; torchvision.datasets.{family.torchvision_name}('FOLDER', download=True)", \
then data.root: FOLDER"""
    paths = [
        find_file(root, (stem, f"{stem}.gz"), fix)
        for stem in (f"{folder}-images-idx3-ubyte", f"{folder}-labels-idx1-ubyte")
    ]
    pixels, labels = map(read_idx, paths)
    for path, array, shape in zip(paths, (pixels, labels), ((count, 28, 28), (count,)), strict=True):
        if array.shape != shape:
            raise DataError(str(path), f"an array of shape {tuple(array.shape)}", f"{shape}", "fetch the file again")
    return Images(pixels[:, None], labels.long())
