"""The evaluator of shift invariance."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
import torch
from annotated_types import Ge

from eqae.data.base import Images
from eqae.evaluation.declaration import evaluator
from eqae.evaluation.evidence import Encoder, Evidence, Findings, NotAvailable, Score
from eqae.evaluation.linear_probe import linear_probe
from eqae.evaluation.sampling import spread_evenly
from eqae.evaluation.scores import unavailable
from eqae.evaluation.shift.canvas import ANCHORS, Background, Stage, make_background
from eqae.evaluation.shift.maps import Predict, ShiftMaps, shift_maps
from eqae.evaluation.shift.orbit import orbit_findings
from eqae.evaluation.shift.scores import (
    artefact_scores,
    consistency_scores,
    cosine_scores,
    interior_score,
    local_radii,
    position_scores,
)
from eqae.evaluation.shift.sprites import Sprites, cut_sprites

_PROBED = 8  # sprites whose position is read from features
_LARGEST_EXAMPLE = 112  # pixels
_MARGIN = 1 / 8  # of the frame, around its interior


@evaluator(needs={"encoder", "pixels", "orbits"}, cost=lambda scale: 5 + scale.width / 500)
def evaluate_shift(
    evidence: Evidence,
    *,
    sprites: Annotated[int, Ge(1)] = 48,
    stride: Annotated[int, Ge(1)] = 1,
    background: Background = "zero",
    batch_size: Annotated[int, Ge(1)] = 256,
) -> Findings:
    """How features change when an object moves over the frame, and when it turns.

    Objects are cut out of test images, as what differs from the colour of the border, resized once to half the frame
    and put at every position of a grid, by whole pixels. Intervals resample objects, never positions or pairs.

    * ``shift_global_cosine`` by anchor (TL, TR, C, BL, BR): mean over positions of the cosine between the features
      there and at the anchor (Lee et al. 2020); ``shift_worst_cosine``: the lowest over positions and anchors.
    * ``shift_interior_cosine``: to the centre, over positions that keep an eighth of the frame clear on every side,
      which tells effects of the frame's edge and padding apart; shifts are shorter there, too.
    * ``shift_local_cosine``: between positions at most 1, 3 or 5 pixels apart along either axis.
    * ``shift_cosine_floor``: between different objects at equal positions; a constant extractor has 1.
    * ``shift_invariance_ratio``: mean cosine distance of an object to itself at other positions over that of
      different objects at equal positions (own formulation): 0 is invariant, at 1 position matters as much as
      identity; a constant extractor has none.
    * ``shift_stride_artefact``: see :func:`eqae.evaluation.shift.artefact.stride_artefact`.
    * ``shift_decodability`` and ``shift_position_r2``: area under the ROC curve of a linear probe that tells halves
      of the frame apart, and what ridge regression explains of row and column; for 8 objects, at no more than
      24 x 24 positions, from 32 principal components.
    * ``shift_prediction_consistency``: probability that two placements get the same label from the linear probe
      (after Zhang 2019, whose crops cut images), over the whole frame and up to 7 pixels apart. Its control,
      ``shift_prediction_floor``: how often different objects at equal positions get the same label; 1 for a probe
      that answers one class everywhere. Objects of one class agree rightly.
    * ``orbit_cosine`` by condition: between features of an image and of its turned copies, and
      ``orbit_cosine_floor``: between different images.

    Features that are all zero have the cosine 0 with any other, and are counted in the drawing.

    Drawings: ``"shift_maps"``: ``maps`` by anchor, means over objects ``(rows, columns)``; ``anchors``, their row and
    column; ``floor``; ``undefined``, the number of placements without features; ``placements`` and ``objects``;
    ``coverage``, the mean share of its bounding box that an object covers: near 1, the background was not told apart;
    ``examples`` ``(5, C, H, W)`` in 0..255, the first object at each anchor. ``"orbit_polar"``: ``angles`` and mean
    ``cosine``, ``mirrored_angles`` and ``mirrored_cosine``, and ``floor``.

    Args:
        evidence: of one model.
        sprites: objects; all test images that are not blank, where there are fewer.
        stride: pixels between positions.
        background: behind the objects, whatever they were cut from.
        batch_size: images encoded at once; changes no figure.

    Raises:
        NotAvailable: images can neither be encoded nor were any turned.
    """
    orbits = orbit_findings(evidence)
    try:
        shifts = _shift_findings(evidence, sprites, stride, background, batch_size)
    except NotAvailable as reason:
        if not orbits.scores:
            raise
        shifts = Findings((unavailable("shift_global_cosine", str(reason)),))
    return Findings((*shifts.scores, *orbits.scores), {**shifts.drawings, **orbits.drawings})


def _shift_findings(evidence: Evidence, sprites: int, stride: int, background: Background, batch_size: int) -> Findings:
    if evidence.encode is None or evidence.pixels is None:
        raise NotAvailable("images cannot be encoded here")
    encode, seed = evidence.encode, evidence.seed
    stage = make_stage(encode, evidence.pixels.test, sprites, stride, background, seed)
    radii = local_radii(stride, min(stage.rows, stage.columns))
    predict, missing = _classifier(evidence)
    probed = spread_evenly(len(stage.sprites), _PROBED).tolist()
    maps = shift_maps(encode, stage, batch_size=batch_size, radii=tuple(radii.values()), predict=predict, probed=probed)
    scores = (
        *cosine_scores(maps, radii, seed),
        interior_score(maps, stage.interior(_MARGIN), seed),
        *artefact_scores(maps, stride, seed),
        *position_scores(maps, seed),
        *consistency_scores(maps, stride, seed),
        *missing,
    )
    return Findings(scores, {"shift_maps": _drawing(maps, stage, scores)})


def make_stage(
    encode: Encoder, images: Images, sprites: int, stride: int, background: Background = "zero", seed: int = 0
) -> Stage:
    """Objects of ``images`` at half the size of the model's frame, on the model's device.

    Raises:
        NotAvailable: every image is blank, or the frame has no room for two positions along each axis.
    """
    cut = cut_sprites(images, sprites, max(1, min(encode.image_shape[1:]) // 2))
    behind = make_background(background, encode.image_shape, seed)
    cut = Sprites(cut.colour.to(encode.device), cut.alpha.to(encode.device))
    return Stage(cut, encode.image_shape, stride, None if behind is None else behind.to(encode.device))


def _classifier(evidence: Evidence) -> tuple[Predict | None, tuple[Score, ...]]:
    """The linear probe's decision, or the row that says why there is none."""
    try:
        return linear_probe(evidence).predict, ()
    except NotAvailable as reason:
        return None, (
            unavailable("shift_prediction_consistency", str(reason)),
            unavailable("shift_prediction_floor", str(reason), higher_is_better=False),
        )


def _drawing(maps: ShiftMaps, stage: Stage, scores: tuple[Score, ...]) -> dict[str, Any]:
    floor = next(score.value for score in scores if score.metric == "shift_cosine_floor")
    places = [(number // stage.columns, number % stage.columns) for number in stage.anchors.tolist()]
    return {
        "maps": dict(zip(ANCHORS, maps.cosine.mean(axis=0).tolist(), strict=True)),
        "anchors": dict(zip(ANCHORS, places, strict=True)),
        "floor": floor if np.isfinite(floor) else None,
        "undefined": maps.undefined,
        "placements": len(stage) * len(stage.sprites),
        "objects": len(stage.sprites),
        "coverage": stage.sprites.coverage(),
        "examples": _examples(stage),
    }


def _examples(stage: Stage) -> list[Any]:
    canvases = stage.canvases(0, stage.anchors)
    longest = max(canvases.shape[2:])
    if longest > _LARGEST_EXAMPLE:
        size = [max(1, side * _LARGEST_EXAMPLE // longest) for side in canvases.shape[2:]]
        canvases = torch.nn.functional.interpolate(canvases, size, mode="bilinear", antialias=True)
    return canvases.clamp(0, 1).mul(255).round().byte().tolist()
