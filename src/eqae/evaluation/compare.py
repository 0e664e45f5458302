"""The evaluation loop from Python: any feature extractors, one dataset, one table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from torch import Tensor

from eqae.checkpoint import load_checkpoint
from eqae.data import load_dataset
from eqae.data.base import Dataset
from eqae.errors import ConfigError, DataError
from eqae.evaluation.evidence import Evidence
from eqae.evaluation.extraction import FeatureModel, extract_evidences
from eqae.evaluation.loop import judge, needs_of_all
from eqae.evaluation.results import Results
from eqae.evaluation.views import Extraction
from eqae.heads import build_head
from eqae.models import FunctionModel
from eqae.models.ready import ready_model
from eqae.registry import DEFAULT_EVALUATORS, EVALUATORS

Extractor = str | Path | FeatureModel | Callable[[Tensor], "Tensor | NDArray[Any]"]


def evaluate(
    models: Mapping[str, Extractor],
    dataset: str | Dataset,
    *,
    root: str | None = None,
    evaluators: str | Sequence[str] | Mapping[str, Mapping[str, Any]] = DEFAULT_EVALUATORS,
    extraction: Extraction | None = None,
    announce: Callable[[str], None] | None = None,
    seed: int = 0,
) -> Results:
    """Judge any feature extractors by one loop.

    Args:
        models: by label: a run directory, the name of a registered model that needs no training by gradient
            (``"zernike"``, ``"pca"``, ``"backbone"``), a :class:`~eqae.evaluation.extraction.FeatureModel`, or a
            function from images ``(B, C, H, W)``, float tensors in [0, 1], to features ``(B, D)``.
        dataset: a registered name, or images of one's own.
        root: folder of the data files; None for the environment variable ``EQAE_DATA``.
        evaluators: ``"all"``, names, or names with options.
        extraction: how much is measured; its needs are those of the evaluators.
        announce: called with what is done next.
        seed: of probes and resampling, for models that have none of their own.

    Returns:
        Rows, paired differences and drawings.

    Raises:
        ConfigError: an unknown model, evaluator or option, or no model.
        CheckpointError: a run directory that cannot be trusted.
        DataError: a model made for images of another shape, or a function that returns something else than features.

    Example:
        >>> import eqae
        >>> results = eqae.evaluate({"means": lambda x: x.mean((2, 3))}, "o2-digits", evaluators=["spectrum"])
        >>> results.rows[0].model
        'means'
    """
    if not models:
        raise ConfigError("models", "none", "at least one, by label", 'eqae.evaluate({"mine": function}, ...)')
    names = EVALUATORS.names() if evaluators == "all" else [evaluators] if isinstance(evaluators, str) else evaluators
    asked = dict(names) if isinstance(names, Mapping) else {name: {} for name in names}
    for name, options in asked.items():
        EVALUATORS.check(name, options, f"evaluators.{name}", {"evidence"})
    images = load_dataset(dataset, root, {}) if isinstance(dataset, str) else dataset
    subjects = [_subject(label, model, images, seed) for label, model in models.items()]
    how = replace(extraction or Extraction(), needs=needs_of_all(asked))

    def evidences() -> Iterator[Evidence]:
        for subject in subjects:
            yield from extract_evidences([subject], images, how)

    return judge(evidences(), asked, announce, project=True)


def _subject(label: str, model: Extractor, dataset: Dataset, seed: int) -> FeatureModel:
    if isinstance(model, FeatureModel):
        return replace(model, label=label)
    if isinstance(model, str | Path) and Path(model).is_dir():
        checkpoint = load_checkpoint(model)
        if checkpoint.model.image_shape != dataset.test.shape:
            raise DataError(f"models[{label!r}]", f"made for images {checkpoint.model.image_shape}",
                            f"{dataset.test.shape}, the images of {dataset.name}")  # fmt: skip
        return FeatureModel(label, checkpoint.model, checkpoint.head, seed=checkpoint.spec.seed)
    if isinstance(model, str | Path):
        built = ready_model(str(model), dataset.train, seed, f"models[{label!r}]")
        return FeatureModel(label, built, build_head("mean", built, {}), seed=seed)
    function = FunctionModel(model, dataset.test.shape)
    return FeatureModel(label, function, build_head("mean", function, {}), seed=seed)
