"""Equivariant autoencoders: invariant features of images whose orientation means nothing.

The public names. Importing this package is cheap: whatever needs torch or numpy is imported when first asked for.

Example:
    >>> import eqae
    >>> eqae.list_heads()[:3]
    ('mean', 'max', 'gram')
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from eqae.errors import CheckpointError, ConfigError, DataError, EqaeError, TrainingDiverged
from eqae.registry import DATASETS, EVALUATORS, GROUPS, HEADS, MODELS, OBJECTIVES

if TYPE_CHECKING:
    from eqae.evaluation.compare import evaluate
    from eqae.extractor import FeatureExtractor, load_extractor
    from eqae.new_images import load_images

    __version__: str

__all__ = [
    "CheckpointError",
    "ConfigError",
    "DataError",
    "EqaeError",
    "FeatureExtractor",
    "TrainingDiverged",
    "__version__",
    "evaluate",
    "list_datasets",
    "list_evaluators",
    "list_groups",
    "list_heads",
    "list_models",
    "list_objectives",
    "load_extractor",
    "load_images",
]

_LAZY = {
    "FeatureExtractor": "eqae.extractor",
    "evaluate": "eqae.evaluation.compare",
    "load_extractor": "eqae.extractor",
    "load_images": "eqae.new_images",
}


def list_groups() -> tuple[str, ...]:
    """Names of the symmetry groups, without their plane-group aliases."""
    return GROUPS.names()


def list_heads() -> tuple[str, ...]:
    """Names of the invariant maps from V to features."""
    return HEADS.names()


def list_models() -> tuple[str, ...]:
    """Names of the models: trained ones, and those that need no training."""
    return MODELS.names()


def list_datasets() -> tuple[str, ...]:
    """Names of the datasets."""
    return DATASETS.names()


def list_evaluators() -> tuple[str, ...]:
    """Names of the evaluator families."""
    return EVALUATORS.names()


def list_objectives() -> tuple[str, ...]:
    """Names of what training can minimise."""
    return OBJECTIVES.names()


if not TYPE_CHECKING:  # hidden from type checkers, which would otherwise accept any misspelt name

    def __getattr__(name: str) -> object:
        if name == "__version__":
            from importlib.metadata import version

            return version("eqae")
        if name in _LAZY:
            return getattr(import_module(_LAZY[name]), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
