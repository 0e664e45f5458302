"""The schema of the YAML: every key, its type, its default and one line on what it means.

Nothing here imports torch, so a mistake in a config is answered at once. Keys that belong to a chosen model, head or
dataset (``model.group``, ``head.band``, ``data.size``) are kept as they are and checked against what the name stands
for when it is built; see :meth:`eqae.registry.Registry.build`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    field_validator,
    model_serializer,
    model_validator,
)

from eqae.errors import ConfigError, Problem, in_yaml_terms, suggest
from eqae.registry import DATASETS, DEFAULT_EVALUATORS, EVALUATORS, HEADS, MODELS, OBJECTIVES, Registry

Positive = Annotated[int, Field(gt=0, le=10**9)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Counted = Annotated[float, Field(ge=0, allow_inf_nan=False)]
"""The weight of an objective; below zero it would be maximised, and most have no largest value."""
_NUMBER: TypeAdapter[float] = TypeAdapter(Counted)


def _label(value: str) -> str:
    if not re.fullmatch(r"\w[\w.+-]*", value) or len(value.encode()) > 200:
        raise ValueError("letters, digits, '.', '_', '+' and '-' only, at most 200 bytes: it becomes a folder")
    return value


def _storable(value: str) -> str:
    if "\0" in value or len(value) > 3000 or not value or any(len(os.fsencode(p)) > 255 for p in Path(value).parts):
        raise ValueError("a path that a file system can hold")
    return value


def _module(value: str) -> str:
    if not all(part.isidentifier() for part in value.split(".")):
        raise ValueError("the name of a module, as after the word import")
    return value


Label = Annotated[str, AfterValidator(_label)]
StorablePath = Annotated[str, AfterValidator(_storable)]
Module = Annotated[str, AfterValidator(_module)]


class Section(BaseModel):
    """Base of all sections: frozen, unknown keys refused, and no boolean passes for a number."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, protected_namespaces=())

    @field_validator("*", mode="before")
    @classmethod
    def _no_boolean_numbers(cls, value: Any, info: ValidationInfo) -> Any:
        field = cls.model_fields[str(info.field_name)]
        wanted = {field.annotation, *get_args(field.annotation)}
        if isinstance(value, bool) and bool not in wanted and Any not in wanted:
            raise ValueError("a number or a word, not a boolean")
        return value


class Ramp(Section):
    """A weight that moves in a straight line over the first part of training and then stays.

    In YAML ``{from: 0.0, to: 0.1, until: 0.5}``; ``from`` is a word of Python's own, so the fields have other names.
    """

    start: Counted = Field(alias="from", description="at the first step")
    end: Counted = Field(alias="to", description="when it has arrived")
    until: float = Field(1.0, gt=0, le=1, description="share of training after which it has arrived")

    @model_serializer
    def _as_written(self) -> dict[str, float]:
        return {"from": self.start, "to": self.end, "until": self.until}


RAMP = {"from", "to", "until"}


def _number_or_ramp(value: Any, _: ValidatorFunctionWrapHandler) -> float | Ramp:
    """By hand, because the errors of a union speak of all its members at once."""
    if isinstance(value, Mapping) and {"from", "to"} <= set(value) and (others := set(value) - RAMP):
        raise ValueError(
            f"{{from, to, until}} alone; with {', '.join(sorted(others))} beside it, "
            f"{{weight: {{from: 0.0, to: 1.0}}, {min(others)}: ...}}"
        )
    if isinstance(value, Mapping | Ramp):
        return Ramp.model_validate(value)
    if isinstance(value, bool):
        raise ValueError("a number, or a ramp {from: 0.0, to: 0.1, until: 0.5}")
    return _NUMBER.validate_python(value)


ObjectiveWeight = Annotated[float | Ramp, WrapValidator(_number_or_ramp)]


class WeightedObjective(BaseModel):
    """An objective with options of its own: ``{weight: 1.0, temperature: 0.2}``; a bare number is the weight alone."""

    model_config = ConfigDict(extra="allow", frozen=True, protected_namespaces=())

    weight: ObjectiveWeight = 1.0

    @property
    def options(self) -> dict[str, Any]:
        """Everything but the weight."""
        return dict(self.model_extra or {})


def _weight_or_options(value: Any, handler: ValidatorFunctionWrapHandler) -> float | Ramp | WeightedObjective:
    if isinstance(value, WeightedObjective):
        return value
    if isinstance(value, Mapping) and not RAMP & set(value):
        return WeightedObjective.model_validate(value)
    return _number_or_ramp(value, handler)


def _some_weight(given: dict[str, float | Ramp | WeightedObjective]) -> dict[str, float | Ramp | WeightedObjective]:
    weights = [value.weight if isinstance(value, WeightedObjective) else value for value in given.values()]
    if weights and all(max(w.start, w.end) == 0 if isinstance(w, Ramp) else w == 0 for w in weights):
        raise ValueError("a weight above zero: with none, nothing is learned")
    return given


Objectives = Annotated[
    dict[str, Annotated[float | Ramp | WeightedObjective, WrapValidator(_weight_or_options)]],
    AfterValidator(_some_weight),
]
"""By the names of registered objectives: a weight, or weight and options."""


class Choice(BaseModel):
    """A registered name with the options of what it stands for; ``mean`` is short for ``{name: mean}``."""

    model_config = ConfigDict(extra="allow", frozen=True, protected_namespaces=())

    name: str

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @property
    def options(self) -> dict[str, Any]:
        """Everything but the name."""
        return dict(self.model_extra or {})


class DataChoice(Choice):
    """Which images: a registered dataset, where its files lie, and its own options."""

    name: str = Field("digits", description="a registered dataset")
    root: str | None = Field(None, description="folder of the data files; else the environment variable EQAE_DATA")
    held_out: float = Field(
        0.0, ge=0, lt=1, description="share of the training images that judges instead of the test images; 0: the test"
    )


class ModelChoice(Choice):
    """Which network."""

    name: str = Field("eqae", description="a registered model")


class HeadChoice(Choice):
    """Which invariant map of V gives the features."""

    name: str = Field("gram", description="a registered head")


class Augmentation(Section):
    """What is done to training images afresh in every epoch, on the device."""

    orientation: Literal["none", "so2", "o2"] = Field(
        "none",
        description="a new random rotation (so2), or rotation and mirror (o2), of each image; the target turns too",
    )
    scale: float = Field(0.0, ge=0, le=3, description="objects become up to this much larger, or as much smaller")
    shear: float = Field(0.0, ge=0, le=2, description="slant along a random direction, at most")
    shift: float = Field(0.0, ge=0, le=1000, description="pixels along each axis, at most; the target moves too")
    elastic: float = Field(
        0.0, ge=0, le=1000, description="typical displacement in pixels of a smooth random deformation"
    )
    thickness: float = Field(0.0, ge=0, le=100, description="bright parts grow or shrink by this many pixels, at most")
    blur: float = Field(0.0, ge=0, le=100, description="largest deviation of a Gaussian blur of the input, in pixels")
    contrast: float = Field(0.0, ge=0, le=1, description="the input's contrast is multiplied by 1 +- this, at most")
    noise: float = Field(
        0.0, ge=0, le=10, description="standard deviation of Gaussian noise on the input only: a denoising autoencoder"
    )


class Training(Section):
    """How the weights are found."""

    epochs: Positive = Field(20, description="passes over the training images")
    batch_size: Annotated[int, Field(ge=2, le=10**9)] = Field(
        128, description="images a step, over all processes; an epoch's last may differ"
    )
    learning_rate: float = Field(3e-3, gt=0, description="peak of the schedule")
    weight_decay: float = Field(1e-2, ge=0, description="AdamW's decoupled decay")
    schedule: Literal["one_cycle", "cosine", "constant"] = Field("one_cycle", description="of the learning rate")
    gradient_clip: float | None = Field(None, gt=0, description="largest gradient norm; null for no clipping")
    validation: Fraction = Field(0.05, description="share of the training images held out to watch the loss")
    precision: Literal["auto", "32-true", "bf16-mixed", "64-true"] = Field(
        "32-true",
        description="Lightning's precision; auto: bf16-mixed where that is found to be faster, else 32-true",
    )
    accelerator: Literal["auto", "cpu", "gpu"] = Field("auto", description="where to run")
    devices: Positive | Literal["auto"] = Field(
        "auto", description="GPUs or, on a CPU, processes, on each machine; auto: one, or as torchrun says"
    )
    workers: Annotated[int, Field(ge=0, le=64)] = Field(0, description="loader processes; 0 gathers from memory")
    compile: bool = Field(False, description="torch.compile the training step's forward pass")


class Baseline(Section):
    """A model trained beside the main one, on the same data and for as many epochs."""

    model: ModelChoice | None = Field(None, description="the baseline's network")
    orbit_of: str | None = Field(None, description="instead of a network: the label of a baseline to average over D4")
    head: HeadChoice = Field(HeadChoice(name="mean"), description="its features; mean is the plain code for C1")
    augmentation: Augmentation | None = Field(None, description="null for the same as the main model's")
    objective: Objectives | None = Field(None, description="null for the same as the main model's")

    @model_validator(mode="after")
    def _one_of_two(self) -> Baseline:
        if (self.model is None) == (self.orbit_of is None):
            raise ValueError("exactly one of 'model' and 'orbit_of'")
        return self


class Evaluation(Section):
    """How much is measured."""

    orbit_images: Positive = Field(256, description="test images whose whole orbit is encoded")
    conditions: tuple[Literal["D4", "30deg", "any-angle"], ...] = Field(
        ("D4", "30deg", "any-angle"), description="transforms they are seen under; rectangles have D2 alone"
    )
    map_images: Positive = Field(500, description="test images whose feature maps are kept, where they are needed")
    processes: Annotated[int, Field(ge=1, le=64)] = Field(1, description="that share the encoding on a CPU")
    cache: StorablePath | None = Field(
        "auto", description="folder that keeps embeddings between evaluations; auto: the user's cache; null: none"
    )
    batch_size: Positive = Field(256, description="images a forward pass on a GPU; on a CPU passes have one size")


class Tracking(Section):
    """Where the curves go besides metrics.csv."""

    wandb: Literal["auto", "online", "offline", "disabled"] = Field(
        "auto", description="auto: online with an API key, else offline; never a prompt"
    )
    project: str = Field("eqae", min_length=1, max_length=128, description="W&B project")


class Config(Section):
    """One run: what is trained, on what, beside what, and how it is judged."""

    name: Label = Field("run", description="name of the run directory")
    output: StorablePath = Field("checkpoints", description="folder that holds run directories")
    seed: Annotated[int, Field(ge=0, lt=2**32)] = Field(0, description="of everything random")
    data: DataChoice = Field(DataChoice(), description="which images")
    model: ModelChoice = Field(ModelChoice(), description="which network")
    head: HeadChoice = Field(HeadChoice(), description="the features a loaded checkpoint gives")
    heads: tuple[HeadChoice, ...] = Field((), description="further heads to judge on the same trained model")
    objective: Objectives = Field(
        {"reconstruction": 1.0}, description="registered objectives: a weight, {from, to, until}, or {weight, options}"
    )
    augmentation: Augmentation = Field(Augmentation(), description="of training images")
    training: Training = Field(Training(), description="how the weights are found")
    baselines: dict[Label, Baseline] = Field({}, description="label -> model trained and judged beside")
    evaluators: dict[str, dict[str, Any]] = Field(
        {name: {} for name in DEFAULT_EVALUATORS}, description="all, a list of names, or name -> options"
    )
    evaluation: Evaluation = Field(Evaluation(), description="how much is measured")
    tracking: Tracking = Field(Tracking(), description="where the curves go")
    plugins: tuple[Module, ...] = Field((), description="the user's own modules, imported before training")

    @field_validator("evaluators", mode="before")
    @classmethod
    def _names_to_mapping(cls, value: Any) -> Any:
        if value == "all":
            return {name: {} for name in EVALUATORS}
        if isinstance(value, list | tuple):
            return {str(name): {} for name in value}
        if not isinstance(value, Mapping):
            raise ValueError("all, a list of names, or name: {options} lines")
        return value


def parse_config(raw: Mapping[str, Any], source: str = "config") -> Config:
    """A validated :class:`Config` from plain values.

    Raises:
        ConfigError: every unknown key (with a suggestion), wrong type and unknown name, all at once.
    """
    try:
        config = Config.model_validate(dict(raw))
    except ValidationError as error:
        raise ConfigError.of(_problems(error.errors(), source)) from None
    return config


def check_names(config: Config) -> None:
    """Look every registered name up, after plugins have added theirs.

    Raises:
        ConfigError: every unknown name, with the nearest one.
    """
    asked: list[tuple[Registry, str, str]] = [
        (DATASETS, config.data.name, "data.name"),
        (MODELS, config.model.name, "model.name"),
        (HEADS, config.head.name, "head.name"),
    ]
    asked += [(HEADS, head.name, f"heads[{i}]") for i, head in enumerate(config.heads)]
    asked += [(OBJECTIVES, name, f"objective.{name}") for name in config.objective]
    asked += [(EVALUATORS, name, f"evaluators.{name}") for name in config.evaluators]
    for label, baseline in config.baselines.items():
        asked.append((HEADS, baseline.head.name, f"baselines.{label}.head.name"))
        asked += [(OBJECTIVES, name, f"baselines.{label}.objective.{name}") for name in baseline.objective or ()]
        if baseline.model is not None:
            asked.append((MODELS, baseline.model.name, f"baselines.{label}.model.name"))
    problems = _repeated(config)
    problems += [problem for registry, name, where in asked for problem in _unknown(registry, name, where)]
    problems += _baseline_problems(config)
    if problems:
        raise ConfigError.of(problems)


def _repeated(config: Config) -> list[Problem]:
    """Heads, evaluators and objectives that stand in their list twice, under whatever spelling."""
    heads = [(f"heads[{i}]", (head.name.lower(), repr(head.options))) for i, head in enumerate(config.heads)]
    seen: set[tuple[str, str]] = set()
    problems = []
    named: list[tuple[str, Iterable[str]]] = [("evaluators", config.evaluators), ("objective", config.objective)]
    named += [(f"baselines.{label}.objective", one.objective or {}) for label, one in config.baselines.items()]
    lines = [(f"{section}.{name}", (name.lower(), section)) for section, names in named for name in names]
    for where, key in [*heads, *lines]:
        if key in seen:
            problems.append(Problem(where, f"{key[0]!r} a second time", "each once", "leave one of them out"))
        seen.add(key)
    return problems


def _unknown(registry: Registry, name: str, where: str) -> tuple[Problem, ...]:
    try:
        registry.canonical(name, where)
    except ConfigError as error:
        return error.problems
    return ()


def _baseline_problems(config: Config) -> list[Problem]:
    """Baselines that are called like the run, or average over a baseline which is not there or comes after."""
    seen: list[str] = []
    problems = []
    for label, baseline in config.baselines.items():
        if label == config.name:
            where, found = f"baselines.{label}", f"also the run's name ({config.name!r})"
            problems.append(Problem(where, found, "one label a model", "rename the baseline, or the run with name=..."))
        if baseline.orbit_of is not None and baseline.orbit_of not in seen:
            where, found = f"baselines.{label}.orbit_of", f"no baseline {baseline.orbit_of!r} above this one"
            problems.append(
                Problem(where, found, "the label of a baseline listed before", suggest(baseline.orbit_of, seen))
            )
        seen.append(label)
    return problems


def _problems(errors: Iterable[Any], source: str) -> list[Problem]:
    """One problem a place: a union says what each of its members expected."""
    merged: dict[str, Problem] = {}
    for problem in (_problem(error, source) for error in errors):
        known = merged.get(problem.where)
        expected = problem.expected if known is None else f"{known.expected} or {problem.expected}"
        merged[problem.where] = replace(problem, expected=expected)
    return list(merged.values())


def _problem(error: Mapping[str, Any], source: str) -> Problem:
    location = [str(part) for part in error["loc"] if not _UNION_MEMBER.match(str(part))]
    where = f"{source}: {'.'.join(location)}"
    if error["type"] == "extra_forbidden":
        return Problem(where, "unknown key", "a key of the schema", suggest(location[-1], _siblings(location[:-1])))
    if error["type"] == "missing":
        return Problem(where, "missing", "a value")
    return Problem(where, f"found {error['input']!r}"[:200], in_yaml_terms(error["msg"]))


_UNION_MEMBER = re.compile(r"constrained-|literal\[|function-|\[key\]")
"""Parts of a place that name no key of the file."""


def _siblings(location: list[str]) -> list[str]:
    """The known keys of the section at ``location``; labels of baselines are free and stand for any."""
    section: Any = Config
    for part in location:
        if isinstance(section, type) and issubclass(section, BaseModel) and part in section.model_fields:
            section = _section_type(section.model_fields[part].annotation)
    return [field.alias or name for name, field in section.model_fields.items()]


def _section_type(annotation: Any) -> Any:
    """The section class inside ``X | None``, ``dict[str, X]`` and the like."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    inner = (_section_type(argument) for argument in get_args(annotation))
    return next((found for found in inner if found is not None), None)
