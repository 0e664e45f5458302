"""What is said of attention, on weights known by hand and on networks."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from eqae.data.base import Dataset
from eqae.evaluation.attention import evaluate_attention
from eqae.evaluation.evidence import Attention, Evidence, NotAvailable, Score
from eqae.evaluation.extraction import FeatureModel, extract_evidence
from eqae.evaluation.views import Extraction
from eqae.groups import D4, get_group
from eqae.heads import build_head
from eqae.models import Autoencoder, build_model

NEEDS = Extraction(needs=frozenset({"attention", "orbits"}), conditions=("30deg", "D4"))


def scores_of(evidence: Evidence) -> dict[str, Score]:
    return {score.metric: score for score in evaluate_attention(evidence).scores}


def network(group: str, attention: int | None = 5) -> Autoencoder:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build_model("eqae", (1, 9, 9), {"group": group, "fields": [3], "code": 4, "attention": attention})


def evidence_of(model: Autoencoder, dataset: Dataset, extraction: Extraction = NEEDS) -> Evidence:
    return extract_evidence(FeatureModel("m", model, build_head("mean", model, {})), dataset, extraction)


def by_hand(peaks: list[int], turned: np.ndarray) -> Attention:
    """One-hot weights at ``peaks``; ``turned (n, O)`` holds the heaviest row under each element of D4."""
    eye = np.eye(8, dtype=np.float32)
    return Attention(eye[peaks], eye[turned], np.array(D4.cayley), "D4")


def test_certain_weights_have_no_entropy_and_undecided_ones_all_of_it(make_evidence: Callable[..., Evidence]) -> None:
    peaks = [0, 3, 5]
    turned = np.array([[D4.cayley[g][s] for g in range(8)] for s in peaks])
    certain = by_hand(peaks, turned)
    scores = scores_of(make_evidence(attention=certain))
    assert [scores[m].value for m in ("attention_entropy", "attention_peak_share", "pose_consistency")] == [0, 1, 1]
    assert scores["pose_consistency"].condition == "D4"
    undecided = replace(certain, test=np.full((3, 8), 1 / 8, np.float32))
    scores = scores_of(make_evidence(attention=undecided))
    assert scores["attention_entropy"].value == pytest.approx(math.log(8))
    assert scores["attention_peak_share"].value == 0


def test_a_pose_that_stays_or_moves_the_other_way_is_inconsistent(make_evidence: Callable[..., Evidence]) -> None:
    stays = by_hand([0, 1], np.array([[0] * 8, [1] * 8]))
    assert scores_of(make_evidence(attention=stays))["pose_consistency"].value == 0
    # To the right instead of to the left: right for s = e, and else only for what commutes with s.
    other = by_hand([0, 1], np.array([[D4.cayley[s][g] for g in range(8)] for s in (0, 1)]))
    assert scores_of(make_evidence(attention=other))["pose_consistency"].value == pytest.approx((1 + 3 / 7) / 2)


@pytest.mark.parametrize(("group", "shared"), [("C1", 1), ("D1", 2), ("C4", 4), ("D4", 8), ("C3", 1), ("D6", 4)])
def test_weights_are_those_of_the_network_and_move_as_the_images_do(
    make_dataset: Callable[..., Dataset], group: str, shared: int
) -> None:
    dataset, model, order = make_dataset(test=6), network(group), get_group(group).order
    attention = evidence_of(model, dataset).attention
    assert attention is not None
    model.eval()
    with torch.no_grad():
        expected = model.attention(model.encode(dataset.test.batch(slice(None))))
    assert expected is not None
    np.testing.assert_allclose(attention.test, expected.numpy(), atol=1e-5)
    assert (attention.turned.shape, attention.moves.shape) == ((6, shared, order), (shared, order))
    np.testing.assert_allclose(attention.turned[:, 0], attention.test, atol=1e-6)
    for o in range(shared):
        np.testing.assert_allclose(attention.turned[:, o][:, attention.moves[o]], attention.test, atol=1e-4)


def test_an_exact_network_turns_its_pose_with_every_image(make_dataset: Callable[..., Dataset]) -> None:
    scores = scores_of(evidence_of(network("D4"), make_dataset()))
    assert scores["pose_consistency"].value == 1
    trivial = scores_of(evidence_of(network("C1"), make_dataset()))["pose_consistency"]
    assert trivial.note == "not available: no symmetry of the grid moves the rows of V"


def test_what_is_not_there_is_said(make_dataset: Callable[..., Dataset]) -> None:
    dataset = make_dataset()
    evidence = evidence_of(network("D4", attention=None), dataset)
    assert evidence.attention is None
    with pytest.raises(NotAvailable, match="the model has no attention"):
        evaluate_attention(evidence)
    assert evidence_of(network("D4"), dataset, Extraction(needs=frozenset())).attention is None
    for narrow in (replace(NEEDS, needs=frozenset({"attention"})), replace(NEEDS, conditions=("30deg",))):
        scores = scores_of(evidence_of(network("D4"), dataset, narrow))
        assert scores["pose_consistency"].note == "not available: no images were turned by symmetries of the grid"
        assert scores["attention_entropy"].value > 0
