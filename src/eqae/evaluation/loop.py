"""The one loop that judges every model by the same evaluators."""

from __future__ import annotations

import math
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from eqae.data.base import UNLABELED
from eqae.errors import ConfigError, EqaeError
from eqae.evaluation.declaration import Need, Scale, needs_of, seconds_of
from eqae.evaluation.evidence import Evidence, Features, Findings, NotAvailable
from eqae.evaluation.projection import project as project_features
from eqae.evaluation.results import UNTRAINED, Results
from eqae.evaluation.scores import unavailable
from eqae.registry import EVALUATORS

Evaluators = Mapping[str, Mapping[str, Any]]
CHECKED_IMAGES = 1024
LARGEST = 1e15
"""Beyond it, squared distances of float32 features overflow."""
LOSABLE_SECONDS = 5.0
"""Judging that an interruption may cost: quick evaluators would else take less time than what keeps their figures."""


def needs_of_all(evaluators: Evaluators) -> frozenset[Need]:
    """What the registered evaluators of these names need from the extraction."""
    return frozenset().union(*(needs_of(EVALUATORS.get(name, f"evaluators.{name}")) for name in evaluators))


def judge(
    evidences: Iterable[Evidence],
    evaluators: Evaluators,
    announce: Callable[[str], None] | None = None,
    *,
    project: bool = False,
    keep: Callable[[Results], None] | None = None,
) -> Results:
    """Every evaluator on the evidence of every model.

    What an evaluator cannot say becomes a row with a note and no value. So does every evaluator for a model whose
    features are not finite, and one that fails for a reason of its own, whose traceback goes to stderr and whose name
    to :attr:`Results.failures`; all else is judged all the same.

    Args:
        evidences: one a model and head; may be a generator, so that only one is in memory at a time.
        evaluators: registered names with their options.
        announce: called with what is done next and about how long it takes, e.g. ``"eqae_p4m: clustering (12 s)"``.
        project: add the drawing ``"projection"``: PCA and t-SNE of the test features.
        keep: called with the results so far, so that an interruption does not lose them: after an evaluator, but not
            for the next five seconds, since it is given all rows each time.

    Raises:
        ConfigError: an unknown evaluator or option, or two models of one label.
    """
    results, say, seen = Results(), announce or (lambda _: None), set[str]()
    kept = _Kept(results, keep or (lambda _: None))
    for evidence in evidences:
        if evidence.model in seen:
            raise ConfigError("models", f"two are called {evidence.model!r}", "one label a model", "rename one of them")
        if evidence.model.endswith(UNTRAINED):
            raise ConfigError(
                "models", f"one is called {evidence.model!r}", f"a label without {UNTRAINED!r} at its end"
            )
        seen.add(evidence.model)
        _judge_one(results, evidence, evaluators, say, kept)
        if project and not _flaw(evidence):
            say(f"{evidence.model}: projection")
            projection = project_features(evidence.test, evidence.seed)
            if projection is not None:
                results.drawings[evidence.model, "projection"] = projection
        del evidence  # before the next one is made
    results.compare()
    return results


@dataclass
class _Kept:
    """What an interruption leaves of ``results``: those that ``keep`` had at ``moment``, on the monotonic clock."""

    results: Results
    keep: Callable[[Results], None]
    moment: float = -math.inf

    def refresh(self) -> None:
        """Keep the results of now, unless those kept are young."""
        if time.monotonic() - self.moment >= LOSABLE_SECONDS:
            self.results.compare()
            self.keep(self.results)
            self.moment = time.monotonic()


def _judge_one(
    results: Results, evidence: Evidence, evaluators: Evaluators, say: Callable[[str], None], kept: _Kept
) -> None:
    flaw, scale = _flaw(evidence), _scale(evidence)
    for name, options in evaluators.items():
        evaluator = EVALUATORS.get(name, f"evaluators.{name}")
        seconds, canonical = seconds_of(evaluator, scale), EVALUATORS.canonical(name)
        say(f"{evidence.model}: {name}" + ("" if seconds is None else f" ({_duration(seconds)})"))
        try:
            if reason := flaw or _flawed_maps(evidence, needs_of(evaluator)):
                raise NotAvailable(reason)
            findings: Findings = EVALUATORS.build(name, options, f"evaluators.{name}", evidence=evidence)
        except NotAvailable as reason:
            findings = Findings((unavailable(canonical, str(reason)),))
        except EqaeError:
            raise
        except Exception as error:  # hours of other figures must not be lost to it
            traceback.print_exc()
            results.failures.append(f"{evidence.model}: {name}")
            findings = Findings((unavailable(canonical, f"it failed ({type(error).__name__}: {error})"[:200]),))
        for score in findings.scores:
            results.add(evidence, canonical, score)
        results.drawings |= {(evidence.model, key): drawing for key, drawing in findings.drawings.items()}
        kept.refresh()


def _flaw(evidence: Evidence) -> str:
    """The first image whose features no distance can be taken of, in words; empty where there is none."""
    turned = {f"turned ({condition})": features for condition, features in evidence.turned.items()}
    for name, features in ({"training": evidence.train, "test": evidence.test} | turned).items():
        row = _first_flawed(features)
        if row is not None:
            image = row if features.index is None else int(features.index[row])
            finite = np.isfinite(features.values[row]).all()
            return f"the features of {name} image {image} are " + (
                f"beyond {LARGEST:g}" if finite else "NaN or infinite"
            )
    return ""


def _flawed_maps(evidence: Evidence, needs: frozenset[Need]) -> str:
    for layer, maps in evidence.maps.items() if "maps" in needs else ():
        sound = np.isfinite(maps.values).all(axis=(1, 2, 3))
        if not sound.all():
            return f"the feature maps ({layer}) of test image {int(maps.index[sound.argmin()])} are NaN"
    return ""


def _first_flawed(features: Features) -> int | None:
    for start in range(0, len(features.values), CHECKED_IMAGES):
        block = features.values[start : start + CHECKED_IMAGES]
        sound = (np.abs(block) <= LARGEST).all(axis=(1, 2))  # NaN is not
        if not sound.all():
            return start + int(sound.argmin())
    return None


def _scale(evidence: Evidence) -> Scale:
    labels = evidence.train.labels
    turned = max((len(features.values) for features in evidence.turned.values()), default=0)
    return Scale(
        train=len(labels),
        test=len(evidence.test.labels),
        width=evidence.test.values.shape[2],
        classes=len(np.unique(labels[labels != UNLABELED])),
        turned=turned,
    )


def _duration(seconds: float) -> str:
    """``"under 1 s"``, ``"about 12 s"``, ``"about 3 min"``."""
    if seconds < 1:
        return "under 1 s"
    return f"about {seconds:.0f} s" if seconds < 100 else f"about {seconds / 60:.0f} min"
