"""Names and what they stand for: the vocabulary of YAML, dashboards, tables and checkpoints.

To add a group, model, head, objective, dataset or evaluator, write one file and add one line to a table below. Names
resolve to ``module:attribute`` and are imported when first asked for, so that listing names and checking a config
costs nothing. The tables are closed: nothing read from a file can name a module. A user's own code joins by
``plugins: [my_module]`` in their YAML; that module calls, say, ``HEADS.add("mine", MyHead)``.

What a name stands for declares its options as keyword-only parameters; :meth:`Registry.build` checks a config's
options against them by name and type before it calls it.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, get_type_hints

from eqae.errors import ConfigError, Problem, in_yaml_terms, suggest


class Registry:
    """An ordered table of names of one kind.

    Args:
        kind: what the names stand for, in messages.
        entries: ``"module:attribute"`` by name.
        aliases: names by other spellings.
        beside: a key that a config holds beside the options, so that no option can have its name.

    Example:
        >>> HEADS.names()[:2]
        ('mean', 'max')
    """

    def __init__(
        self, kind: str, entries: Mapping[str, str], aliases: Mapping[str, str] | None = None, *, beside: str = ""
    ) -> None:
        self.kind = kind
        self.beside = beside
        self._targets: dict[str, Any] = dict(entries)
        self._aliases = dict(aliases or {})

    def __iter__(self) -> Iterator[str]:
        return iter(self._targets)

    def __contains__(self, name: object) -> bool:
        return name in self._targets or name in self._aliases

    def names(self) -> tuple[str, ...]:
        """All names, in the order of registration, aliases excluded."""
        return tuple(self._targets)

    def aliases(self) -> dict[str, str]:
        """Other spellings of registered names."""
        return dict(self._aliases)

    def add(self, name: str, target: object) -> None:
        """Register ``target`` (an object, or ``"module:attribute"``) under a new ``name``.

        Raises:
            ConfigError: the name is taken; names are never reused.
        """
        if name in self:
            raise ConfigError(f"{self.kind} {name!r}", "this name is registered already", "a new name")
        self._targets[name] = target

    def canonical(self, name: str, where: str | None = None) -> str:
        """The registered spelling of ``name``, which may be an alias or differ in case.

        Raises:
            ConfigError: no such name, with the nearest one.
        """
        spellings = {known.lower(): known for known in self._targets}
        spellings |= {alias.lower(): target for alias, target in self._aliases.items()}
        try:
            return spellings[name.lower()]
        except KeyError:
            fix = suggest(name, [*self._targets, *self._aliases])
            found = f"unknown {self.kind} {name!r}"
            raise ConfigError(where or self.kind, found, f"a registered {self.kind}", fix) from None

    def get(self, name: str, where: str | None = None) -> Any:
        """What ``name`` stands for, imported now if it was not yet.

        Raises:
            ConfigError: no such name, with the nearest one.
        """
        name = self.canonical(name, where)
        target = self._targets[name]
        if isinstance(target, str):
            module, attribute = target.split(":")
            target = self._targets[name] = getattr(import_module(module), attribute)
        return target

    def location(self, name: str) -> tuple[str, str] | None:
        """Module and attribute behind ``name`` while it has not been imported; None once it has."""
        target = self._targets[self.canonical(name)]
        if not isinstance(target, str):
            return None
        module, attribute = target.split(":")
        return module, attribute

    def check(self, name: str, options: Mapping[str, Any], where: str, provided: set[str]) -> None:
        """Check ``options`` as :meth:`build` would, without calling anything.

        Raises:
            ConfigError: as :meth:`build`.
        """
        self._checked(name, options, where, provided)

    def _checked(self, name: str, options: Mapping[str, Any], where: str, provided: set[str]) -> dict[str, Any]:
        target = self.get(name, where)
        if self.beside in option_parameters(target, provided):
            found = f"an option called {self.beside!r}"
            raise ConfigError(f"{self.kind} {name!r}", found, "another name: that key has a meaning of its own")
        return check_options(target, options, where, provided, self.beside)

    def build(self, name: str, options: Mapping[str, Any], where: str, **context: Any) -> Any:
        """Call what ``name`` stands for with ``context`` and the checked ``options``.

        Args:
            name: a registered name.
            options: what the user wrote; keys and types are checked against the keyword-only parameters.
            where: the config key that holds the options, for messages.
            context: arguments the framework provides; never taken from the user.

        Raises:
            ConfigError: an unknown, missing or ill-typed option; all of them are named at once. Or one that nobody
                could set, since a config reads its name otherwise.
        """
        return self.get(name, where)(**context, **self._checked(name, options, where, set(context)))


def option_parameters(target: Any, provided: set[str] | frozenset[str] = frozenset()) -> dict[str, inspect.Parameter]:
    """The keyword-only parameters of ``target`` that a user may set, by name."""
    parameters = inspect.signature(target).parameters.values()
    return {p.name: p for p in parameters if p.kind is p.KEYWORD_ONLY and p.name not in provided}


def check_options(
    target: Any, options: Mapping[str, Any], where: str, provided: set[str], beside: str = ""
) -> dict[str, Any]:
    """``options`` converted to the types ``target`` declares; ``beside`` is a further key that a user may have meant.

    Raises:
        ConfigError: every unknown, missing or ill-typed option, at once.
    """
    from pydantic import ValidationError

    parameters = option_parameters(target, provided)
    hints = get_type_hints(target.__init__ if inspect.isclass(target) else target, include_extras=True)
    checked: dict[str, Any] = {}
    problems = [
        Problem(f"{where}.{key}", "unknown option", f"an option of {where}",
                suggest(key, parameters, also=[beside]) or f"{where} takes no options: remove it")
        for key in options if key not in parameters
    ]  # fmt: skip
    for key, parameter in parameters.items():
        if key in options:
            try:
                checked[key] = _validated(hints.get(key, Any), options[key])
            except ValidationError as error:
                expected = in_yaml_terms(error.errors()[0]["msg"])
                problems.append(Problem(f"{where}.{key}", f"found {options[key]!r}", expected))
                continue
            if _boolean_became_a_number(options[key], checked[key]):
                expected = "a number or a word, not a boolean"
                problems.append(Problem(f"{where}.{key}", f"found {options[key]!r}", expected))
        elif parameter.default is parameter.empty:
            problems.append(Problem(f"{where}.{key}", "missing", "a value"))
    if problems:
        raise ConfigError.of(problems)
    return checked


def _validated(hint: Any, value: Any) -> Any:
    """``value`` as ``hint`` asks; no number is infinite."""
    from pydantic import ConfigDict, TypeAdapter

    # In a tuple, because classes that are schemas themselves refuse a config.
    (found,) = TypeAdapter(tuple[hint], config=ConfigDict(allow_inf_nan=False)).validate_python((value,))
    return found


def _boolean_became_a_number(given: Any, made: Any) -> bool:
    """Whether ``true`` or ``false`` was written where a number belongs, at any depth."""
    if isinstance(given, bool):
        return not isinstance(made, bool) and isinstance(made, int | float)
    if isinstance(given, Mapping) and isinstance(made, Mapping):
        return any(_boolean_became_a_number(value, made.get(key)) for key, value in given.items())
    if isinstance(given, list | tuple) and isinstance(made, list | tuple):
        return any(map(_boolean_became_a_number, given, made))
    return False


LARGEST_ORDER = 48
"""Of a group: the layers hold |G|² copies of each filter, the correlation head |G| features a pair of channels."""

GROUPS = Registry(
    "group",
    {
        name: f"eqae.groups:{name}"
        for name in (
            *(f"C{n}" for n in range(1, LARGEST_ORDER + 1)),
            *(f"D{n}" for n in range(1, LARGEST_ORDER // 2 + 1)),
        )
    },
    aliases={"p1": "C1", "p2": "C2", "p4": "C4", "pm": "D1", "pmm": "D2", "p4m": "D4"},
)
MODELS = Registry(
    "model",
    {
        "eqae": "eqae.models.eqae:build_eqae",
        "eqae_copies": "eqae.models.eqae:build_eqae_copies",
        "cnn": "eqae.models.cnn:build_cnn",
        "cnn_antialiased": "eqae.models.cnn:build_cnn_antialiased",
        "orbit_mean": "eqae.models.orbit_mean:build_orbit_mean",
        "pca": "eqae.models.pca:build_pca",
        "zernike": "eqae.models.zernike:build_zernike",
        "backbone": "eqae.models.backbone:build_backbone",
    },
    beside="name",
)
HEADS = Registry(
    "head",
    {
        "mean": "eqae.heads.mean:MeanHead",
        "max": "eqae.heads.max:MaxHead",
        "mean_max": "eqae.heads.mean_max:MeanMaxHead",
        "gram": "eqae.heads.gram:GramHead",
        "gram_banded": "eqae.heads.gram:BandedGramHead",
        "correlation": "eqae.heads.correlation:CorrelationHead",
        "triple_correlation": "eqae.heads.triple_correlation:TripleCorrelationHead",
        "bispectrum": "eqae.heads.bispectrum:BispectrumHead",
        "selective_bispectrum": "eqae.heads.selective_bispectrum:SelectiveBispectrumHead",
        "attention": "eqae.heads.attention:AttentionHead",
    },
    beside="name",
)
OBJECTIVES = Registry(
    "objective",
    {
        "reconstruction": "eqae.objectives.reconstruction:PixelReconstruction",
        "attention_entropy": "eqae.objectives.attention_entropy:AttentionEntropy",
        "aligned_reconstruction": "eqae.objectives.aligned_reconstruction:AlignedReconstruction",
        "variational": "eqae.objectives.variational:Variational",
        "contrastive": "eqae.objectives.contrastive:Contrastive",
        "vicreg": "eqae.objectives.vicreg:VICReg",
        "prototypes": "eqae.objectives.prototypes:Prototypes",
        "neighbours": "eqae.objectives.neighbours:Neighbours",
        "cross_entropy": "eqae.objectives.cross_entropy:CrossEntropy",
    },
    beside="weight",
)
DATASETS = Registry(
    "dataset",
    {
        "digits": "eqae.data.digits:load_digits",
        "o2-digits": "eqae.data.digits:load_o2_digits",
        "mnist": "eqae.data.mnist:load_mnist",
        "o2-mnist-12k": "eqae.data.mnist:load_o2_mnist_12k",
        "so2-mnist-12k": "eqae.data.mnist:load_so2_mnist_12k",
        "o2-mnist-centred-12k": "eqae.data.mnist:load_o2_mnist_centred_12k",
        "so2-mnist-centred-12k": "eqae.data.mnist:load_so2_mnist_centred_12k",
        "fashion-mnist": "eqae.data.mnist:load_fashion_mnist",
        "o2-fashion-12k": "eqae.data.mnist:load_o2_fashion_12k",
        "so2-fashion-12k": "eqae.data.mnist:load_so2_fashion_12k",
        "plankton": "eqae.data.plankton:load_plankton",
        "npz": "eqae.data.npz:load_npz",
        "folder": "eqae.data.folder:load_folder",
    },
    beside="name",
)
EVALUATORS = Registry(
    "evaluator",
    {
        "reconstruction": "eqae.evaluation.reconstruction:evaluate_reconstruction",
        "invariance": "eqae.evaluation.invariance:evaluate_invariance",
        "classification": "eqae.evaluation.classification:evaluate_classification",
        "clustering": "eqae.evaluation.clustering:evaluate_clustering",
        "label_free": "eqae.evaluation.label_free:evaluate_label_free",
        "shift": "eqae.evaluation.shift.evaluator:evaluate_shift",
        "retrieval": "eqae.evaluation.retrieval.evaluator:evaluate_retrieval",
        "spectrum": "eqae.evaluation.representation.spectrum:evaluate_spectrum",
        "stability": "eqae.evaluation.representation.stability:evaluate_stability",
        "dependence": "eqae.evaluation.representation.dependence:evaluate_dependence",
        "uniformity": "eqae.evaluation.representation.uniformity:evaluate_uniformity",
        "operating_point": "eqae.evaluation.representation.operating_point:evaluate_operating_point",
        "intrinsic_dimension": "eqae.evaluation.representation.intrinsic_dimension:evaluate_intrinsic_dimension",
        "novelty": "eqae.evaluation.representation.novelty:evaluate_novelty",
        "neural_collapse": "eqae.evaluation.representation.neural_collapse:evaluate_neural_collapse",
        "calibration": "eqae.evaluation.representation.calibration:evaluate_calibration",
        "subgroups": "eqae.evaluation.representation.subgroups:evaluate_subgroups",
        "attention": "eqae.evaluation.attention:evaluate_attention",
        "semantic": "eqae.evaluation.semantic.evaluator:evaluate_semantic",
        "regions": "eqae.evaluation.geometry.region_evaluation:evaluate_regions",
        "hulls": "eqae.evaluation.geometry.hull_evaluation:evaluate_hulls",
    },
)
DEFAULT_EVALUATORS = (
    "reconstruction", "invariance", "classification", "clustering", "label_free", "retrieval", "spectrum", "stability",
    "dependence", "uniformity", "operating_point", "intrinsic_dimension", "novelty", "neural_collapse", "calibration",
    "subgroups",
)  # fmt: skip
"""What is judged where nothing else is asked for: a few seconds each. ``evaluators: all`` adds the long studies."""
