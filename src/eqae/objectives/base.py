"""What an objective is: a map from one step of training to the scalar that is minimised."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Set
from dataclasses import asdict, dataclass, fields
from typing import Any, get_args

from torch import Tensor, nn

from eqae.errors import ConfigError
from eqae.groups import Group
from eqae.heads.base import Head
from eqae.models.base import Autoencoder
from eqae.objectives.step import Need, Step
from eqae.registry import OBJECTIVES


@dataclass(frozen=True)
class Subject:
    """The model that an objective is built for, as far as it may know it.

    Attributes:
        group: of the model.
        channels: m.
        width: D, the number of features of the run's head.
        image_shape: ``(C, H, W)``.
        classes: how many the dataset names.
    """

    group: Group
    channels: int
    width: int
    image_shape: tuple[int, int, int]
    classes: int

    @classmethod
    def of(cls, model: Autoencoder, head: Head, classes: int) -> Subject:
        """A model under a head, on images of ``classes`` classes."""
        return cls(model.group, model.channels, head.width, model.image_shape, classes)


GIVEN = tuple(field.name for field in fields(Subject))
"""What the constructor of an objective may ask for, by name."""


class Objective(nn.Module):
    """Base of all objectives. What it learns itself (a projection, prototypes, a decoder of its own) is trained with
    the model and not stored with it.

    Attributes:
        needs: what it reads of a :class:`Step` beyond V.
        trains: whether it trains the decoder or classifier that it needs.
        views: how many views of each image it compares; one that compares none is shown as many as the others need.
        compares_images: whether the loss of an image depends on the others in the batch.
    """

    needs: frozenset[Need] = frozenset()
    trains: bool = True
    views: int = 1
    compares_images: bool = False

    def forward(self, step: Step) -> Tensor:
        """The mean over images, in float32; a scalar, finite for one image too."""
        raise NotImplementedError

    def spread(self, features: Tensor) -> float | None:
        """How much different images differ in what is compared of them: about 1 where they do, 0 after a collapse.

        None where nothing is compared that could collapse behind features which do not.

        Args:
            features: of the run's head, ``(B, D)``; they are standardised as in training.
        """
        return None

    def check(self, batch_size: int, images: int) -> None:
        """Refuse a training that cannot work.

        Args:
            batch_size: images a step; an epoch's last may have fewer or, where images are compared, half as many or
                up to half as many more. Held-out images, which are not trained on, come in batches of any size, of
                one image too.
            images: that are trained on.

        Raises:
            ConfigError: with what would work.
        """


def build_objective(name: str, subject: Subject, options: Mapping[str, Any], where: str = "objective") -> Objective:
    """The objective called ``name`` for ``subject``.

    Raises:
        ConfigError: unknown name or option, an objective that the model cannot be trained by, or one whose class asks
            for what is not there.
    """
    accepted = inspect.signature(OBJECTIVES.get(name, where)).parameters
    _check_constructor(name, accepted)
    context = {key: getattr(subject, key) for key in asdict(subject) if key in accepted}
    objective: Objective = OBJECTIVES.build(name, options, where, **context)
    check_needs(where, objective)
    return objective


def _check_constructor(name: str, accepted: Mapping[str, inspect.Parameter]) -> None:
    """Refuse a constructor that asks for what it is not given."""
    for parameter in accepted.values():
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD and parameter.name not in GIVEN:
            raise ConfigError(
                f"objective {name!r}", f"its constructor asks for {parameter.name!r}", ", ".join(GIVEN),
                "options are keyword-only, after a `*`",
            )  # fmt: skip


def check_needs(where: str, objective: Objective) -> None:
    """Refuse an objective whose ``needs`` name what no step has.

    Raises:
        ConfigError: it reads of none of these by that name.
    """
    needs: object = objective.needs  # whatever the code of a plugin says
    known = set(get_args(Need))
    if not isinstance(needs, Set) or needs - known:
        raise ConfigError(
            where, f"needs {needs!r}", f"a set out of {', '.join(get_args(Need))}", "mend `needs` in its class"
        )


def check_objectives(objectives: Mapping[str, Objective], model: Autoencoder, head: Head) -> None:
    """Refuse objectives that ask for what ``model`` has not.

    Raises:
        ConfigError: with the objective, and what to change.
    """
    for name, objective in objectives.items():
        if "decoder" in objective.needs and not model.has_decoder:
            raise ConfigError(
                f"objective.{name}", "the model has no decoder", "a model with one",
                "set model.decoder: true, or remove this objective",
            )  # fmt: skip
        if "classifier" in objective.needs and not model.classes:
            raise ConfigError(
                f"objective.{name}", "the model has no classifier", "a model with one",
                "set model.classes to the number of classes",
            )  # fmt: skip
        if "features" in objective.needs and head.needs_fit:
            raise ConfigError(
                "head", "it is fitted after training", f"a head that objective.{name} can train through",
                "leave whiten and pca to the list of heads, which are judged on the trained model",
            )  # fmt: skip


def check_all_trained(objectives: Mapping[str, Objective], model: Autoencoder) -> None:
    """Refuse a decoder or classifier that none of ``objectives``, those that count, would train.

    Raises:
        ConfigError: with what to change.
    """
    trained = frozenset[Need]().union(*(objective.needs for objective in objectives.values() if objective.trains))
    if model.classes and "classifier" not in trained:
        raise ConfigError(
            "model.classes", f"{model.classes}, and no objective with a weight trains a classifier", "one that does",
            "leave model.classes out, or add objective.cross_entropy=1.0",
        )  # fmt: skip
    if model.has_decoder and "decoder" not in trained:
        raise ConfigError(
            "objective", f"{', '.join(objectives)}: none of them trains the decoder", "one that does",
            "set model.decoder: false, or add objective.reconstruction=1.0",
        )  # fmt: skip
