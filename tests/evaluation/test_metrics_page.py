"""The page on metrics has every figure that an evaluator gives, with its direction and its range."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from eqae.evaluation.evidence import Evidence, Findings, Score
from eqae.registry import EVALUATORS

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
LINE = re.compile(r"^\| `(\w+)` \| ([^|]+) \| ([↑↓]) \|", re.MULTILINE)
APPROXIMATE = {"semantic": {"method": "swaps"}}
"""Options that add figures."""
RARE = {"classifier_accuracy", "shift_stride_artefact"}
"""Figures that images as small as those of the evidence do not give."""
SLACK = 1e-6  # of cosines and shares in single precision

Told = dict[str, tuple[float, float, bool]]


def bounds(text: str) -> tuple[float, float]:
    """``0 to 1``, ``0 up`` or ``any`` as two numbers."""
    if text == "any":
        return -math.inf, math.inf
    low, _, high = text.replace("−", "-").partition(" to ")
    return (float(low), float(high)) if high else (float(low.removesuffix(" up")), math.inf)


@pytest.fixture(scope="module")
def told() -> dict[str, Told]:
    """By evaluator, every figure of its section: its least and largest value, and whether more is better."""
    _, *parts = re.split(r"^## (\w+)$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    sections = dict(zip(parts[::2], parts[1::2], strict=True))
    return {
        name: {metric: (*bounds(span), arrow == "↑") for metric, span, arrow in LINE.findall(section)}
        for name, section in sections.items()
    }


@pytest.mark.parametrize("name", EVALUATORS.names())
def test_the_page_tells_every_figure_of_an_evaluator_and_no_other(
    name: str, told: dict[str, Told], make_evidence: Callable[..., Evidence]
) -> None:
    evaluate: Callable[..., Findings] = EVALUATORS.get(name)
    scores: tuple[Score, ...] = evaluate(make_evidence(separation=1.0), **APPROXIMATE.get(name, {})).scores
    given = {score.metric for score in scores}
    assert given <= set(told[name]) <= given | RARE
    for score in scores:
        low, high, more_is_better = told[name][score.metric]
        assert score.higher_is_better == more_is_better, score.metric
        assert math.isnan(score.value) or low - SLACK <= score.value <= high + SLACK, f"{score.metric}: {score.value}"
