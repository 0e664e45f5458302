"""Every registered objective trains every encoder through every head that gradients pass."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from eqae.heads import build_head
from eqae.models import build_model
from eqae.objectives import Step, Subject, build_objective
from eqae.registry import HEADS, OBJECTIVES

CLASSES = 3
SHAPE = (1, 12, 12)
SMALL: dict[str, Any] = {"fields": [2, 3], "code": 4}
ENCODERS: tuple[tuple[str, str], ...] = (
    *(("eqae", group) for group in ("C1", "C2", "C4", "D1", "D2", "D4")),
    ("eqae_copies", "D4"), ("eqae_copies", "D12"), ("cnn", "D4"),
)  # fmt: skip
OPTIONS: dict[str, dict[str, Any]] = {
    "aligned_reconstruction": {"code": 4, "fields": [3, 4], "alignment": "minimum", "over": "D4"},
    "variational": {"code": 4, "fields": [3, 4], "over": "C4"},
    "prototypes": {"count": 3, "projection": [8, 4]},
    "neighbours": {"clusters": 2, "neighbours": 1},
    "contrastive": {"projection": [8, 4]},
    "vicreg": {"projection": [8, 4]},
}


@pytest.mark.parametrize("head_name", [name for name in HEADS.names() if name != "attention"])
@pytest.mark.parametrize(("model_name", "group"), ENCODERS)
def test_every_objective_reaches_the_weights(model_name: str, group: str, head_name: str) -> None:
    torch.manual_seed(0)
    options = SMALL | {"group": group}
    bare = build_model(model_name, SHAPE, options | {"decoder": False, "classes": CLASSES})
    attention = {} if bare.group.order == 1 else {"attention": 3}
    attentive = build_model(model_name, SHAPE, options | attention)
    images, labels = torch.rand(16, *SHAPE), torch.arange(8) % CLASSES
    for name in OBJECTIVES.names():
        if name == "attention_entropy" and not attention:
            continue  # to one row
        needs_decoder = name in ("reconstruction", "attention_entropy")
        model = (attentive if needs_decoder else bare).train()
        head = build_head(head_name, model, {})
        objective = build_objective(name, Subject.of(model, head, CLASSES), OPTIONS.get(name, {}))
        given = model(images) if needs_decoder else model.encode(images)
        step = Step.of(given, images, labels.repeat(2 // objective.views), objective.needs, model=model, head=head,
                       views=objective.views)  # fmt: skip
        model.zero_grad()
        loss = objective(step)
        loss.backward()
        first = next(model.parameters()).grad
        assert loss.isfinite(), name
        assert first is not None
        assert first.isfinite().all(), name
        assert first.abs().sum() > 0, name
