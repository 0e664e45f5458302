"""From the words of ``evaluate.py``'s command line to models that can be judged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from eqae.checkpoint import ModelSpec, load_checkpoint
from eqae.commands.fitting import fit_subjects
from eqae.commands.jobs import head_label, untrained_twin
from eqae.commands.judging import Contender, pick_device
from eqae.commands.resolving import ORBIT_MEAN
from eqae.config import Config, HeadChoice
from eqae.data.base import Dataset
from eqae.errors import ConfigError, DataError, suggest
from eqae.evaluation.extraction import FeatureModel
from eqae.groups import C1, D4
from eqae.heads import build_head
from eqae.models import Autoencoder
from eqae.models.orbit_mean import OrbitMean
from eqae.models.ready import READY, ready_model
from eqae.registry import MODELS

Builder = Callable[[Dataset], Contender]


def gather(words: Sequence[str], config: Config) -> Callable[[Dataset], list[Contender]]:
    """Find and load every model now, so that a mistake shows before any data is read; build the rest on the dataset.

    Raises:
        ConfigError: a word that is neither a run directory nor a training-free model, or one that is given twice.
        CheckpointError: a run directory that cannot be trusted.
    """
    labels = _labels(words)
    for label in labels:
        if labels.count(label) > 1:
            raise ConfigError(f"MODEL {label!r}", "given twice", "one label a model", "leave one of them out")
    builders = [_builder(word, label, config, labels) for word, label in zip(words, labels, strict=True)]
    return lambda dataset: [build(dataset) for build in builders]


def _labels(words: Sequence[str]) -> list[str]:
    """Short names: a run's folder name, or its whole path where two folders share a name."""
    short = [_short(word) for word in words]
    return [name if short.count(name) == 1 else word for name, word in zip(short, words, strict=True)]


def _short(word: str) -> str:
    prefix = ORBIT_MEAN if word.startswith(ORBIT_MEAN) else ""
    path, colon, head = word.removeprefix(ORBIT_MEAN).partition(":")
    return f"{prefix}{Path(path).resolve().name if Path(path).exists() else path}{colon}{head}"


def _builder(word: str, label: str, config: Config, labels: Sequence[str]) -> Builder:
    path, _, head = word.removeprefix(ORBIT_MEAN).partition(":")
    if Path(path).exists() or "/" in path:
        return _from_run(Path(path), head, label, config, labels, averaged=word.startswith(ORBIT_MEAN))
    if path in READY and path == word:
        return _training_free(path, config)
    runs = [str(p.parent) for p in Path(config.output).glob("*/manifest.json")]
    raise ConfigError(
        f"MODEL {word!r}", "neither a run directory nor a model that needs no training",
        f"a path such as {config.output}/eqae_p4m, or one of {', '.join(READY)}",
        "train it first: uv run train.py --config ..." if path in MODELS else suggest(path, [*runs, *READY]),
    )  # fmt: skip


def _from_run(path: Path, head: str, label: str, config: Config, labels: Sequence[str], *, averaged: bool) -> Builder:
    checkpoint = load_checkpoint(path)
    model, spec = checkpoint.model, checkpoint.spec
    untrained = untrained_twin(model, spec) if model.trained_by == "gradient" else None
    if averaged:
        model, untrained = OrbitMean(model, D4), None
    own = _own_head(head, spec, averaged)
    further = {head_label(label, choice): choice for choice in config.heads if choice != own and not head}
    if model.group == C1 or isinstance(model, OrbitMean):  # an orbit's Gram matrix has m² of a whole flattened V
        further = {}

    def subject(choice: HeadChoice, name: str) -> FeatureModel:
        if not averaged and choice == _head_of(spec):
            built = checkpoint.head  # fitted, where it needs it
        else:
            built = build_head(choice.name, model, choice.options, f"MODEL {name!r}: head")
        fresh = None if untrained is None else build_head(choice.name, untrained, choice.options)
        return FeatureModel(name, model, built, untrained, fresh, spec.seed)

    subjects = (subject(own, label), *(subject(choice, name) for name, choice in further.items() if name not in labels))

    def build(dataset: Dataset) -> Contender:
        _check_shape(label, model, spec, dataset)
        fit_subjects(subjects, dataset, pick_device(config.training.accelerator))
        return Contender(subjects)

    return build


def _own_head(head: str, spec: ModelSpec, averaged: bool) -> HeadChoice:
    """The head asked for on the command line, else the mean of an average, else the one the run was trained with.

    The name of the latter means that head with its options, as :func:`eqae.load_extractor` has it; an average, whose V
    is another, takes heads without options.
    """
    if averaged:
        return HeadChoice(name=head or "mean")
    return _head_of(spec) if head in ("", spec.head) else HeadChoice(name=head)


def _head_of(spec: ModelSpec) -> HeadChoice:
    return HeadChoice.model_validate({"name": spec.head, **spec.head_options})


def _check_shape(label: str, model: Autoencoder, spec: ModelSpec, dataset: Dataset) -> None:
    if dataset.test.shape != model.image_shape:
        made_for = _shape(model.image_shape)
        raise DataError(
            f"MODEL {label!r}", f"made for images of {made_for}, the data has {_shape(dataset.test.shape)}", made_for,
            f"set data.size={model.image_shape[-1]}, or choose the data it was trained on ({spec.dataset})",
        )  # fmt: skip


def _training_free(name: str, config: Config) -> Builder:
    def build(dataset: Dataset) -> Contender:
        model = ready_model(name, dataset.train, config.seed, f"MODEL {name!r}")
        return Contender((FeatureModel(name, model, build_head("mean", model, {}), seed=config.seed),))

    return build


def _shape(shape: tuple[int, int, int]) -> str:
    channels, height, width = shape
    return f"{height}x{width} with {channels} channel(s)"
