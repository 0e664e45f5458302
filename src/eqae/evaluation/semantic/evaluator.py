"""Whether images that mean the same look the same to a layer once positions may be matched."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge
from numpy.typing import NDArray
from scipy.special import softmax

from eqae.data.base import UNLABELED
from eqae.evaluation.bootstrap import bootstrap_mean, bootstrap_statistic
from eqae.evaluation.declaration import evaluator
from eqae.evaluation.evidence import Evidence, FeatureMaps, Findings, IntArray, NotAvailable, Score
from eqae.evaluation.linear_probe import linear_probe
from eqae.evaluation.pairs import pair_score
from eqae.evaluation.sampling import spread_evenly
from eqae.evaluation.scores import mean_score, unavailable
from eqae.evaluation.semantic.assignment import Match, Method, match_exactly
from eqae.evaluation.semantic.cka import kernel_alignment
from eqae.evaluation.semantic.divergence import Correlation, jensen_shannon, pair_correlation
from eqae.evaluation.semantic.kernels import cosine_kernel, rbf_kernel, smallest_eigenvalue
from eqae.evaluation.semantic.optimality import optimality_ratios
from eqae.evaluation.semantic.retrieval import average_precision, neighbours, recall_at
from eqae.evaluation.semantic.scrambling import scrambled_cosines
from eqae.evaluation.semantic.search import most_similar
from eqae.evaluation.semantic.similarity import DoubleArray, Similarities, similarities
from eqae.evaluation.semantic.swaps import match_by_swaps
from eqae.evaluation.semantic.tokens import TokenKind, TokenSets, token_sets
from eqae.evaluation.semantic.windows import match_in_windows

_MOST_TOKENS: dict[Method, int] = {"exact": 64, "swaps": 256, "windowed": 256}
_DRAWN = 100  # images in a drawing
_SAMPLED = 100  # pairs on which an approximate solver is held against the exact one
_CORRELATIONS: dict[str, Correlation] = {"correlation": "pearson", "rank_correlation": "spearman"}


@evaluator(needs={"maps"}, cost=lambda scale: 6.0)
def evaluate_semantic(
    evidence: Evidence,
    *,
    images: Annotated[int, Ge(2)] = 200,
    tokens: TokenKind = "invariant",
    method: Method = "exact",
    window: Annotated[int, Ge(2)] = 28,
    background: Annotated[float, Ge(0)] = 0.0,
) -> Findings:
    """Spatial and semantic similarity matrices of feature maps (Wald et al., NeurIPS 2024), layer by layer.

    Spatial similarity compares maps position by position; semantic similarity matches the positions of two maps one
    to one, as their tokens agree best, and so sees what is shown and not where. Each figure has its layer as
    condition. By layer, of cosines unless told otherwise:

    * ``semantic_retrieval_recall_at_1``, ``..._at_5``, ``..._map`` and ``spatial_...``: nearest images of the same
      class, and mean average precision. For the deepest layer also ``semantic_inner_recall_at_1``,
      ``semantic_rbf_recall_at_1`` and ``spatial_...`` with the other two kernels, from the same assignments, and
      ``semantic_position_recall_at_1``, always exact, of tokens that still know their orientation.
    * ``semantic_divergence_correlation`` (Pearson), ``semantic_divergence_rank_correlation`` (Spearman) and
      ``spatial_...``: between the similarity and the Jensen-Shannon divergence of the predicted class probabilities,
      those of the model's own classifier or of the linear probe, over all pairs. Negative is good.
    * ``semantic_spatial_cka``: centred alignment of the two inner-product matrices. ``semantic_spatial_gap``: mean
      over other images of semantic less spatial similarity.
    * ``semantic_min_eigenvalue`` of the semantic matrix, which need not be positive semi-definite.
    * ``spatial_scrambled_cosine`` and ``semantic_scrambled_cosine``: the control. An image against its own tokens in
      random order, a picture nobody would recognise: semantic similarity is 1 all the same.
    * ``semantic_optimality``, for approximate methods: what they attain as a share of the optimum.

    Maps with more than 64 tokens (256 for approximate methods) are averaged to fewer, symmetrically. Intervals of
    figures over pairs (correlations, alignment, gap) resample images, not pairs; those of recall and mean average
    precision resample queries against a fixed gallery, and are somewhat narrow for it.

    Drawing ``"semantic_matrices"``: both cosine matrices of at most 100 images of the deepest layer, sorted by class.

    Args:
        evidence: of one model, with feature maps.
        images: spread evenly over those with maps; pairs, and time, grow with their square.
        tokens: ``"position"``: a vector a position, orientation included; ``"element"``: a vector a position and
            group element; ``"invariant"``: mean and maximum over the group elements, a vector a position.
        method: ``"exact"`` solves every assignment; ``"swaps"`` sorts and exchanges, several times faster on maps of
            14x14; ``"windowed"`` solves within windows of tokens sorted by norm.
        window: tokens in a window.
        background: tokens shorter than this share of the layer's median token are zeroed in every image; 0 is off.

    Raises:
        NotAvailable: no feature maps, or fewer than two images.
    """
    if not evidence.maps:
        raise NotAvailable("the model has no feature maps")
    count = len(next(iter(evidence.maps.values())).values)
    if count < 2:
        raise NotAvailable("fewer than two images with feature maps")
    return _by_layer(evidence, spread_evenly(count, images), _Settings(tokens, method, window, background))


def _by_layer(evidence: Evidence, chosen: IntArray, settings: _Settings) -> Findings:
    """What every layer says of the ``chosen`` images, and the deepest one besides."""
    deepest = list(evidence.maps)[-1]
    scores: list[Score] = []
    drawings: dict[str, Any] = {}
    divergences = _divergences(evidence, evidence.maps[deepest].index[chosen])
    for name, maps in evidence.maps.items():
        layer = _Layer(name, maps, chosen, settings, evidence.seed)
        scores += layer.scores(divergences)
        if name == deepest:
            scores += layer.contrasts()
            drawings["semantic_matrices"] = layer.drawing(evidence.class_names)
    return Findings(tuple(scores), drawings)


def _divergences(evidence: Evidence, index: IntArray) -> DoubleArray | str:
    """Divergence of the class probabilities of every two test images, ``(n, n)``, or why there are none."""
    if evidence.logits is not None:
        return jensen_shannon(softmax(evidence.logits[index].astype(np.float64), axis=1))
    try:
        return jensen_shannon(softmax(linear_probe(evidence).logits(evidence.test.upright[index]), axis=1))
    except NotAvailable as reason:
        return str(reason)


@dataclass(frozen=True)
class _Settings:
    """What the user chose."""

    tokens: TokenKind
    method: Method
    window: int
    background: float

    @property
    def match(self) -> Match:
        return {"exact": match_exactly, "swaps": match_by_swaps, "windowed": match_in_windows(self.window)}[self.method]


@dataclass(frozen=True, eq=False)
class _Layer:
    """One layer of one model, and its figures."""

    name: str
    maps: FeatureMaps
    images: IntArray
    settings: _Settings
    seed: int

    @cached_property
    def tokens(self) -> TokenSets:
        return self._token_sets(self.settings.tokens, self.settings.method)

    @cached_property
    def inner(self) -> Similarities:
        return similarities(self.tokens, self.settings.match)

    @cached_property
    def cosines(self) -> Similarities:
        return Similarities(cosine_kernel(self.inner.spatial), cosine_kernel(self.inner.semantic))

    @cached_property
    def labels(self) -> IntArray:
        return self.maps.labels[self.images]

    def scores(self, divergences: DoubleArray | str) -> Iterator[Score]:
        """All figures of every layer."""
        for kind, similarity in (("semantic", self.cosines.semantic), ("spatial", self.cosines.spatial)):
            yield from self._retrieval(f"{kind}_retrieval", similarity)
            yield from self._correlations(f"{kind}_divergence", similarity, divergences)
        yield self._alignment()
        yield self._gap()
        smallest = smallest_eigenvalue(self.cosines.semantic)
        yield Score("semantic_min_eigenvalue", smallest, None, None, True, len(self.images), self.name)
        control = scrambled_cosines(self.tokens, self.settings.match, self.seed)
        yield self._mean("spatial_scrambled_cosine", control.spatial)
        yield self._mean("semantic_scrambled_cosine", control.semantic)
        if self.settings.method != "exact":
            yield self._optimality()

    def contrasts(self) -> Iterator[Score]:
        """Recall with the other kernels, and with tokens that are not invariant."""
        for kind, inner in (("semantic", self.inner.semantic), ("spatial", self.inner.spatial)):
            yield self._recall(f"{kind}_inner_recall_at_1", self._ranked(inner))
            yield self._recall(f"{kind}_rbf_recall_at_1", self._ranked(rbf_kernel(inner)))
        if self.settings.tokens != "position":
            known = TokenSets(self._token_sets("position", "exact").values[self._known])
            yield self._recall("semantic_position_recall_at_1", most_similar(known, 1).ranked)

    def drawing(self, class_names: tuple[str, ...]) -> dict[str, Any]:
        """Both matrices of some images, sorted by class."""
        some = spread_evenly(len(self.images), _DRAWN)
        order = some[np.argsort(self.labels[some], kind="stable")]
        return {
            "layer": self.name,
            "spatial": self.cosines.spatial[np.ix_(order, order)].astype(np.float16).tolist(),
            "semantic": self.cosines.semantic[np.ix_(order, order)].astype(np.float16).tolist(),
            "labels": self.labels[order].tolist(),
            "classes": list(class_names),
        }

    def _token_sets(self, kind: TokenKind, method: Method) -> TokenSets:
        return token_sets(self.maps, self.images, kind, _MOST_TOKENS[method], self.settings.background)

    @cached_property
    def _known(self) -> NDArray[np.bool_]:
        return self.labels != UNLABELED

    def _ranked(self, similarity: DoubleArray) -> IntArray:
        """Neighbours among the labelled images."""
        return neighbours(similarity[np.ix_(self._known, self._known)], self.seed)

    def _retrieval(self, prefix: str, similarity: DoubleArray) -> Iterator[Score]:
        ranked = self._ranked(similarity)
        for k in (1, 5):
            yield self._recall(f"{prefix}_recall_at_{k}", ranked, k)
        yield self._labelled(f"{prefix}_map", average_precision(ranked, self.labels[self._known]))

    def _recall(self, metric: str, ranked: IntArray, k: int = 1) -> Score:
        return self._labelled(metric, recall_at(ranked, self.labels[self._known], k))

    def _labelled(self, metric: str, samples: DoubleArray) -> Score:
        """The mean of one value a labelled image."""
        if not np.isfinite(samples).any():
            return unavailable(metric, "no two images of one class", condition=self.name)
        everyone = np.full(len(self.images), np.nan)
        everyone[self._known] = samples
        return self._mean(metric, everyone)

    def _correlations(self, prefix: str, similarity: DoubleArray, divergences: DoubleArray | str) -> Iterator[Score]:
        for suffix, kind in _CORRELATIONS.items():
            metric = f"{prefix}_{suffix}"
            if isinstance(divergences, str):
                yield unavailable(metric, divergences, higher_is_better=False, condition=self.name)
                continue
            value, (low, high) = pair_correlation(similarity, divergences, kind, self.seed)
            if np.isfinite(value):
                yield Score(metric, value, low, high, False, len(self.images), self.name)
            else:
                why = "similarities or predictions do not vary"
                yield unavailable(metric, why, higher_is_better=False, condition=self.name)

    def _alignment(self) -> Score:
        def drawn(draw: IntArray) -> float:
            return kernel_alignment(semantic[np.ix_(draw, draw)], spatial[np.ix_(draw, draw)])

        semantic, spatial = self.inner.semantic, self.inner.spatial
        value = kernel_alignment(semantic, spatial)
        if not np.isfinite(value):
            return unavailable("semantic_spatial_cka", "similarities do not vary", condition=self.name)
        low, high = bootstrap_statistic(drawn, value, len(self.images), self.seed)
        return Score("semantic_spatial_cka", value, low, high, True, len(self.images), self.name)

    def _gap(self) -> Score:
        gained = self.cosines.semantic - self.cosines.spatial
        return pair_score("semantic_spatial_gap", gained, self.seed, higher_is_better=True, condition=self.name)

    def _optimality(self) -> Score:
        ratios = optimality_ratios(self.tokens, self.settings.match, _SAMPLED, self.seed)
        if not len(ratios):
            return unavailable("semantic_optimality", "the maps are zero", condition=self.name)
        low, high = bootstrap_mean(ratios, self.seed)
        return Score("semantic_optimality", float(ratios.mean()), low, high, True, 2 * len(ratios), self.name)

    def _mean(self, metric: str, samples: DoubleArray) -> Score:
        if not np.isfinite(samples).any():
            return unavailable(metric, "the maps are zero", condition=self.name)
        return mean_score(metric, samples, seed=self.seed, higher_is_better=True, condition=self.name)
